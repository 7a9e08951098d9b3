"""How soon a cluster for tests notices things, whoever provides it: much sooner than by default."""

NODE_LEASE_SECONDS = 8  # a kubelet renews it each quarter of that; the grace must be well above
APISERVER = {
    "default-not-ready-toleration-seconds": "10",
    "default-unreachable-toleration-seconds": "10",
}
CONTROLLER_MANAGER = {
    "node-monitor-period": "1s",
    "node-monitor-grace-period": "8s",
    "horizontal-pod-autoscaler-sync-period": "5s",
    "horizontal-pod-autoscaler-cpu-initialization-period": "10s",
    "horizontal-pod-autoscaler-initial-readiness-delay": "5s",
    "horizontal-pod-autoscaler-downscale-stabilization": "30s",
}


def flags(settings: dict[str, str]) -> list[str]:
    """Write settings as a command line has them."""
    return [f"--{name}={value}" for name, value in settings.items()]
