"""How much of what costs little to send and something to take a client may send."""


class Budget:
    """Bounds a rate: so many at once, and so many a second after that."""

    __slots__ = ("_at", "_burst", "_left", "_rate")

    def __init__(self, burst: int, rate: int, now: float) -> None:
        self._burst = burst
        self._rate = rate
        self._left = float(burst)
        self._at = now

    def spend(self, now: float) -> bool:
        """Take one; False when there is none left."""
        if now > self._at:
            self._left = min(self._burst, self._left + (now - self._at) * self._rate)
            self._at = now
        self._left -= 1
        return self._left >= 0

    def earn(self, count: int) -> None:
        """Put some back, for work that was worth it."""
        self._left = min(self._burst, self._left + count)
