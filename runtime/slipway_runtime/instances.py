"""Says in an answer who gave it, to those who ask. Others pay nothing for it."""

from msgspec.structs import replace

from slipway_runtime.exchange import Exchange, Response

HEADER = b"slipway-instance"


class Named:
    """Stands between whoever answers and the exchange, and adds the header."""

    def __init__(self, outer: Exchange, instance: str) -> None:
        self._outer = outer
        self._line = b"%b: %b\r\n" % (HEADER, instance.encode())

    def exchange(self) -> Exchange:
        """Return what is to be answered in the other's place."""
        inner = Exchange(self, self._outer.head, self._outer.body)
        self._outer.cancel = lambda: inner.cancel() if inner.cancel else None
        return inner

    def answer(self, exchange: Exchange, response: Response) -> None:
        """Pass the answer on."""
        del exchange
        self._outer.answer(replace(response, headers=response.headers + self._line))

    def hold(self, size: int) -> bool:
        """Count for the outer exchange."""
        return self._outer.hold(size)
