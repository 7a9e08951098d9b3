"""One API server, one operator, and a look at both."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from slipway_bench import usage
from slipway_bench.scale.access import Client
from slipway_bench.scale.audit import Log, Request
from slipway_bench.scale.plane import Plane
from slipway_bench.scale.subject import Subject, operator
from slipway_dev.errors import Failure

QUIET_SECONDS = 10.0
"""An operator that has written nothing for so long has nothing left to write: it looks at what is
not settled every 2 or 6 seconds."""
PATIENCE = 900.0


class Lab:
    """What every measure works with; ``size`` is how many ModelDeployments there are."""

    def __init__(self, plane: Plane, folder: Path, client: Client, size: int) -> None:
        self.client = client
        self.size = size
        self.log = Log(plane.audit_log)
        self._plane = plane
        self._folder = folder
        self._access = plane.access("slipway-operator")
        self._running = ExitStack()
        self._subject: Subject | None = None

    @property
    def subject(self) -> Subject:
        """The operator that runs."""
        assert self._subject, "no operator was started"  # noqa: S101
        return self._subject

    def start(self) -> Subject:
        """Start the operator anew."""
        self._running.close()
        self._subject = self._running.enter_context(operator(self._access, self._folder))
        return self._subject

    @contextmanager
    def operating(self) -> Iterator[None]:
        """Have an operator while the context lasts."""
        self.start()
        with self._running:
            yield

    def cpu_seconds(self) -> dict[str, float]:
        """CPU time that each process has used so far, the bench's own among them."""
        return {
            "operator": self.subject.cpu_seconds(),
            **self._plane.cpu_seconds(),
            "bench": usage.cpu_seconds([os.getpid()]),
        }

    async def follow(self, enough: Callable[[list[Request]], bool]) -> list[Request]:
        """Read the audit log until what was new in it is enough.

        Raises:
            Failure: It never is.
        """
        seen: list[Request] = []
        end = time.monotonic() + PATIENCE
        while True:
            new = self.log.new()
            seen += new
            if enough(new):
                return seen
            if time.monotonic() > end:
                raise Failure("waiting for the operator", f"not done after {PATIENCE:.0f} s")
            await asyncio.sleep(0.5)

    async def quiet(self) -> list[Request]:
        """Read the audit log until the operator has written nothing for a while."""
        last = time.monotonic()

        def silent(new: Sequence[Request]) -> bool:
            nonlocal last
            last = time.monotonic() if any(r.counts for r in new) else last
            return time.monotonic() - last > QUIET_SECONDS

        return await self.follow(silent)


class Use:
    """CPU time from now on."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._before = lab.cpu_seconds()
        self._begun = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long that is."""
        return time.monotonic() - self._begun

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each process."""
        now = self._lab.cpu_seconds()
        return {name: now[name] - self._before.get(name, 0.0) for name in now}
