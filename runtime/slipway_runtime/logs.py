"""Logs: one line of JSON an event on stderr. Payloads and credentials never get in."""

import logging
from collections import Counter, deque
from datetime import UTC, datetime
from typing import Any

import orjson

from slipway_runtime.tracing import Context

MOST_A_SECOND = 10
"""Lines of one event: what fails with every request must not drown what else is said."""

_LOGGER = logging.getLogger("slipway_runtime")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _Sparing(logging.Filter):
    """Lets an event through a few times a second; the next line says how many were left out."""

    def __init__(self) -> None:
        super().__init__()
        self._second = 0
        self._lines: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        if int(record.created) != self._second:
            self._second = int(record.created)
            self._lines.clear()
        event = str(record.msg)
        self._lines[event] += 1
        if self._lines[event] > MOST_A_SECOND:
            self._left_out[event] += 1
            return False
        if left_out := self._left_out.pop(event, 0):
            record.fields = {**getattr(record, "fields", {}), "left_out": left_out}
        return True


class _Recent(logging.Handler):
    """Keeps the last lines, for whoever asks why there is no model."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=10)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record)[:MOST_CHARACTERS])


MOST_CHARACTERS = 1024
_RECENT = _Recent()


def configure() -> None:
    """Send every log line of this process to stderr as JSON."""
    handlers = [logging.StreamHandler(), _RECENT]
    for handler in handlers:
        handler.setFormatter(_JsonLines())
    handlers[0].addFilter(_Sparing())
    logging.basicConfig(level=logging.INFO, handlers=handlers, force=True)


def tail() -> str:
    """Return the last lines that were logged, whole ones, at most 1024 characters."""
    lines = list(_RECENT.lines)
    while len(lines) > 1 and sum(len(line) + 1 for line in lines) > MOST_CHARACTERS:
        del lines[0]
    return "\n".join(lines)


def info(event: str, **fields: object) -> None:
    """Note something that went as it should."""
    _LOGGER.info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """Note something that a person may have to look at."""
    _LOGGER.warning(event, extra={"fields": fields})


def crash(event: str, error: BaseException, **fields: object) -> None:
    """Note a defect of ours, with its traceback."""
    _LOGGER.error(event, extra={"fields": fields}, exc_info=error)


def failed(problem: str, request_id: str, trace: Context | None) -> None:
    """Note a request that got 500, with what its caller knows of it, where that was given."""
    ids = {"id": request_id, "trace_id": trace.trace_id.decode() if trace else ""}
    warning(
        "prediction failed", problem=problem, **{name: text for name, text in ids.items() if text}
    )


def redacted(uri: str) -> str:
    """Leave out of a uri what may be secret: user and password, query, fragment."""
    plain = uri.partition("#")[0].partition("?")[0]
    scheme, mark, rest = plain.rpartition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host.rpartition("@")[2] + slash + path
