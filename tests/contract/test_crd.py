"""The CRD by itself: what a reader and the API server need of it, without a cluster."""

import json
import re
from typing import Any

import pytest

from slipway_runtime.datatypes import DATATYPES
from support.builders import DEFAULTS, a_raw_spec, an_autoscaled_spec
from support.crd import DEFINITION, SCHEMA, VERSION, Field, fields, with_defaults

FIELDS = list(fields())
SPEC = [field for field in FIELDS if field.path.startswith("spec.")]
NAMES_OF_OTHERS = {
    *("cpu", "memory", "serve", "CPU", "CUDA", "TensorRT", "OpenVINO", "MacroF1"),
    *(datatype.name for datatype in DATATYPES),
}
MOST = {"data": 65536}
"""Lists that may be longer than others: a tensor's elements."""
ANNOTATION_BYTES = 256 << 10
"""What all annotations of an object may have; client-side apply keeps the whole object in one."""
SWITCHES = {"spec.runtime.requireProvider", "spec.rollout.paused", "spec.suspend"}


def each(found: list[Field]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("field", found, ids=[field.path for field in found])


def plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@each(FIELDS)
def test_every_field_is_described_in_sentences(field: Field) -> None:
    description = field.schema.get("description", "")
    assert re.match(r"[A-Z`$].{9,}[.?]$", description, re.DOTALL), description


@each([field for field in SPEC if field.required])
def test_a_required_field_says_so(field: Field) -> None:
    assert "Required." in field.schema["description"]


@each([field for field in SPEC if field.required is False])
def test_an_optional_field_names_its_default(field: Field) -> None:
    said = re.search(r"Default(?:,[^:]*)?:? (.+)", field.schema["description"], re.DOTALL)
    assert said, field.schema["description"]
    default = field.schema.get("default")
    if isinstance(default, str | int):
        assert said[1].startswith(plain(default) or "the empty string")


@each([field for field in SPEC if isinstance(field.schema.get("default"), list | dict)])
def test_a_default_with_parts_names_each_of_them(field: Field) -> None:
    said = field.schema["description"].split("Default: ")[1]
    for value in leaves(field.schema["default"]):
        assert str(value) in said


def leaves(value: Any) -> list[Any]:
    match value:
        case dict():
            return [leaf for child in value.values() for leaf in leaves(child)]
        case list():
            return [leaf for child in value for leaf in leaves(child)]
        case _:
            return [value]


@each([field for field in FIELDS if field.schema.get("x-kubernetes-validations")])
def test_every_rule_has_a_message(field: Field) -> None:
    for rule in field.schema["x-kubernetes-validations"]:
        assert len(rule["message"]) > 20


@each(FIELDS)
def test_everything_is_bounded(field: Field) -> None:
    schema = field.schema
    match schema.get("type"):
        case "string" if "enum" not in schema and schema.get("format") != "date-time":
            assert field.path in {"apiVersion", "kind"} or schema["maxLength"] <= 32768
        case "array":
            assert schema["maxItems"] <= MOST.get(field.path.rpartition(".")[2], 64)
        case "object" if "additionalProperties" in schema:
            assert schema["maxProperties"] <= 32
        case None if field.path.endswith(".data[]"):
            assert schema["x-kubernetes-preserve-unknown-fields"]
        case None:
            assert schema["x-kubernetes-int-or-string"]
            assert schema["maxLength"] <= 32
        case _:
            pass


@each([field for field in SPEC if field.schema.get("type") == "integer"])
def test_every_number_of_the_spec_has_two_ends(field: Field) -> None:
    assert field.schema["minimum"] < field.schema["maximum"]
    assert field.schema["format"] in {"int32", "int64"}


@each(FIELDS)
def test_there_are_no_floats_and_no_more_switches(field: Field) -> None:
    assert field.schema.get("type") != "number"
    assert field.schema.get("type") != "boolean" or field.path in SWITCHES


@each([field for field in FIELDS if "enum" in field.schema])
def test_choices_are_written_in_camel_case(field: Field) -> None:
    for choice in set(field.schema["enum"]) - NAMES_OF_OTHERS:
        assert re.fullmatch(r"([A-Z][a-z]+)+", choice)


@each([field for field in FIELDS if field.schema.get("type") == "array"])
def test_every_list_says_how_it_merges(field: Field) -> None:
    schema = field.schema
    assert schema["x-kubernetes-list-type"] in {"map", "set", "atomic"}
    keys = schema.get("x-kubernetes-list-map-keys", [])
    assert set(keys) <= set(schema["items"].get("required", []))


def test_the_names_are_those_that_people_type() -> None:
    names = DEFINITION["spec"]["names"]
    assert (names["kind"], names["plural"]) == ("ModelDeployment", "modeldeployments")
    assert (names["shortNames"], names["categories"]) == (["mdeploy"], ["slipway"])


def test_kubectl_scale_finds_its_fields() -> None:
    found = {f".{field.path}" for field in FIELDS}
    assert set(VERSION["subresources"]["scale"].values()) <= found


@pytest.mark.parametrize(
    "column", VERSION["additionalPrinterColumns"], ids=lambda column: str(column["name"])
)
def test_every_column_shows_a_field_that_there_is(column: dict[str, Any]) -> None:
    found = {f".{field.path}" for field in FIELDS} | {".metadata.creationTimestamp"}
    assert re.sub(r"\[\?\(@\.type==\"\w+\"\)\]", "[]", column["jsonPath"]) in found


def test_it_is_small_enough_for_client_side_apply() -> None:
    assert len(json.dumps(DEFINITION)) < ANNOTATION_BYTES / 2


def test_the_builders_speak_of_the_same_defaults() -> None:
    bare = {"model": {"uri": "https://models.example.org/fraud.onnx"}, "replicas": 2}
    spec = SCHEMA["properties"]["spec"]
    assert with_defaults(bare, spec) == {**bare, **DEFAULTS} == a_raw_spec()
    bounds = {"minReplicas": 2, "maxReplicas": 10}
    autoscaled = {"model": bare["model"], "autoscaling": bounds}
    assert with_defaults(autoscaled, spec) == an_autoscaled_spec()
