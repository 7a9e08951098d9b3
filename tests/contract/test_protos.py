"""The messages of gRPC: what is committed, and what clients take them for."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pb2

from slipway_runtime.grpc.messages import FILES

FOLDER = Path(__file__).parents[2] / "runtime/slipway_runtime/grpc"
PROTOS = sorted(path.name for path in (FOLDER / "protos").glob("*.proto"))


def test_the_descriptors_are_those_of_the_proto_files(tmp_path: Path) -> None:
    made = tmp_path / "descriptors.binpb"
    compiler = [sys.executable, "-m", "grpc_tools.protoc", f"--proto_path={FOLDER / 'protos'}"]
    command = [*compiler, f"--descriptor_set_out={made}", *PROTOS]
    subprocess.run(command, check=True)
    assert descriptor_pb2.FileDescriptorSet.FromString(made.read_bytes()) == FILES


def fields(message: Any, path: str) -> dict[str, Any]:
    """List a message's fields, and those of messages within, by name."""
    found = {
        f"{path}.{field.name}": (field.number, field.type, field.label, field.type_name)
        for field in message.field
    }
    for nested in message.nested_type:
        found |= fields(nested, f"{path}.{nested.name}")
    return found


def messages(file: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for message in file.message_type:
        found |= fields(message, f"{file.package}.{message.name}")
    for enum in file.enum_type:
        found |= {f"{enum.name}.{value.name}": value.number for value in enum.value}
    return found


def methods(file: Any) -> dict[str, Any]:
    return {
        f"{service.name}.{m.name}": (
            m.input_type,
            m.output_type,
            m.client_streaming,
            m.server_streaming,
        )
        for service in file.service
        for m in service.method
    }


def as_proto(module: str) -> Any:
    file = descriptor_pb2.FileDescriptorProto()
    importlib.import_module(module).DESCRIPTOR.CopyToProto(file)
    return file


def test_every_field_is_the_one_that_tritons_client_knows() -> None:
    (ours,) = (file for file in FILES.file if file.package == "inference")
    service = as_proto("tritonclient.grpc.service_pb2")
    config = as_proto("tritonclient.grpc.model_config_pb2")
    known = messages(service) | messages(config)
    new = {name for name in messages(ours) if name not in known}
    assert {name.rpartition(".")[0] for name in new} <= {
        "inference.ModelMetadataResponse",
        "inference.ModelMetadataResponse.PropertiesEntry",
    }
    assert {name: value for name, value in messages(ours).items() if name not in new} == {
        name: value for name, value in known.items() if name in messages(ours)
    }
    assert methods(ours).items() <= methods(service).items()


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_both_versions_of_reflection_have_the_same_messages(version: str) -> None:
    by_package = {file.package: str(file) for file in FILES.file}
    package = f"grpc.reflection.{version}"
    assert (
        by_package[package].replace(version, "v1").replace("reflection_v1.", "reflection.")
        == (by_package["grpc.reflection.v1"])
    )
