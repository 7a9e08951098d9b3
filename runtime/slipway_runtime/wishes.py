"""Which outputs a caller wants, and in which form."""

from collections.abc import Mapping, Sequence

import msgspec

from slipway_runtime import answers
from slipway_runtime.answers import Form
from slipway_runtime.classes import Classes
from slipway_runtime.datatypes import BYTES, Signature, TensorSpec
from slipway_runtime.errors import InvalidRequestError, shown

Parameters = Mapping[str, bool | int | float | str]

NO_PARAMETERS: dict[str, bool | int | float | str] = {}

UNCOUNTED = ("BOOL", "BYTES")


class WantedOutput(msgspec.Struct, gc=False):
    """One of a request's ``outputs``."""

    name: str
    parameters: dict[str, bool | int | float | str] = NO_PARAMETERS


class Wish(msgspec.Struct, frozen=True, gc=False):
    """Which outputs a caller wants, and in which form."""

    names: tuple[str, ...]
    forms: tuple[Form, ...]


class Wishes:
    """Finds out what callers of one model want."""

    def __init__(self, signature: Signature) -> None:
        self._outputs = signature.outputs
        specs = tuple(signature.outputs.values())
        self._in_json = all(spec.datatype.in_json for spec in specs)
        self._everything = {
            binary: _wish([_form(spec, NO_PARAMETERS, binary) for spec in specs])
            for binary in (True, False)
        }

    def wish(self, wanted: Sequence[WantedOutput], parameters: Parameters) -> Wish:
        """Choose the outputs of an answer; without a wish all of them, in the model's order.

        Raises:
            InvalidRequestError: An output that is not there, comes twice, or has no such form.
        """
        binary = bool(parameters) and _flag(parameters, "binary_data_output", False)
        if not wanted and (binary or self._in_json):
            return self._everything[binary]
        if not wanted:
            wish = self._everything[False]
        else:
            wish = _wish([self._wanted(each, binary) for each in wanted])
        _check(wish)
        return wish

    def _wanted(self, wanted: WantedOutput, binary: bool) -> Form:
        spec = self._outputs.get(wanted.name)
        if spec is None:
            listed = ", ".join(map(str, self._outputs.values()))
            raise InvalidRequestError(
                f"the model has no output {shown(wanted.name)}; it gives {listed}"
            )
        return _form(spec, wanted.parameters, binary)


def _wish(forms: Sequence[Form]) -> Wish:
    return Wish(tuple(form.name for form in forms), tuple(forms))


def _form(spec: TensorSpec, parameters: Parameters, binary: bool) -> Form:
    if "shared_memory_region" in parameters:
        raise InvalidRequestError(
            f"output {spec}: shared memory is not supported; the answer carries the data"
        )
    binary = _flag(parameters, "binary_data", binary)
    classes = _classes(spec, parameters)
    datatype = BYTES if classes else spec.datatype
    return Form(spec.name, datatype, answers.head(spec.name, datatype), binary, classes)


def _classes(spec: TensorSpec, parameters: Parameters) -> Classes | None:
    count = parameters.get("classification", 0)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise InvalidRequestError(
            f"output {spec}: classification is {shown(count)}, expected how many classes to give"
        )
    if count and spec.datatype.name in UNCOUNTED:
        raise InvalidRequestError(
            f"output {spec}: {spec.datatype.name} has no highest values, so no classification"
        )
    return Classes(spec.datatype, count) if count else None


def _check(wish: Wish) -> None:
    if len(set(wish.names)) < len(wish.names):
        raise InvalidRequestError("the request names an output twice")
    for form in wish.forms:
        if not (form.binary or form.datatype.in_json):
            raise InvalidRequestError(
                f"output {form.name!r}: {form.datatype.name} has no JSON form; ask for it as "
                'binary with the output\'s parameters {"binary_data": true}'
            )


def _flag(parameters: Parameters, name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidRequestError(f"parameter {name} is {shown(value)}, expected true or false")
    return value
