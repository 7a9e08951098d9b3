"""The servers that ours is measured beside, each in an environment of its own.

All serve the same file with the same onnxruntime, one thread a run, no spinning, and take single
rows. MLServer and KServe's Python server have no ONNX runtime of their own: `bench/peers` has the
few lines that they ask their users for. The Triton is the one in `nvidia-pytriton`: its front end
in C++ with the Python backend, since the wheel has no ONNX backend.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slipway_bench.models import Model
from slipway_bench.servers import Launch, free_ports

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "bench" / "peers"
TRITON_PYTHON = "3.11"
LIBPYTHON = Path(f"/usr/lib/x86_64-linux-gnu/libpython{TRITON_PYTHON}.so.1.0")


@dataclass(frozen=True)
class Peer:
    """One server; ``lacks`` says why it can't run here, or nothing."""

    name: str
    title: str
    launch: Callable[[Model], Launch]

    @property
    def lacks(self) -> str:
        """Why it can't be measured; empty when it can."""
        if not (_folder(self.name) / ".ready").exists():
            return "run `make bench-peers` first"
        if self.name == "triton" and not LIBPYTHON.exists():
            return f"its Python backend needs Debian's {LIBPYTHON.name}"
        return ""


def _folder(name: str) -> Path:
    return ROOT / f".venv-peer-{name}"


def _mlserver(model: Model) -> Launch:
    http, grpc, metrics = free_ports(3)
    folder = model.path.parent / "mlserver"
    folder.mkdir(exist_ok=True)
    shutil.copy(SOURCE / "mlserver_onnx.py", folder)
    settings = f'{{"name":"{model.name}","implementation":"mlserver_onnx.Onnx",'
    settings += f'"parameters":{{"uri":"{model.path}"}}}}'
    (folder / "model-settings.json").write_text(settings)
    environ = {
        "MLSERVER_HOST": "127.0.0.1",
        "MLSERVER_HTTP_PORT": str(http),
        "MLSERVER_GRPC_PORT": str(grpc),
        "MLSERVER_METRICS_PORT": str(metrics),
        "MLSERVER_PARALLEL_WORKERS": "0",  # the default is slower, and dies with a newer uvloop
        "MLSERVER_DEBUG": "false",
        "PYTHONPATH": str(folder),
    }
    command: list[str | Path] = [_folder("mlserver") / "bin" / "mlserver", "start", folder]
    return Launch("mlserver", command, f"/v2/models/{model.name}/ready", http, grpc, environ)


def _kserve(model: Model) -> Launch:
    http, grpc = free_ports(2)
    python = _folder("kserve") / "bin" / "python"
    command: list[str | Path] = [python, SOURCE / "kserve_onnx.py", model.path, "--workers=1"]
    command += [f"--http_port={http}", f"--grpc_port={grpc}"]
    environ = {"PYTHONPATH": ""}
    return Launch("kserve", command, f"/v2/models/{model.name}/ready", http, grpc, environ)


def _triton(model: Model) -> Launch:
    http, grpc = free_ports(2)
    folder = model.path.parent / "triton" / model.name
    (folder / "1").mkdir(parents=True, exist_ok=True)
    shutil.copy(SOURCE / "triton_onnx.py", folder / "1" / "model.py")
    shutil.copy(model.path, folder / "1" / "model.onnx")
    (folder / "config.pbtxt").write_text(_triton_config(model))
    (packages,) = (_folder("triton") / "lib").glob("python3.*/site-packages")
    home = packages / "pytriton" / "tritonserver"
    command: list[str | Path] = [
        home / "bin" / "tritonserver",
        f"--model-repository={folder.parent}",
    ]
    command += [f"--backend-directory={_backends(home, model.path.parent)}"]
    command += ["--allow-metrics=false", "--disable-auto-complete-config"]
    for name, port in {"http": http, "grpc": grpc}.items():
        command += [f"--{name}-address=127.0.0.1", f"--{name}-port={port}"]
    environ = {
        "PYTHONHOME": "/usr",  # Debian's, whose library the backend's stub is linked with
        "PYTHONPATH": str(packages),
        "LD_LIBRARY_PATH": f"{home / 'external_libs'}:{home / 'lib'}",
    }
    return Launch("triton", command, f"/v2/models/{model.name}/ready", http, grpc, environ)


def _backends(home: Path, folder: Path) -> Path:
    """Put the Python backend beside the stub of its Python, where Triton looks for it."""
    backends = folder / "backends"
    (backends / "python").mkdir(parents=True, exist_ok=True)
    for part in ("backends/python", f"python_backend_stubs/{TRITON_PYTHON}"):
        for file in (home / part).iterdir():
            link = backends / "python" / file.name
            link.unlink(missing_ok=True)
            link.symlink_to(file)
    return backends


def _triton_config(model: Model) -> str:
    width = model.session().get_outputs()[0].shape[-1]
    shape = ", ".join(map(str, model.shape))
    return (
        f'backend: "python"\nmax_batch_size: 64\ndynamic_batching {{}}\n'
        f'input [{{name: "x", data_type: TYPE_FP32, dims: [{shape}]}}]\n'
        f'output [{{name: "y", data_type: TYPE_FP32, dims: [{width}]}}]\n'
    )


PEERS = (
    Peer("mlserver", "MLServer", _mlserver),
    Peer("kserve", "KServe", _kserve),
    Peer("triton", "Triton (python backend)", _triton),
)
