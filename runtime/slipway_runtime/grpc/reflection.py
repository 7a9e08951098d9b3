"""``grpc.reflection``: lets tools such as grpcurl find out what can be called, and how."""

from functools import partial
from typing import Any

from slipway_runtime.errors import InvalidRequestError
from slipway_runtime.grpc.messages import FILES, POOL, message, parse
from slipway_runtime.grpc.rpc import Method, Methods, Rpc, Take
from slipway_runtime.grpc.status import OK, Code, Status

VERSIONS = ("v1", "v1alpha")
"""Tools still ask for the older one, whose messages are the same."""

SERVICES = tuple(
    f"{file.package}.{service.name}" for file in FILES.file for service in file.service
)


def methods() -> Methods:
    """Return what is served."""
    return {
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo".encode(): Method(
            begin=partial(_begin, version)
        )
        for version in VERSIONS
    }


def _begin(version: str, rpc: Rpc) -> Take:
    request = message(f"grpc.reflection.{version}.ServerReflectionRequest")
    response = message(f"grpc.reflection.{version}.ServerReflectionResponse")
    rpc.closed = partial(rpc.end, OK)
    rpc.retire_call = partial(rpc.end, Status(Code.UNAVAILABLE, "the server ends"))
    return partial(_take, request, response)


def _take(request: Any, response: Any, rpc: Rpc, content: bytes) -> None:
    try:
        asked = parse(request, content)
    except InvalidRequestError as problem:
        rpc.end(Status.of(problem))
        return
    answer = response(valid_host=asked.host, original_request=asked)
    try:
        _fill(answer, asked)
    except KeyError as problem:
        answer.error_response.error_code = Code.NOT_FOUND
        answer.error_response.error_message = f"there is no {problem.args[0]} here"
    rpc.hold(-len(content))
    rpc.send(answer.SerializeToString())


def _fill(answer: Any, asked: Any) -> None:
    """Answer one question.

    Raises:
        KeyError: With what there is not.
    """
    match asked.WhichOneof("message_request"):
        case "list_services":
            for name in SERVICES:
                answer.list_services_response.service.add(name=name)
        case "file_by_filename":
            _files(answer, _found("file", POOL.FindFileByName, asked.file_by_filename))
        case "file_containing_symbol":
            symbol = asked.file_containing_symbol
            _files(answer, _found("symbol", _find_file, symbol))
        case "all_extension_numbers_of_type":
            name = asked.all_extension_numbers_of_type
            _found("type", POOL.FindMessageTypeByName, name)
            answer.all_extension_numbers_response.base_type_name = name
        case "file_containing_extension":
            raise KeyError(f"extension of {asked.file_containing_extension.containing_type!r}")
        case _:
            answer.error_response.error_code = Code.INVALID_ARGUMENT
            answer.error_response.error_message = "the request asks for nothing"


def _find_file(symbol: str) -> Any:
    """Find the file of a symbol; of methods the pool knows only the service."""
    try:
        return POOL.FindFileContainingSymbol(symbol)
    except KeyError:
        service, _, method = symbol.rpartition(".")
        if method not in POOL.FindServiceByName(service).methods_by_name:
            raise
        return POOL.FindFileContainingSymbol(service)


def _found(kind: str, find: Any, name: str) -> Any:
    try:
        return find(name)
    except KeyError:
        raise KeyError(f"{kind} {name!r}") from None


def _files(answer: Any, file: Any) -> None:
    """Give a file; ours import no others."""
    answer.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)
