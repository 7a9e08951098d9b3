"""A real Prometheus in a pod of the cluster, which scrapes the models beside it."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway_dev.packages import unpacked
from slipway_dev.state import cache_folder
from support.pods import a_pod, send
from support.workplace import Object, Workplace

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
    kubernetes_sd_configs:
      - role: pod
        namespaces: {own_namespace: true}
    relabel_configs:
      - {source_labels: [__meta_kubernetes_pod_label_slipway_dev_model], regex: .+, action: keep}
      - source_labels: [__meta_kubernetes_pod_ip]
        target_label: __address__
        replacement: $1:8082
      - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
"""


def serve(workplace: Workplace) -> str:
    """Start one, and return its URL inside the cluster once it answers."""
    workplace.apply_all(_rights(workplace))
    env = [{"name": "CONFIG", "value": CONFIG}]
    pod = a_pod(workplace, NAME, ["python3", "-c", RUN], env=env)
    pod["spec"] |= {"serviceAccountName": NAME, "automountServiceAccountToken": True}
    workplace.apply(pod)
    workplace.kubectl("expose", "pod", NAME, "--port=9090")
    workplace.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
    program = unpacked("prometheus", cache_folder()) / "usr" / "bin" / "prometheus"
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "prometheus.gz"
        packed.write_bytes(gzip.compress(program.read_bytes(), compresslevel=1))
        send(workplace, NAME, packed, "/tmp/prometheus.gz")  # noqa: S108 - in the pod
    workplace.kubectl("exec", NAME, "--", "python3", "-c", "open('/tmp/here', 'w')")
    workplace.until(
        "Prometheus is ready",
        lambda: "ready to receive web requests" in workplace.kubectl("logs", NAME),
    )
    return f"http://{NAME}.{workplace.namespace}.svc:9090"


def _rights(workplace: Workplace) -> list[Object]:
    """Let it list the pods of its namespace."""
    here: Object = {"metadata": {"name": NAME}}
    rbac = "rbac.authorization.k8s.io"
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": workplace.namespace}
    role = {"apiGroup": rbac, "kind": "Role", "name": NAME}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", **here},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", **here, "rules": [rule]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            **here,
            "roleRef": role,
            "subjects": [account],
        },
    ]
