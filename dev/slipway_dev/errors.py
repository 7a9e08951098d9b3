"""The one exception of this package: something that a person has to know about."""

from pathlib import Path

TAIL_LINES = 15


class Failure(Exception):  # noqa: N818 - it is told to people, who know failures
    """A step failed: what, what was found, where to read on, and what to do.

    Args:
        what: the step, as in "starting etcd".
        found: what was seen in place of success.
        remedy: what the reader can do about it.
        log: the file whose last lines tell more.
    """

    def __init__(self, what: str, found: str, *, remedy: str = "", log: Path | None = None) -> None:
        self.what = what
        self.log = log
        parts = [f"{what} failed", f"  found:  {_indented(found)}"]
        if log:
            parts += [f"  log:    {log}, which ends with", *_tail(log)]
        if remedy:
            parts.append(f"  remedy: {_indented(remedy)}")
        super().__init__("\n".join(parts))


def _indented(text: str) -> str:
    return text.strip().replace("\n", "\n          ")


def _tail(log: Path) -> list[str]:
    if not log.exists():
        return ["          (nothing: it was never written)"]
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return [f"          | {line[:300]}" for line in lines]
