"""Programs of this machine, run in pods of the cluster."""

import gzip
from pathlib import Path
from tempfile import TemporaryDirectory

from support.pods import a_pod, send
from support.workplace import Object, Workplace

RUN = """
import gzip, os, shutil, sys, time
while not os.path.exists("/tmp/here"):
    time.sleep(0.1)
with gzip.open("/tmp/program.gz") as packed, open("/tmp/program", "wb") as program:
    shutil.copyfileobj(packed, program)
os.remove("/tmp/program.gz")
os.chmod("/tmp/program", 0o755)
open("/tmp/config.yml", "w").write(os.environ["CONFIG"])
os.execv("/tmp/program", ["program", *sys.argv[1:]])
"""
"""Waits for the program, which gets what CONFIG holds as /tmp/config.yml."""


def run(
    workplace: Workplace,
    name: str,
    program: Path,
    *options: str,
    config: str = "",
    ready: str,
    **pod: object,
) -> None:
    """Run a static program in a pod until the namespace goes; ``pod`` adds to the pod's spec.

    Raises:
        AssertionError: It ended, or did not log ``ready`` within a minute.
    """
    env = [{"name": "CONFIG", "value": config}]
    manifest: Object = a_pod(workplace, name, ["python3", "-c", RUN, *options], env=env)
    manifest["spec"] |= pod
    workplace.apply(manifest)
    workplace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
    with TemporaryDirectory() as folder:
        packed = Path(folder) / "program.gz"
        packed.write_bytes(gzip.compress(program.read_bytes(), compresslevel=1))
        send(workplace, name, packed, "/tmp/program.gz")  # noqa: S108 - in the pod
    workplace.kubectl("exec", name, "--", "python3", "-c", "open('/tmp/here', 'w')")

    def ended() -> str:
        log = workplace.kubectl("logs", name)
        over = workplace.get("pod", name)["status"]["phase"] != "Running"
        return log if ready in log or over else ""

    log = workplace.until(f"{name} is ready, or has given up", ended)
    assert ready in log, log
