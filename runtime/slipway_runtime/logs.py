"""Logs: one line of JSON an event on stderr. Payloads and credentials never get in."""

import logging
from datetime import UTC, datetime
from typing import Any

import orjson

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


def configure() -> None:
    """Send every log line of this process to stderr as JSON."""
    stream = logging.StreamHandler()
    stream.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[stream], force=True)


def info(event: str, **fields: object) -> None:
    """Note something that went as it should."""
    _LOGGER.info(event, extra={"fields": fields})


def warning(event: str, **fields: object) -> None:
    """Note something that a person may have to look at."""
    _LOGGER.warning(event, extra={"fields": fields})


def crash(event: str, error: BaseException, **fields: object) -> None:
    """Note a defect of ours, with its traceback."""
    _LOGGER.error(event, extra={"fields": fields}, exc_info=error)


def redacted(uri: str) -> str:
    """Leave out of a uri what may be secret: user and password, query, fragment."""
    plain = uri.partition("#")[0].partition("?")[0]
    scheme, mark, rest = plain.rpartition("://")
    host, slash, path = rest.partition("/")
    return scheme + mark + host.rpartition("@")[2] + slash + path
