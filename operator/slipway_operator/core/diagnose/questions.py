"""Which pods need a closer look before it can be said what ails them."""

from slipway_operator.core import names
from slipway_operator.core.diagnose.ending import KILLED
from slipway_operator.core.diagnose.images import PULLING
from slipway_operator.core.diagnose.starting import waits
from slipway_operator.core.pods import Pod


def homeless(pod: Pod) -> bool:
    """Say whether no node has room for a pod."""
    return "Insufficient" in (pod.unschedulable or "")


def silent(pod: Pod) -> bool:
    """Say whether only its Events can explain a pod."""
    if pod.ready or pod.evicted is not None or pod.unschedulable is not None:
        return False
    serving = pod.container(names.SERVE)
    killed = serving is not None and serving.restarts > 0 and serving.exit_code in KILLED
    lost = pod.lapsed and serving is not None and serving.running
    secretly = bool(pod.secrets) and any(c.waiting in PULLING for c in pod.containers)
    return waits(pod) or killed or lost or secretly
