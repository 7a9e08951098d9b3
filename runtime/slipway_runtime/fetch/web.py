"""Models that are downloaded over HTTP, resumed where a connection was cut.

Certificates are checked against the system's trust store; ``SSL_CERT_FILE`` names another one.
Proxies are those of ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``.
"""

from base64 import b64encode
from http.client import HTTPException, HTTPMessage, HTTPResponse
from time import sleep
from typing import IO
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urljoin, urlsplit, urlunsplit

from slipway_runtime import logs
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.fetch.sink import Sink

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 30.0
MOST_TRIES = 4
"""In a row, none of which got further than the ones before."""
MOST_REDIRECTS = 5
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
REASONS = {
    401: Reason.SOURCE_FORBIDDEN,
    403: Reason.SOURCE_FORBIDDEN,
    404: Reason.SOURCE_NOT_FOUND,
    410: Reason.SOURCE_NOT_FOUND,
}
HINTS = {
    Reason.SOURCE_FORBIDDEN: "Give this pod access to it, or use another source.",
    Reason.SOURCE_NOT_FOUND: "Correct {field}.uri, or put the file there.",
    Reason.SOURCE_UNAVAILABLE: "Look at the server and the way to it; the fetch is tried again.",
}


class _InterruptedError(Exception):
    """This try has failed; the next one may not."""


class _Redirects(request.HTTPRedirectHandler):
    max_redirections = MOST_REDIRECTS

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        allowed = ("https",) if req.type == "https" else ("https", "http")
        if urlsplit(newurl).scheme not in allowed:
            raise Fault(
                Reason.SOURCE_UNAVAILABLE,
                f"{logs.redacted(req.full_url)} redirects to {logs.redacted(newurl)}, which is not "
                f"{allowed[0]}.",
                "Use the address where the file is.",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> request.OpenerDirector:
    """Make an opener which knows nothing but HTTP: urllib's own would also open file://."""
    opener = request.OpenerDirector()
    for each in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        _Redirects(),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(each)
    return opener


class WebFile:
    """A file on a web server."""

    def __init__(self, uri: str, field: str = "spec.model") -> None:
        """``field`` of the user's object has the uri."""
        self._uri = uri
        self._field = field
        self._opener = _opener()
        self._validator: str | None = None
        self._best = 0

    def __str__(self) -> str:
        """Name the file without what may be secret."""
        return logs.redacted(self._uri)

    def beside(self, location: str) -> "WebFile":
        """Return the file at a path relative to this one's directory."""
        return WebFile(urljoin(self._uri, quote(location)), self._field)

    def pour(self, sink: Sink) -> None:
        """Download the file, in several parts if need be."""
        tries = 0
        while problem := self._continue(sink):
            before, self._best = self._best, max(self._best, sink.size)
            tries = 1 if self._best > before else tries + 1
            if tries >= MOST_TRIES:
                raise self._fault(Reason.SOURCE_UNAVAILABLE, str(problem)) from problem
            logs.warning("fetch interrupted", uri=str(self), problem=str(problem), tries=tries)
            sleep(0.5 * 2 ** (tries - 1))

    def _continue(self, sink: Sink) -> _InterruptedError | None:
        """Download what the sink lacks; tell what came in between."""
        try:
            self._try(sink)
        except _InterruptedError as problem:
            return problem
        return None

    def _try(self, sink: Sink) -> None:
        try:
            with self._opener.open(self._request(sink.size), timeout=TIMEOUT_SECONDS) as response:
                self._read(response, sink)
        except HTTPError as error:
            self._answered(error, sink)
        except (URLError, TimeoutError, ConnectionError, HTTPException) as error:
            problem = getattr(error, "reason", None) or error
            raise _InterruptedError(f"{type(problem).__name__}: {problem}") from error

    def _request(self, have: int) -> request.Request:
        parts = urlsplit(self._uri)
        secret, _, host = parts.netloc.rpartition("@")
        url = urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
        asked = request.Request(url, headers={"User-Agent": "slipway-runtime"})  # noqa: S310 - see _opener
        if secret:
            token = b64encode(unquote(secret).encode()).decode()
            asked.add_unredirected_header("Authorization", f"Basic {token}")
        if have and self._validator:
            asked.add_header("Range", f"bytes={have}-")
            asked.add_header("If-Range", self._validator)
        return asked

    def _read(self, response: HTTPResponse, sink: Sink) -> None:
        if response.status == 206:
            start = response.headers.get("Content-Range", "").removeprefix("bytes ")
            if not start.startswith(f"{sink.size}-"):
                sink.restart()
                raise _InterruptedError(f"the server sent another range than asked for: {start!r}")
        else:
            sink.restart()
        self._validator = _validator(response.headers)
        length = response.headers.get("Content-Length")
        sink.expected = sink.size + int(length) if length else None
        while chunk := response.read(CHUNK_BYTES):
            sink.write(chunk)
        if sink.expected is not None and sink.size != sink.expected:
            raise _InterruptedError(f"cut short after {sink.size} of {sink.expected} bytes")

    def _answered(self, error: HTTPError, sink: Sink) -> None:
        """Raise what a status other than success means."""
        problem = f"the server answered {error.code} {error.reason}"
        error.close()
        if error.code == 416:
            sink.restart()
            self._validator = None
        if error.code in WORTH_ANOTHER_TRY or error.code == 416:
            raise _InterruptedError(problem) from error
        raise self._fault(REASONS.get(error.code, Reason.SOURCE_UNAVAILABLE), problem) from error

    def _fault(self, reason: Reason, problem: str) -> Fault:
        hint = HINTS[reason].format(field=self._field)
        if "CERTIFICATE_VERIFY_FAILED" in problem:
            hint = "Name the certificate authority's file in SSL_CERT_FILE (spec.template.env)."
        return Fault(reason, f"{self} can't be fetched: {problem}.", hint)


def _validator(headers: HTTPMessage) -> str | None:
    """Return what proves that the rest is of the same file; a weak tag does not."""
    tag = headers.get("ETag")
    if tag and not tag.startswith("W/"):
        return tag
    return headers.get("Last-Modified")
