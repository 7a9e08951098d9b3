"""The Slipway operator: one loop from a ModelDeployment to serving pods."""
