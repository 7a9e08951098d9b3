"""Every string that other systems see: groups, labels, managers, names, ports, paths.

What the runtime must agree with is in docs/contract.md.
"""

GROUP = "slipway.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"

FIELD_MANAGER = "slipway-operator"
REPLICAS_MANAGER = "slipway-operator-replicas"
"""Owns nothing but ``spec.replicas``, so that handing it to an HPA drops no field."""

MODEL_LABEL = f"{GROUP}/model"
REVISION_LABEL = f"{GROUP}/revision"
TRACK_LABEL = f"{GROUP}/track"
POOL_LABEL = f"{GROUP}/pool"
"""On pods while one revision replaces another bit by bit: the Service selects by it meanwhile."""
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
NAME_LABEL = "app.kubernetes.io/name"
MANAGED_BY = "slipway"
SELECTOR = f"{MANAGED_BY_LABEL}={MANAGED_BY}"
APPLIED_ANNOTATION = f"{GROUP}/applied"
"""On children only: the digest of the manifest that was last applied."""

REST_PORT = 8080
GRPC_PORT = 9000
ADMIN_PORT = 8082
USER_ID = 65532
SETTINGS_FOLDER = "/etc/slipway"
SETTINGS_KEY = "settings.json"
SHADOW_KEY = "shadow.json"
MODELS_FOLDER = "/models"
SOURCE_FOLDER = "/source"
DATASETS_FOLDER = "/datasets"
FETCHED_DATASETS_FOLDER = f"{MODELS_FOLDER}/datasets"
BASELINE_ANNOTATION = f"{GROUP}/canary-baseline"
"""On a canary's pod: what it had answered before it took traffic."""
NOBODY = "none"
"""The track that no pod has: no fingerprint is written like it."""
FETCH = "fetch"
SERVE = "serve"


def revision(model: str, fingerprint: str) -> str:
    """Name a revision, its Deployment, its settings and its record."""
    return f"{model}-{fingerprint}"


def canary(model: str) -> str:
    """Name the Service by which gateways reach a canary."""
    return f"{model}-canary"


def fingerprint(revision: str) -> str:
    """Read the fingerprint back from a revision's name."""
    return revision.rpartition("-")[2]


def labels(model: str) -> dict[str, str]:
    """Build the labels that every object of a model carries."""
    return {MANAGED_BY_LABEL: MANAGED_BY, NAME_LABEL: "slipway-model", MODEL_LABEL: model}


def serving(model: str, fingerprint: str) -> dict[str, str]:
    """Build the labels that select the pods which take a revision's traffic."""
    return {MODEL_LABEL: model, TRACK_LABEL: fingerprint}


def pooled(model: str, pool: str) -> dict[str, str]:
    """Build the labels that select the pods of all revisions which serve together."""
    return {MODEL_LABEL: model, POOL_LABEL: pool}


def service_url(namespace: str, name: str) -> str:
    """Build the address of a model's Service inside the cluster."""
    return f"http://{name}.{namespace}.svc"


def model_path(model: str) -> str:
    """Build the path of a model on its server."""
    return f"/v2/models/{model}"


def model_url(namespace: str, name: str, model: str) -> str:
    """Build the address of a model inside the cluster."""
    return service_url(namespace, name) + model_path(model)
