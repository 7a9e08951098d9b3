module slipway.dev/dev/tools/pause

go 1.24.0

tool slipway.dev/dev/tools/pause
