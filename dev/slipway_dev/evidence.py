"""What a person wants to see when something in the cluster did not get ready."""

from pathlib import Path

from slipway_dev.cluster import Cluster
from slipway_dev.errors import Failure
from slipway_dev.state import state_folder

QUESTIONS: tuple[tuple[str, ...], ...] = (
    ("logs", "--all-containers", "--prefix", "--tail=50", "--selector=app.kubernetes.io/name"),
    ("describe", "pods"),
    ("get", "all,configmaps", "--output=wide"),
    ("get", "events", "--sort-by=.lastTimestamp"),
)


def collect(cluster: Cluster, namespace: str, *last: tuple[str, ...]) -> Path:
    """Ask kubectl about a namespace and write the answers to a file.

    Args:
        cluster: where to ask.
        namespace: what to ask about.
        last: further questions; what they answer is shown to the user first.

    Returns:
        The file, whose end says most.
    """
    file = state_folder() / f"{namespace}-evidence.log"
    file.parent.mkdir(parents=True, exist_ok=True)
    asked = [("--namespace", namespace, *question) for question in (*QUESTIONS, *last)]
    file.write_text(
        "\n".join(f"$ kubectl {' '.join(args)}\n{_ask(cluster, args)}" for args in asked)
    )
    return file


def _ask(cluster: Cluster, args: tuple[str, ...]) -> str:
    try:
        return cluster.run(*args)
    except Failure as failure:
        return str(failure).splitlines()[-1].strip()
