"""What is said about a revision that is not well."""

from collections.abc import Callable
from dataclasses import dataclass, field

from slipway_operator.core.containers import Container
from slipway_operator.core.pods import Pod

TAIL_CHARACTERS = 1024
TAIL_LINES = 10
REASON_LIMIT = 128
"""Most characters of a reason in the CRD: a runtime image of the user's may say anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Reason for machines, message for people, hint for what to do.

    ``final`` faults are those that neither time nor a restart will mend. ``log`` is what the
    container wrote last. ``others`` are the faults that this one goes before.
    """

    reason: str
    message: str
    hint: str = ""
    final: bool = False
    pod: str | None = None
    container: str | None = None
    exit_code: int | None = None
    log: str = ""
    others: tuple["Fault", ...] = field(default=())


Check = Callable[[Pod], Fault | None]


def of_pod(pod: Pod, reason: str, message: str, hint: str) -> Fault:
    """Build a fault of a pod as a whole."""
    return Fault(reason=reason, message=message, hint=hint, pod=pod.name)


def of_container(pod: Pod, container: Container, reason: str, message: str, hint: str) -> Fault:
    """Build a fault of one container, with the way in which it ended, if it has."""
    return Fault(
        reason=reason[:REASON_LIMIT],
        message=message,
        hint=hint,
        pod=pod.name,
        container=container.name,
        exit_code=container.exit_code,
        log=tail(container.log),
    )


def tail(log: str) -> str:
    """Keep the last lines of a log, whole ones where they fit."""
    lines = log.strip().splitlines()[-TAIL_LINES:]
    while len(lines) > 1 and sum(len(line) + 1 for line in lines) > TAIL_CHARACTERS:
        del lines[0]
    return "\n".join(lines)[-TAIL_CHARACTERS:]
