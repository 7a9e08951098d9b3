"""What pods say of the requests that they copied to a shadow, as docs/contract.md has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

WHERE_LIMIT = 128
COUNTED = ("requests", "agreed", "disagreed", "failed", "dropped")


@dataclass(frozen=True, slots=True)
class Copies:
    """What became of the requests that were copied to a shadow; ``worst`` tells of one answer.

    ``failed`` have no answer, ``dropped`` were not sent and are none of ``requests``.
    """

    requests: int = 0
    agreed: int = 0
    disagreed: int = 0
    failed: int = 0
    dropped: int = 0
    worst: str = ""

    @classmethod
    def read(cls, status: Mapping[str, Any] | None, revision: str) -> Self:
        """Read them from the ``/status`` of a runtime that sends copies to ``revision``.

        What is not there, or of no use, is nothing.
        """
        try:
            said = (status or {})["shadow"]
            if said["revision"] != revision:
                return cls()
            return cls(**{key: int(said[key]) for key in COUNTED}, worst=_worst(said["worst"]))
        except (KeyError, TypeError, ValueError):
            return cls()

    @classmethod
    def recall(cls, held: Mapping[str, Any]) -> Self:
        """Read them back from what ``write`` wrote."""
        return cls(**{key: held.get(key, 0) for key in COUNTED})

    def write(self) -> dict[str, int]:
        """Write them for status."""
        return {key: getattr(self, key) for key in COUNTED}

    def __add__(self, other: "Copies") -> "Copies":
        """Put those of two pods together."""
        both = {key: getattr(self, key) + getattr(other, key) for key in COUNTED}
        return Copies(**both, worst=self.worst or other.worst)


def _worst(said: Mapping[str, Any] | None) -> str:
    """Say where an answer differed; what it was is a user's, and stays in the pod."""
    if said is None:
        return ""
    where = f"{said['output']}{said['index'] or ''}"[:WHERE_LIMIT]
    return f"{where} differed most, and GET :8082/status of a pod that serves has by how much"
