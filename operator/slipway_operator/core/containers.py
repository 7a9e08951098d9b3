"""One container of a pod: whether it runs, how it ended last, and what it left behind."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container of a pod; ``reason`` and ``message`` are of its present, or else its last, end.

    ``waiting`` is the kubelet's reason for not running it, ``report`` what it left as JSON;
    ``memory`` is its limit.
    """

    name: str
    waiting: str | None = None
    waiting_message: str = ""
    running: bool = False
    ready: bool = False
    restarts: int = 0
    exit_code: int | None = None
    reason: str | None = None
    message: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)
    memory: str | None = None

    @classmethod
    def read(cls, status: Mapping[str, Any], memory: str | None = None) -> Self:
        """Read one entry of a pod's container statuses."""
        state = status.get("state", {})
        ended = state.get("terminated") or status.get("lastState", {}).get("terminated") or {}
        waiting = state.get("waiting", {})
        return cls(
            name=status["name"],
            waiting=waiting.get("reason"),
            waiting_message=waiting.get("message", ""),
            running="running" in state,
            ready=status.get("ready", False),
            restarts=status.get("restartCount", 0),
            exit_code=ended.get("exitCode"),
            reason=ended.get("reason"),
            message=ended.get("message", ""),
            report=_report(ended.get("message", "")),
            memory=memory,
        )

    @property
    def failed(self) -> bool:
        """Whether its last end was a failure; that it runs again does not make it well."""
        return self.exit_code not in {None, 0}

    @property
    def log(self) -> str:
        """What it wrote last: the kubelet puts the end of the log where no message was left."""
        return str(self.report.get("log", "")) if self.report else self.message


def _report(text: str) -> Mapping[str, Any]:
    """Read a termination message of docs/contract.md; any other text is an empty report."""
    try:
        report = json.loads(text)
    except ValueError:
        return {}
    return report if isinstance(report, dict) and report.get("schemaVersion") == 1 else {}
