"""Small pods of the runtime's image, which has Python and which every node can pull."""

import base64
import json
from pathlib import Path
from typing import Any

from support.workplace import Object, Workplace

RESTRICTED: Object = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
RESTRICTED_POD: Object = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RECEIVE = "import base64,sys;open(sys.argv[1],'wb').write(base64.b64decode(sys.stdin.read()))"


def a_pod(workplace: Workplace, name: str, command: list[str], **container: Any) -> Object:
    """Build a pod that passes Pod Security `restricted`; ``container`` adds to its container."""
    only = {
        "name": name,
        "image": image(workplace),
        "command": command,
        "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
        "securityContext": RESTRICTED,
        **container,
    }
    spec = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": RESTRICTED_POD,
        "containers": [only],
    }
    metadata = {"name": name, "labels": {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def image(workplace: Workplace) -> str:
    """Name the runtime image that the operator gives to new revisions."""
    where = ("--namespace=slipway-system", "get", "deployment/slipway-operator", "--output=json")
    operator = json.loads(workplace.cluster.run(*where))
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    return str(env["SLIPWAY_RUNTIME_IMAGE"])


def send(workplace: Workplace, pod: str, path: Path, target: str) -> None:
    """Copy a file of any size into a running pod."""
    content = base64.b64encode(path.read_bytes()).decode()
    receive = ("exec", "--stdin", pod, "--", "python3", "-c", RECEIVE, target)
    workplace.kubectl(*receive, stdin=content)


def a_web_server(workplace: Workplace, *paths: Path) -> str:
    """Serve files over plain HTTP inside the cluster; return the URL that their names follow."""
    server = ["python3", "-m", "http.server", "8000", "--directory", "/tmp"]  # noqa: S108
    workplace.apply(a_pod(workplace, "files", server))
    workplace.kubectl("wait", "--for=condition=Ready", "pod/files", "--timeout=60s")
    for path in paths:
        send(workplace, "files", path, f"/tmp/{path.name}")  # noqa: S108 - in the pod
    workplace.kubectl("expose", "pod", "files", "--port=80", "--target-port=8000")
    return f"http://files.{workplace.namespace}.svc"


def a_claim(workplace: Workplace, *paths: Path) -> str:
    """Put files on a volume of one node, and claim it; return the claim's name.

    The volume is filled by a pod with root's rights, in a namespace of its own.
    """
    name = f"{workplace.namespace}-volume"
    nodes = json.loads(workplace.cluster.run("get", "nodes", "--output=json"))["items"]
    host = next(node["metadata"]["name"] for node in nodes if "taints" not in node["spec"])
    folder = f"/var/tmp/{name}"  # noqa: S108 - on the node
    filler = Workplace.open(workplace.cluster, restricted=False)
    sleep = ["python3", "-c", "import time; time.sleep(600)"]
    mount = {"name": "volume", "mountPath": "/volume"}
    pod = a_pod(filler, "filler", sleep, securityContext={"runAsUser": 0}, volumeMounts=[mount])
    on_host = {"path": folder, "type": "DirectoryOrCreate"}
    pod["spec"] |= {
        "nodeName": host,
        "securityContext": {},
        "volumes": [{"name": "volume", "hostPath": on_host}],
    }
    filler.apply(pod)
    filler.kubectl("wait", "--for=condition=Ready", "pod/filler", "--timeout=60s")
    for path in paths:
        send(filler, "filler", path, f"/volume/{path.name}")
    filler.close()
    term = {"key": "kubernetes.io/hostname", "operator": "In", "values": [host]}
    common = {"accessModes": ["ReadOnlyMany"], "storageClassName": ""}
    volume = {
        **common,
        "capacity": {"storage": "1Gi"},
        "hostPath": on_host,
        "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": workplace.namespace, "name": "models"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [term]}]}},
    }
    claim = {**common, "resources": {"requests": {"storage": "1Gi"}}, "volumeName": name}
    core: Object = {"apiVersion": "v1"}
    workplace.apply(core | {"kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume})
    workplace.apply(
        core | {"kind": "PersistentVolumeClaim", "metadata": {"name": "models"}, "spec": claim}
    )
    return "models"
