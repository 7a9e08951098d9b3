"""Brings up a real Kubernetes cluster for development: `python -m slipway_dev up`."""
