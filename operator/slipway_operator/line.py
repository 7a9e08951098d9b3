"""Whose turn it is: of the models that follow the operator's runtime, one is upgraded at a time.

The memory is each model's status. An operator that starts reads there whose upgrade has begun, and
whoever has nothing to wait for, by its status, leaves the line.
"""

from collections.abc import Callable, Iterable

from slipway_operator.core.manifest import Manifest
from slipway_operator.core.upgrade import in_line
from slipway_operator.ports import Ref


class Line:
    """Models that wait for their upgrade; ``ring`` asks for a pass over the next of them."""

    def __init__(self, ring: Callable[[Ref], None]) -> None:
        self._ring = ring
        self._waiting: dict[Ref, None] = {}
        self._served: set[Ref] = set()

    def resume(self, models: Iterable[Manifest]) -> None:
        """Go on where an operator before this one ended."""
        self._served |= {_ref(m) for m in models if in_line(m.get("status", {})) == "RollingOut"}

    def take(self, ref: Ref) -> bool:
        """Say whether a model may be upgraded now; if not, it is rung when its turn has come."""
        if self._served <= {ref}:
            self._served.add(ref)
        if ref not in self._served:
            self._waiting[ref] = None
            return False
        self._waiting.pop(ref, None)
        return True

    def settle(self, ref: Ref, model: Manifest | None) -> None:
        """Let a model go that is upgraded, has failed, is gone, or no longer wants to be.

        Its pass is over, and its status tells.
        """
        if (
            model
            and "deletionTimestamp" not in model["metadata"]
            and in_line(model.get("status", {}))
        ):
            return
        self._waiting.pop(ref, None)
        self._served.discard(ref)
        following = next(iter(self._waiting), None)
        if following is not None and not self._served:
            self._ring(following)


def _ref(model: Manifest) -> Ref:
    return Ref(model["metadata"]["namespace"], model["metadata"]["name"])
