"""The CRD as the tests see it: its schema, every field in it, and the defaults that it fills in."""

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).parents[2]
FILE = ROOT / "crds" / "modeldeployments.yaml"
DEFINITION: dict[str, Any] = yaml.safe_load(FILE.read_text())
VERSION: dict[str, Any] = DEFINITION["spec"]["versions"][0]
SCHEMA: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]

Schema = dict[str, Any]


class Field(NamedTuple):
    """One node of the schema; ``required`` is None for items of lists and values of maps."""

    path: str
    schema: Schema
    required: bool | None


def fields(schema: Schema = SCHEMA, path: str = "") -> Iterator[Field]:
    """List every field below ``schema`` but what the API server describes by itself."""
    for name, child in schema.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        if where == "metadata":
            continue
        yield Field(where, child, name in schema.get("required", ()))
        yield from fields(child, where)
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield Field(f"{path}[]", schema[key], None)
            yield from fields(schema[key], f"{path}[]")


def with_defaults(value: Any, schema: Schema) -> Any:
    """Return ``value`` with defaults filled in, as the API server does it."""
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    filled = dict(value)
    for name, child in schema.get("properties", {}).items():
        if name not in filled and "default" in child:
            filled[name] = deepcopy(child["default"])
        if name in filled:
            filled[name] = with_defaults(filled[name], child)
    return filled
