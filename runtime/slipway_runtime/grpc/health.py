"""``grpc.health.v1``: whether new callers are welcome, asked once or watched."""

from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc.messages import message, parse
from slipway_runtime.grpc.rpc import Method, Methods, Rpc
from slipway_runtime.grpc.status import Code, Status

REQUEST = message("grpc.health.v1.HealthCheckRequest")
RESPONSE = message("grpc.health.v1.HealthCheckResponse")
LIST = message("grpc.health.v1.HealthListResponse")
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


class Health:
    """The service. All that a server of one model has is healthy when that model is."""

    def __init__(self, plane: DataPlane, services: tuple[str, ...]) -> None:
        """Take the names that may be asked for, beside the empty one for the whole server."""
        self._plane = plane
        self._services = ("", *services)
        self._watchers: dict[Rpc, int] = {}
        plane.on_health = self.tell

    def methods(self) -> Methods:
        """Return what is served."""
        start = b"/grpc.health.v1.Health/"
        return {
            start + b"Check": Method(self.check),
            start + b"List": Method(self.list),
            start + b"Watch": Method(self.watch),
        }

    def check(self, rpc: Rpc, content: bytes) -> None:
        """Answer once."""
        service = _service(rpc, content)
        if service is None:
            return
        if service in self._services:
            rpc.reply(self._response())
        else:
            rpc.end(Status(Code.NOT_FOUND, f"there is no service {service!r} here"))

    def list(self, rpc: Rpc, content: bytes) -> None:
        """Answer for all services."""
        del content
        response = LIST()
        for service in self._services:
            response.statuses[service].status = self._status()
        rpc.reply(response.SerializeToString())

    def watch(self, rpc: Rpc, content: bytes) -> None:
        """Answer now and at every change, until the caller goes or the server ends."""
        service = _service(rpc, content)
        if service is None:
            return
        if service in self._services:
            self._watchers[rpc] = self._status()
            rpc.send(self._response())
        else:
            self._watchers[rpc] = SERVICE_UNKNOWN
            rpc.send(RESPONSE(status=SERVICE_UNKNOWN).SerializeToString())
        rpc.cancel = lambda: self._forget(rpc)
        rpc.retire_call = lambda: self._retire(rpc)

    def tell(self) -> None:
        """Tell those who watch what has changed."""
        now = self._status()
        for rpc, known in list(self._watchers.items()):
            if known not in (now, SERVICE_UNKNOWN):
                self._watchers[rpc] = now
                rpc.send(self._response())

    def _forget(self, rpc: Rpc) -> None:
        self._watchers.pop(rpc, None)

    def _retire(self, rpc: Rpc) -> None:
        self._forget(rpc)
        rpc.end(Status(Code.UNAVAILABLE, "the server ends"))

    def _status(self) -> int:
        return SERVING if self._plane.health.ready else NOT_SERVING

    def _response(self) -> bytes:
        return bytes(RESPONSE(status=self._status()).SerializeToString())


def _service(rpc: Rpc, content: bytes) -> str | None:
    """Read which service is meant; None after a request that can't be read was refused."""
    try:
        return str(parse(REQUEST, content).service)
    except InvalidRequestError as problem:
        rpc.end(Status.of(problem))
        return None
