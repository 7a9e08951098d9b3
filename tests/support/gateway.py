"""The Gateway API on the cluster, and Traefik as a gateway in a pod of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from slipway_dev.bare.binaries import GATEWAY, find_go
from slipway_dev.cluster import Cluster
from slipway_dev.steps import run
from support import programs
from support.operators import DEPLOYMENT, Operators, until
from support.tools import built
from support.workplace import Object, Workplace

API = "sigs.k8s.io/gateway-api"
GROUP = "gateway.networking.k8s.io"
NAME = "traefik"
CONTROLLER = "traefik.io/gateway-controller"
OPTIONS = (
    "--providers.kubernetesgateway=true",
    "--entrypoints.web.address=:8000",
    "--global.checknewversion=false",
    "--global.sendanonymoususage=false",
    "--log.level=INFO",
)
ROUTES = ["gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants"]
POLICIES = ["backendtlspolicies"]
OPEN = {"namespaces": {"from": "All"}}
READ = ["get", "list", "watch"]
RULES = [
    {"apiGroups": [""], "resources": ["namespaces", "nodes"], "verbs": READ},
    {"apiGroups": [""], "resources": ["services", "secrets", "configmaps"], "verbs": READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
    {"apiGroups": [GROUP], "resources": [*ROUTES, *POLICIES], "verbs": READ},
    {
        "apiGroups": [GROUP],
        "resources": [f"{kind}/status" for kind in (*ROUTES, *POLICIES)],
        "verbs": ["update"],
    },
]


@dataclass(frozen=True)
class Web:
    """A gateway: what a ModelDeployment names as its parent, and the host that callers ask."""

    parent: Object
    host: str


@contextmanager
def installed(cluster: Cluster) -> Iterator[Web]:
    """Have the Gateway API and a gateway for a while, to which everybody may attach routes.

    The operator notices by itself; in the end it is started anew, which is quicker.
    """
    folder = str(_definitions())
    cluster.run("apply", "--server-side", "--filename", folder)
    workplace = Workplace.open(cluster)
    name, parts = f"{NAME}-{workplace.namespace}", list[Object]()
    try:
        operators = Operators(cluster)
        before = operators.restarts()
        until("the operator begins anew", lambda: operators.restarts() != before, 60)
        _leads(operators)
        parts += _parts(name, workplace.namespace)
        workplace.apply_all(parts)
        _serve(workplace)
        host = f"{NAME}.{workplace.namespace}.svc"
        yield Web({"name": NAME, "namespace": workplace.namespace}, host)
    finally:
        workplace.close()
        cluster.run("delete", "clusterrole,clusterrolebinding", name, "--ignore-not-found")
        cluster.run("delete", "--ignore-not-found", "--filename", folder)
        Operators(cluster).kubectl("rollout", "restart", DEPLOYMENT)
        _leads(Operators(cluster))


def _leads(operators: Operators) -> None:
    operators.kubectl("rollout", "status", DEPLOYMENT, "--timeout=60s")
    until("an operator leads", lambda: operators.leader() != "", 30)


def _definitions() -> Path:
    """Find the CRDs of the release that Traefik was built with."""
    found = run([find_go(), "mod", "download", "-json", API], cwd=GATEWAY.folder)
    return Path(json.loads(found)["Dir"]) / "config" / "crd" / "standard"


def _parts(name: str, namespace: str) -> list[Object]:
    roles = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": namespace}
    role = {"apiGroup": roles, "kind": "ClusterRole", "name": name}
    listener = {"name": "web", "protocol": "HTTP", "port": 8000, "allowedRoutes": OPEN}
    gateway = {"gatewayClassName": name, "listeners": [listener]}
    return [
        _object("v1", "ServiceAccount", NAME),
        _object(f"{roles}/v1", "ClusterRole", name, rules=RULES),
        _object(f"{roles}/v1", "ClusterRoleBinding", name, roleRef=role, subjects=[account]),
        _object(f"{GROUP}/v1", "GatewayClass", name, spec={"controllerName": CONTROLLER}),
        _object(f"{GROUP}/v1", "Gateway", NAME, spec=gateway),
    ]


def _serve(workplace: Workplace) -> None:
    programs.run(
        workplace,
        NAME,
        built(GATEWAY),
        *OPTIONS,
        ready="Starting provider *gateway.Provider",
        serviceAccountName=NAME,
        automountServiceAccountToken=True,
    )
    workplace.kubectl("expose", "pod", NAME, "--port=80", "--target-port=8000")


def _object(version: str, kind: str, name: str, **parts: object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **parts}
