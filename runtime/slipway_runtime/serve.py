"""The life of a server: listen, load, answer, drain, end."""

import asyncio
import resource
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from time import perf_counter

from slipway_runtime import inspection, logs, termination
from slipway_runtime.admin import Admin
from slipway_runtime.batcher import Batcher
from slipway_runtime.dataplane import DataPlane, Served
from slipway_runtime.errors import Fault
from slipway_runtime.http1 import Connection, Port
from slipway_runtime.inspection import Found
from slipway_runtime.loading import Loaded, load
from slipway_runtime.protocol import Reader
from slipway_runtime.rest import Rest
from slipway_runtime.settings import Settings

ADMIN_BODY_BYTES = 64 << 10
MOST_CONNECTIONS = 8192
SPARE_FILES = 64
BACKLOG = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; no host is every one, port 0 is any free one."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    model: Path
    http: Address
    admin: Address
    termination_log: Path


async def serve(settings: Settings, options: Options, fault: Fault | None = None) -> None:
    """Serve until the process is told to end.

    ``fault`` is what is known to be wrong beforehand: the server then only says so.
    """
    server = _Server(settings, options)
    await server.listen()
    server.obey_signals()
    if fault:
        server.fail(fault)
    else:
        threading.Thread(target=server.load, name="load", daemon=True).start()
    await server.end()


class _Server:
    def __init__(self, settings: Settings, options: Options) -> None:
        self._settings = settings
        self._options = options
        self._loop = asyncio.get_running_loop()
        self._plane = DataPlane(settings.model.name, settings.version)
        most = min(MOST_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES)
        self._http = Port(Rest(self._plane), settings.limits.max_request_bytes, most)
        self._admin = Port(Admin(self._plane), ADMIN_BODY_BYTES, SPARE_FILES // 2)
        self._listeners: list[asyncio.Server] = []
        self._told_to_end = asyncio.Event()
        self._told_to_hurry = asyncio.Event()
        self._defect: Exception | None = None

    async def listen(self) -> None:
        """Open both ports, and let their time begin."""
        self._tick()
        for port, address in (
            (self._http, self._options.http),
            (self._admin, self._options.admin),
        ):
            self._listeners.append(await self._listen(port, address))
        http, admin = (_names(listener) for listener in self._listeners)
        logs.info("listening", http=http, admin=admin)

    async def _listen(self, port: Port, address: Address) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: Connection(port), sock=_bound(address), backlog=BACKLOG
        )

    def _tick(self) -> None:
        date = formatdate(usegmt=True).encode()
        for port in (self._http, self._admin):
            port.tick(self._loop.time(), date)
        self._ticking = self._loop.call_later(1.0, self._tick)

    # Loading, in a thread of its own.

    def load(self) -> None:
        """Bring the model up, and tell the event loop how it went."""
        began = perf_counter()
        settings, path = self._settings, self._options.model
        try:
            found = inspection.inspect(path, settings.model.sha256)
            self._tell(self._found, found)
            loaded = load(found, settings.session)
        except Fault as fault:
            self._tell(self.fail, fault)
        except Exception as error:
            self._tell(self._break, error)
        else:
            self._tell(self._serve, loaded, perf_counter() - began)

    def _tell(self, what: Callable[..., object], *arguments: object) -> None:
        self._loop.call_soon_threadsafe(what, *arguments)

    def _found(self, found: Found) -> None:
        self._plane.found = found

    def _break(self, error: Exception) -> None:
        self._defect = error
        self._told_to_end.set()

    def fail(self, fault: Fault) -> None:
        """Stay up, unready, and say why."""
        self._plane.fail(fault)
        termination.write(self._options.termination_log, termination.failed(fault))
        logs.warning(
            "no model to serve", reason=fault.reason, message=fault.message, hint=fault.hint
        )

    def _serve(self, loaded: Loaded, seconds: float) -> None:
        limits, metrics = self._settings.limits, self._plane.metrics
        batcher = Batcher(
            loaded.engine.run,
            loaded.workers,
            limits.max_queue,
            limits.request_timeout_seconds,
            metrics.inferences.observe,
        )
        if loaded.run_seconds is not None:
            batcher.learn(loaded.engine.smallest(), loaded.run_seconds)
        metrics.load_seconds = seconds
        signature = loaded.engine.signature
        self._plane.serve(Served(signature, Reader(signature), batcher, loaded.intra_op_threads))
        logs.info(
            "serving",
            model=self._plane.name,
            version=self._plane.version,
            load_seconds=round(seconds, 3),
            run_seconds=loaded.run_seconds,
            workers=loaded.workers,
            intra_op_threads=loaded.intra_op_threads,
        )

    # The end.

    def obey_signals(self) -> None:
        """Drain at the first signal, hurry at the second."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: int) -> None:
        if self._told_to_end.is_set():
            self._told_to_hurry.set()
        self._told_to_end.set()

    async def end(self) -> None:
        """Wait for the signal; then drain and return when the last answer is out."""
        await self._told_to_end.wait()
        if self._defect:
            raise self._defect
        callers = self._plane.served is not None
        self._plane.drain()
        self._http.draining = True
        seconds = self._settings.drain_seconds if callers else 0.0
        logs.info("draining", seconds=seconds)
        await self._wait(seconds)
        self._listeners[0].close()
        self._http.close_idle()
        await self._finish()
        logs.info("ended", unanswered=len(self._http.connections))
        await self._close()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._told_to_hurry.wait()
        except TimeoutError:
            pass

    async def _finish(self) -> None:
        """Wait for requests in flight: none takes longer than its reading and its timeout."""
        limit = self._settings.limits.request_timeout_seconds + 5.0
        until = self._loop.time() + limit
        while self._http.connections and self._loop.time() < until:
            await self._wait(0.02)
            if self._told_to_hurry.is_set():
                until = min(until, self._loop.time() + 1.0)
                await asyncio.sleep(0.02)

    async def _close(self) -> None:
        """Leave nothing open: uvloop waits for all of it."""
        self._ticking.cancel()
        if self._plane.served:
            self._plane.served.batcher.close()
        self._listeners[1].close()
        for port in (self._http, self._admin):
            port.abort()
        await asyncio.sleep(0)


def _bound(address: Address) -> socket.socket:
    """Bind; without a host to every address, of IPv6 only where the machine has it."""
    if address.host:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        return socket.create_server((address.host, address.port), family=family, backlog=BACKLOG)
    try:
        return socket.create_server(
            ("::", address.port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
        )
    except OSError:
        return socket.create_server(("0.0.0.0", address.port), backlog=BACKLOG)  # noqa: S104


def _names(listener: asyncio.Server) -> list[str]:
    return ["{}:{}".format(*each.getsockname()[:2]) for each in listener.sockets]
