"""A real Prometheus in a pod of the cluster, which scrapes the models beside it."""

from slipway_dev.packages import unpacked
from slipway_dev.state import cache_folder
from support import programs
from support.workplace import Workplace

NAME = "prometheus"
OPTIONS = "--config.file=/tmp/config.yml", "--storage.tsdb.path=/tmp/data"
CONFIG = """
global: {scrape_interval: 1s}
scrape_configs:
  - job_name: models
    dns_sd_configs:
      - {names: [pods], type: A, port: 8082, refresh_interval: 2s}
"""


def serve(workplace: Workplace, model: str) -> str:
    """Start one that scrapes a model's pods, and return its URL inside the cluster."""
    selector = {"slipway.dev/model": model}
    spec = {"clusterIP": "None", "selector": selector, "publishNotReadyAddresses": True}
    headless = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "pods"}, "spec": spec}
    workplace.apply(headless)
    program = unpacked("prometheus", cache_folder()) / "usr" / "bin" / "prometheus"
    programs.run(
        workplace, NAME, program, *OPTIONS, config=CONFIG, ready="ready to receive web requests"
    )
    workplace.kubectl("expose", "pod", NAME, "--port=9090")
    return f"http://{NAME}.{workplace.namespace}.svc:9090"
