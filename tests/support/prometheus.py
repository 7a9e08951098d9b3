"""A real Prometheus in a pod of the cluster, which scrapes the models beside it."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway_dev.packages import unpacked
from slipway_dev.state import cache_folder
from support.pods import a_pod, send
from support.workplace import Workplace

NAME = "prometheus"
RUN = """
import gzip, os, shutil, time
while not os.path.exists("/tmp/here"):
    time.sleep(0.1)
with gzip.open("/tmp/prometheus.gz") as packed, open("/tmp/prometheus", "wb") as program:
    shutil.copyfileobj(packed, program)
os.remove("/tmp/prometheus.gz")
os.chmod("/tmp/prometheus", 0o755)
open("/tmp/config.yml", "w").write(os.environ["CONFIG"])
options = "--config.file=/tmp/config.yml", "--storage.tsdb.path=/tmp/data"
os.execv("/tmp/prometheus", ["prometheus", *options])
"""
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
    env = [{"name": "CONFIG", "value": CONFIG}]
    workplace.apply(a_pod(workplace, NAME, ["python3", "-c", RUN], env=env))
    workplace.kubectl("expose", "pod", NAME, "--port=9090")
    workplace.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
    program = unpacked("prometheus", cache_folder()) / "usr" / "bin" / "prometheus"
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "prometheus.gz"
        packed.write_bytes(gzip.compress(program.read_bytes(), compresslevel=1))
        send(workplace, NAME, packed, "/tmp/prometheus.gz")  # noqa: S108 - in the pod
    workplace.kubectl("exec", NAME, "--", "python3", "-c", "open('/tmp/here', 'w')")

    def ended() -> str:
        log = workplace.kubectl("logs", NAME)
        return log if "ready to receive" in log or "err=" in log else ""

    log = workplace.until("Prometheus is ready, or has given up", ended)
    assert "ready to receive" in log, log
    return f"http://{NAME}.{workplace.namespace}.svc:9090"
