module slipway.dev/dev/tools/probe

go 1.24.0

tool slipway.dev/dev/tools/probe
