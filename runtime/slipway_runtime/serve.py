"""The life of a server: listen, load, answer, drain, end."""

import asyncio
import faulthandler
import gc
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import perf_counter
from typing import TYPE_CHECKING

from slipway_runtime import inspection, logs, spans, termination
from slipway_runtime.admin import Admin
from slipway_runtime.batcher import Batcher, Limits
from slipway_runtime.batching import Sorter
from slipway_runtime.costs import Costs
from slipway_runtime.dataplane import DataPlane, Effective, Served
from slipway_runtime.errors import Fault
from slipway_runtime.grpc import site
from slipway_runtime.grpc.server import Server as GrpcServer
from slipway_runtime.http1 import Connection
from slipway_runtime.inspection import Found
from slipway_runtime.memory import Memory
from slipway_runtime.port import Port
from slipway_runtime.protocol import Reader
from slipway_runtime.rest import Rest
from slipway_runtime.settings import Settings

if TYPE_CHECKING:
    from slipway_runtime.grpc.fallback import GrpcioServer
    from slipway_runtime.loading import Loaded
    from slipway_runtime.shadow.watch import Watch
    from slipway_runtime.verification.verifier import Verifier

ADMIN_BODY_BYTES = 64 << 10
MOST_CONNECTIONS = 8192
SPARE_FILES = 64
BACKLOG = 1024
PATIENCE_SECONDS = 5.0
"""Of our own questions, beyond what a request may take."""
HANG_SECONDS = 10.0
"""Without a turn of the event loop; then the log says where it hangs."""


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
    grpc: Address
    admin: Address
    termination_log: Path
    grpcio: bool = False
    """Whether gRPC is left to the grpcio package."""
    shadow: Path | None = None
    """The file that may bid to shadow; without settings there is none."""


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
        name, version = settings.model.name, settings.version
        exported = spans.start(os.environ, name, version)
        self._plane = DataPlane(name, version, exported, instance=token_hex(8))
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_FILES
        most = min(MOST_CONNECTIONS, files // 2)
        most_bytes = settings.limits.max_request_bytes
        self._rest = Rest(self._plane, most_bytes)
        self._http = Port(self._rest, most_bytes, most)
        self._grpc = _grpc_server(options.grpcio)(site.service(self._plane, most_bytes), most)
        self._admin = Port(Admin(self._plane), ADMIN_BODY_BYTES, SPARE_FILES // 2)
        self._listeners: list[asyncio.Server] = []
        self._told_to_end = asyncio.Event()
        self._told_to_hurry = asyncio.Event()
        self._defect: Exception | None = None
        self._memory: Memory | None = None
        self._verifier: Verifier | None = None
        self._shadow: Watch | None = None
        self._welcomed = False

    async def listen(self) -> None:
        """Open all ports, and let their time begin."""
        self._tick()
        for port, address in (
            (self._http, self._options.http),
            (self._admin, self._options.admin),
        ):
            self._listeners.append(await self._listen(port, address))
        bound = _bound(self._options.grpc)
        grpc = _names([bound])
        await self._grpc.listen(bound)
        http, admin = (_names(listener.sockets) for listener in self._listeners)
        logs.info("listening", http=http, grpc=grpc, admin=admin)

    async def _listen(self, port: Port, address: Address) -> asyncio.Server:
        return await self._loop.create_server(
            lambda: Connection(port), sock=_bound(address), backlog=BACKLOG
        )

    def _tick(self) -> None:
        date = formatdate(usegmt=True).encode()
        for port in (self._http, self._admin):
            port.tick(self._loop.time(), date)
        if served := self._plane.served:
            self._plane.metrics.tick(served.batcher.busy_seconds)
        faulthandler.dump_traceback_later(HANG_SECONDS)
        self._plane.watch()
        if self._memory and self._plane.model().batcher.quiet(self._memory.due):
            threading.Thread(target=self._memory.give_back, name="memory", daemon=True).start()
        self._grpc.tick(self._loop.time())
        self._ticking = self._loop.call_later(1.0, self._tick)

    # Loading, in a thread of its own.

    def load(self) -> None:
        """Bring the model up, and tell the event loop how it went."""
        began = perf_counter()
        settings, path = self._settings, self._options.model
        try:
            # onnxruntime's import takes most of the start: the server answers before it.
            from slipway_runtime.loading import load  # noqa: PLC0415

            found = inspection.inspect(path, settings.model.sha256)
            self._tell(self._found, found)
            loaded = load(found, settings)
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
        logs.warning(
            "no model to serve", reason=fault.reason, message=fault.message, hint=fault.hint
        )
        termination.write(self._options.termination_log, termination.failed(fault, logs.tail()))

    def _serve(self, loaded: "Loaded", seconds: float) -> None:
        profile, engine = loaded.profile, loaded.engine
        batcher = self._batcher(loaded)
        self._plane.metrics.load_seconds = seconds
        self._plane.metrics.warm_up_seconds = loaded.warm_up_seconds
        effective = Effective(engine.provider, loaded.intra_op_threads, profile, loaded.version)
        signature = engine.signature
        served = Served(signature, Reader(signature), batcher, effective)
        self._verifier = self._verification(served)
        self._plane.serve(served, self._verifier)
        gc.collect()
        gc.freeze()  # what is there now stays: looking through it again would take 10 ms at a time
        if profile.sample:
            self._memory = Memory(partial(engine.shrink, profile.sample))
        if self._verifier:
            self._verifier.start()
        else:
            self._say_serving()

    def _say_serving(self) -> None:
        self._welcomed = True
        self._shadow = self._watch_shadow()
        logs.info(
            "serving",
            model=self._plane.name,
            version=self._plane.version,
            load_seconds=round(self._plane.metrics.load_seconds or 0.0, 3),
            **(self._plane.effective() or {}),
        )

    def _watch_shadow(self) -> "Watch | None":
        """Copy requests when that is wished; those of the start's verification are not copied."""
        if self._options.shadow is None:
            return None
        from slipway_runtime.shadow.watch import Watch  # noqa: PLC0415 - not all need it

        return Watch(self._options.shadow, self._plane)

    def _verification(self, served: Served) -> "Verifier | None":
        """Make what finds out whether the answers are right; None where nobody wants to know."""
        wanted = self._settings.verification
        if wanted is None:
            return None
        from slipway_runtime.verification.client import Endpoint  # noqa: PLC0415 - not all need it
        from slipway_runtime.verification.subject import Subject  # noqa: PLC0415
        from slipway_runtime.verification.verifier import Verifier  # noqa: PLC0415

        host, port = self._listeners[0].sockets[0].getsockname()[:2]
        own = {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, host)  # noqa: S104
        patience = self._settings.limits.request_timeout_seconds + PATIENCE_SECONDS
        endpoint = Endpoint(own, port, self._plane.name, patience)
        most = served.effective.profile.most
        subject = Subject(endpoint, served.signature, served.batcher.workers, most)
        return Verifier(wanted, self._plane, subject, self)

    def verified(self) -> None:
        """Let callers come, whose answers will be right as far as that was asked."""
        if self._told_to_end.is_set():
            return
        if self._plane.health.fault:
            termination.write(self._options.termination_log, b"")
        self._plane.welcome()
        self._say_serving()

    def _batcher(self, loaded: "Loaded") -> Batcher:
        profile, wanted = loaded.profile, self._settings.limits
        costs = Costs(profile.most, loaded.steady)
        for rows, taken in profile.times.items():
            costs.learn(profile.size, rows, taken)
        limits = Limits(
            loaded.workers,
            wanted.max_queue,
            wanted.request_timeout_seconds,
            self._settings.batching.max_queue_delay_seconds if profile.most > 1 else 0.0,
        )
        sorter = Sorter(loaded.engine.signature, profile.proven)
        return Batcher(loaded.engine.run, sorter, costs, limits, self._plane.metrics)

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
        callers = self._welcomed
        if self._verifier:
            self._verifier.close()
        if self._shadow:
            self._shadow.close()
        self._plane.drain()
        self._http.draining = True
        seconds = self._settings.drain_seconds if callers else 0.0
        logs.info("draining", seconds=seconds)
        await self._wait(seconds)
        self._listeners[0].close()
        self._http.close_idle()
        self._grpc.retire()
        await self._finish()
        logs.info("ended", unanswered=self._busy())
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
        while self._busy() and self._loop.time() < until:
            await self._wait(0.02)
            if self._told_to_hurry.is_set():
                until = min(until, self._loop.time() + 1.0)
                await asyncio.sleep(0.02)

    def _busy(self) -> int:
        return len(self._http.connections) + self._grpc.connections

    async def _close(self) -> None:
        """Leave nothing open: uvloop waits for all of it."""
        self._ticking.cancel()
        self._rest.close()
        faulthandler.cancel_dump_traceback_later()
        if self._plane.served:
            self._plane.served.batcher.close()
        self._listeners[1].close()
        for port in (self._http, self._admin):
            port.abort()
        await self._grpc.close()
        if self._plane.spans:
            await asyncio.to_thread(self._plane.spans.close)
        await asyncio.sleep(0)


def _grpc_server(grpcio: bool) -> "type[GrpcServer | GrpcioServer]":
    """Choose what speaks gRPC; the package is not there unless it is asked for."""
    if not grpcio:
        return GrpcServer
    from slipway_runtime.grpc.fallback import GrpcioServer  # noqa: PLC0415

    return GrpcioServer


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


def _names(sockets: Iterable[socket.socket]) -> list[str]:
    return ["{}:{}".format(*each.getsockname()[:2]) for each in sockets]
