"""Log lines as JSON objects, one a line, each with the object that it is about."""

import json
import logging
from contextvars import ContextVar

from slipway_operator.ports import Ref

about: ContextVar[Ref | None] = ContextVar("about", default=None)
"""The ModelDeployment of the pass that runs here."""


class JsonLines(logging.Formatter):
    """Formats a record as time, level, logger, message, object and error."""

    default_msec_format = "%s.%03d"

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        line: dict[str, object] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        ref = about.get()
        if ref is not None:
            line["object"] = {"namespace": ref.namespace, "name": ref.name}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def configure() -> None:
    """Send what matters to stderr; of kopf and aiohttp only what is wrong."""
    out = logging.StreamHandler()
    out.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[out])
    for chatty in ("kopf", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
