"""How long a client may say nothing, and read nothing."""

from enum import Enum, auto

GREETING_SECONDS = 10.0
IDLE_SECONDS = 300.0
"""After this a silent client is asked whether it is still there."""
PING_SECONDS = 20.0
WRITE_SECONDS = 60.0
"""For a client that does not read its answers."""


class Verdict(Enum):
    """What to do about a client."""

    FINE = auto()
    ASK = auto()
    ABORT = auto()


class Patience:
    """One client's."""

    def __init__(self, now: float) -> None:
        self._made = self._heard = self._moving = now
        self._moved = 0
        self._asked = False

    def hear(self, now: float) -> None:
        """The client said something."""
        self._heard = now
        self._asked = False

    def judge(self, now: float, greeted: bool, moved: int | None) -> Verdict:
        """Judge a client; ``moved`` is how many bytes it took while more waits, else None."""
        if moved is None or moved != self._moved:
            self._moved, self._moving = moved or 0, now
        late = not greeted and now - self._made > GREETING_SECONDS
        silent = now - self._heard
        if late or now - self._moving > WRITE_SECONDS:
            return Verdict.ABORT
        if silent > IDLE_SECONDS + PING_SECONDS and self._asked:
            return Verdict.ABORT
        if silent > IDLE_SECONDS and not self._asked:
            self._asked = True
            return Verdict.ASK
        return Verdict.FINE
