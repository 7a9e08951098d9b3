"""One condition of a ModelDeployment, and how a fault reads in it."""

from dataclasses import dataclass

from slipway_operator.core.diagnose import Fault


@dataclass(frozen=True, slots=True)
class Condition:
    """One answer; ``status`` is ``True``, ``False`` or ``Unknown``."""

    type: str
    status: str
    reason: str
    message: str


def sentence(fault: Fault) -> str:
    """Say where, what, and what to do."""
    where = "/".join(part for part in (fault.pod, fault.container) if part)
    end = "" if not fault.hint or fault.message.rstrip().endswith((".", "!", "?")) else "."
    parts = (f"{where}:" if where else "", fault.message.rstrip() + end, fault.hint)
    return " ".join(part for part in parts if part)
