module slipway.dev/bench/load

go 1.24.0

require golang.org/x/net v0.48.0
