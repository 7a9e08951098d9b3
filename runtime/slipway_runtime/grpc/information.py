"""``inference.GRPCInferenceService``: what a server says of itself and of its model."""

from collections.abc import Callable
from functools import partial
from typing import Any

from google.protobuf import json_format

from slipway_runtime import __version__, descriptions
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.errors import RequestError
from slipway_runtime.grpc.inference import START
from slipway_runtime.grpc.messages import message, parse
from slipway_runtime.grpc.rpc import Method, Methods, Rpc
from slipway_runtime.grpc.status import Status

EXTENSIONS = ["classification", "model_configuration", "model_repository(index)", "statistics"]

Describe = Callable[[DataPlane, Any], dict[str, Any]]


def methods(plane: DataPlane) -> Methods:
    """Return what is served."""
    return {
        START + name.encode(): Method(partial(_answer, plane, name, describe))
        for name, describe in DESCRIPTIONS.items()
    }


def _answer(plane: DataPlane, name: str, describe: Describe, rpc: Rpc, content: bytes) -> None:
    """Answer with what ``describe`` says, in the JSON form of protobuf."""
    try:
        request = parse(message(f"inference.{name}Request"), content)
        said = describe(plane, request)
    except RequestError as problem:
        rpc.end(Status.of(problem))
        return
    response = message(f"inference.{name}Response")()
    rpc.reply(json_format.ParseDict(said, response, ignore_unknown_fields=True).SerializeToString())


def _live(plane: DataPlane, request: Any) -> dict[str, Any]:
    del request
    return {"live": plane.live}


def _ready(plane: DataPlane, request: Any) -> dict[str, Any]:
    del request
    return {"ready": plane.health.ready}


def _model_ready(plane: DataPlane, request: Any) -> dict[str, Any]:
    _check(plane, request)
    return {"ready": plane.health.ready}


def _server(plane: DataPlane, request: Any) -> dict[str, Any]:
    del plane, request
    return {"name": "slipway", "version": __version__, "extensions": EXTENSIONS}


def _model(plane: DataPlane, request: Any) -> dict[str, Any]:
    _check(plane, request)
    return plane.metadata()


def _config(plane: DataPlane, request: Any) -> dict[str, Any]:
    _check(plane, request)
    return {"config": descriptions.config(plane)}


def _statistics(plane: DataPlane, request: Any) -> dict[str, Any]:
    if request.name:
        _check(plane, request)
    return descriptions.statistics(plane)


def _index(plane: DataPlane, request: Any) -> dict[str, Any]:
    return {"models": descriptions.index(plane, request.ready)}


def _check(plane: DataPlane, request: Any) -> None:
    plane.check(request.name, request.version or None)


DESCRIPTIONS: dict[str, Describe] = {
    "ServerLive": _live,
    "ServerReady": _ready,
    "ModelReady": _model_ready,
    "ServerMetadata": _server,
    "ModelMetadata": _model,
    "ModelConfig": _config,
    "ModelStatistics": _statistics,
    "RepositoryIndex": _index,
}
