"""Why a revision was refused for good, as status remembers it when its pods are gone."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self


class Refusal(NamedTuple):
    """What was found wrong; the revision is tried again only if spec.rollout.retry asks for it."""

    reason: str
    message: str
    hint: str = ""
    pod: str | None = None

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None) -> Self | None:
        """Read it back from status."""
        if raw is None:
            return None
        return cls(raw["reason"], raw["message"], raw.get("hint", ""), raw.get("pod"))

    def write(self) -> dict[str, Any]:
        """Write it for status."""
        optional = {"hint": self.hint or None, "pod": self.pod}
        known = {k: v for k, v in optional.items() if v is not None}
        return {"reason": self.reason, "message": self.message, **known}
