"""The operator under test: the real one, a process beside the API server, with its own rights."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from slipway_bench import usage
from slipway_bench.scale.access import Access
from slipway_bench.servers import free_ports
from slipway_dev.errors import Failure

END_SECONDS = 10.0


@dataclass(frozen=True)
class Subject:
    """An operator that runs; ``begun`` is when its process was started, in seconds."""

    process: int
    port: int
    begun: float

    def cpu_seconds(self) -> float:
        """CPU time that it has used so far."""
        return usage.cpu_seconds([self.process])

    def memory_bytes(self) -> int:
        """Memory that it has in use now."""
        return usage.memory_bytes([self.process])

    def peak_bytes(self) -> int:
        """The most memory that it ever had in use."""
        lines = Path(f"/proc/{self.process}/status").read_text().splitlines()
        [peak] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
        return int(peak) * 1024

    def passes(self) -> tuple[int, int]:
        """Count the passes that it has made, and the objects that wait for one or are in one."""
        found = {"controller_runtime_reconcile_total": 0, WAITING[0]: 0, WAITING[1]: 0}
        for line in self._metrics().splitlines():
            name = line.partition("{")[0]
            if name in found:
                found[name] += int(float(line.rpartition(" ")[2]))
        return found["controller_runtime_reconcile_total"], found[WAITING[0]] + found[WAITING[1]]

    def _metrics(self) -> str:
        """Read them; nothing while it does not answer."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with suppress(OSError), urllib.request.urlopen(url) as answer:
            return str(answer.read().decode())
        return ""


WAITING = ("workqueue_depth", "controller_runtime_active_workers")


@contextmanager
def operator(access: Access, folder: Path, namespaces: Sequence[str] = ()) -> Iterator[Subject]:
    """Run the operator while the context lasts; it works in all namespaces if none are named.

    Raises:
        Failure: It ended by itself.
    """
    name = f"operator-{namespaces[0]}" if namespaces else "operator"
    kubeconfig, log = folder / f"{name}.kubeconfig", folder / f"{name}.log"
    kubeconfig.write_text(access.kubeconfig())
    [port] = free_ports(1)
    environ = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "POD_NAME": name,
        "POD_NAMESPACE": "slipway-system",
        "SLIPWAY_RUNTIME_IMAGE": "slipway-runtime:bench",
        "SLIPWAY_NAMESPACES": ",".join(namespaces),
        "SLIPWAY_PORT": str(port),
    }
    command = [sys.executable, "-m", "slipway_operator"]
    begun = time.monotonic()
    with (
        log.open("a") as output,
        subprocess.Popen(command, stdout=output, stderr=output, env=environ) as process,
    ):
        try:
            yield Subject(process.pid, port, begun)
        finally:
            ended = process.poll()
            _end(process)
    if ended is not None:
        raise Failure("running the operator", f"it ended by itself with {ended}", log=log)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_SECONDS)
    process.kill()
