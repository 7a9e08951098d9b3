"""What a model can come from."""

from typing import Protocol

from slipway_runtime.fetch.sink import Sink


class Source(Protocol):
    """One file somewhere. ``str()`` of it names it without secrets."""

    def pour(self, sink: Sink) -> None:
        """Write all of the file into the sink.

        Raises:
            Fault: If that is not possible.
        """

    def beside(self, location: str) -> "Source":
        """Return the file at a path relative to this one's directory."""
