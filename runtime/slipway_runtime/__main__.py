"""The command `slipway-runtime`: reads the command line and the settings, and starts a part."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import uvloop

from slipway_runtime import logs, settings, termination
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.inspection import MODEL_FILE
from slipway_runtime.serve import Address, Options, serve

SETTINGS = Path("/etc/slipway/settings.json")
SHADOW = "shadow.json"
"""Beside the settings."""
MODELS = Path("/models")
SOURCE = Path("/source")
TERMINATION_LOG = Path("/dev/termination-log")


def main() -> None:
    """Run the command."""
    parser = _parser()
    arguments = parser.parse_args()
    if getattr(arguments, "grpc_backend", "") == "grpcio" and not find_spec("grpc"):
        parser.error("--grpc-backend=grpcio needs the package grpcio: install slipway[grpcio]")
    logs.configure()
    if arguments.command == "fetch":
        sys.exit(_fetch(arguments))
    _leave(_serve(arguments))


def _leave(status: int) -> NoReturn:
    """End without Python's own end, when all is closed.

    A model that is loading and a run that nobody waits for any more can't be stopped. Python would
    break off their threads in the midst of onnxruntime, which ends the process with an abort.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="slipway-runtime", description="Serves ONNX models over the Open Inference Protocol."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, help=f"settings file (default in a pod: {SETTINGS})")
    shared.add_argument("--models", type=Path, default=MODELS, help="directory of fetched models")
    shared.add_argument("--termination-log", type=Path, default=TERMINATION_LOG)
    bring = commands.add_parser("fetch", parents=[shared], help="bring the model of the settings")
    bring.add_argument("--source", type=Path, default=SOURCE, help="where a volume is mounted")
    start = commands.add_parser("serve", parents=[shared], help="answer predictions")
    start.add_argument("model", nargs="?", type=Path, metavar="MODEL.onnx")
    start.add_argument(
        "--name", help="model name in the protocol (default: the settings', or the file's)"
    )
    start.add_argument("--http", type=_address, metavar="HOST:PORT", help="REST port (8080)")
    start.add_argument("--grpc", type=_address, metavar="HOST:PORT", help="gRPC port (9000)")
    start.add_argument(
        "--grpc-backend",
        choices=["builtin", "grpcio"],
        default="builtin",
        help="what speaks gRPC; the package grpcio must be installed",
    )
    start.add_argument("--admin", type=_address, metavar="HOST:PORT", help="admin port (8082)")
    return parser


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return Address(host.strip("[]"), int(port))


def _fetch(arguments: argparse.Namespace) -> int:
    from slipway_runtime.fetch import Places, datasets, fetch  # noqa: PLC0415 - not for a server

    try:
        wanted = _read(arguments.config or SETTINGS)
        record = fetch(wanted.model, Places(arguments.source, arguments.models))
        if wanted.verification:
            datasets.fetch_all(wanted.verification.datasets)
    except Fault as fault:
        logs.warning("fetch failed", reason=fault.reason, message=fault.message, hint=fault.hint)
        termination.write(arguments.termination_log, termination.failed(fault, logs.tail()))
        return 1
    message = f"{record.uri} is there."
    termination.write(
        arguments.termination_log, termination.fetched(message, record.digest, record.size)
    )
    return 0


def _serve(arguments: argparse.Namespace) -> int:
    """Serve; without a cluster, where a model file is named, for this machine only."""
    alone = arguments.model is not None
    host = "127.0.0.1" if alone else ""
    config = arguments.config or (None if alone else SETTINGS)
    options = Options(
        model=arguments.model if alone else arguments.models / MODEL_FILE,
        http=arguments.http or Address(host, 8080),
        grpc=arguments.grpc or Address(host, 9000),
        admin=arguments.admin or Address(host, 8082),
        termination_log=arguments.termination_log,
        grpcio=arguments.grpc_backend == "grpcio",
        shadow=config.with_name(SHADOW) if config else None,
    )
    wanted, fault = _settings(config, arguments.name, options.model.stem)
    try:
        uvloop.run(serve(wanted, options, fault))
    except OSError as error:
        logs.warning("can't listen", problem=str(error))
        return 1
    return 0


def _settings(
    config: Path | None, name: str | None, stem: str
) -> tuple[settings.Settings, Fault | None]:
    """Read the settings; a server without them lives on what it needs to say so."""
    fault = None
    wanted = settings.without_file(name or stem)
    try:
        if config:
            wanted = _read(config)
            if name:
                wanted = settings.renamed(wanted, name)
    except Fault as problem:
        fault = problem
    return wanted, fault


def _read(path: Path) -> settings.Settings:
    try:
        return settings.parse(path.read_bytes(), str(path))
    except OSError as error:
        raise Fault(
            Reason.SETTINGS_INVALID,
            f"{path} can't be read: {error.strerror}.",
            "Name a settings file with --config, or a model with `serve MODEL.onnx`.",
        ) from None


if __name__ == "__main__":
    main()
