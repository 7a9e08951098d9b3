"""The file ``shadow.json`` of docs/contract.md. Nothing here reads files."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from slipway_runtime.checks import NotNegative, Section, Tolerance

Percent = Annotated[int, msgspec.Meta(ge=1, le=100)]


class InvalidFileError(Exception):
    """A file of another form."""


class Wanted(Section, frozen=True):
    """Which revision is asked, where, and what share of the requests it is asked.

    ``rtol`` and ``atol`` are how far its numbers may be from ours.
    """

    schema_version: Literal[1]
    revision: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    url: Annotated[str, msgspec.Meta(pattern=r"^http://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?$")]
    percent: Percent
    rtol: NotNegative
    atol: NotNegative

    def __post_init__(self) -> None:
        """Refuse a port that can be none."""
        _ = urlsplit(self.url).port

    @property
    def tolerance(self) -> Tolerance:
        """How far a number may be from ours."""
        return Tolerance(rtol=self.rtol, atol=self.atol)


def parse(content: bytes) -> Wanted:
    """Read the file.

    Raises:
        InvalidFileError: With the path of the key that is wrong.
    """
    try:
        return msgspec.json.decode(content, type=Wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise InvalidFileError(str(problem).replace("`$.", "`")) from None
