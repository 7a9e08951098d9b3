"""The settings file of docs/contract.md. Nothing here reads files or the environment."""

from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from slipway_runtime.errors import Fault, Reason

Positive = Annotated[int, msgspec.Meta(ge=1)]
Threads = Literal["Auto"] | Positive
Level = Literal["Disabled", "Basic", "Extended", "All"]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    pass


class Model(_Section, frozen=True):
    """Which model, and where it comes from."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: str
    uri: str
    sha256: Digest | None


class Session(_Section, frozen=True):
    """How onnxruntime runs it."""

    intra_op_num_threads: Threads
    graph_optimization_level: Level
    config_entries: dict[str, str]


class Limits(_Section, frozen=True):
    """What a caller may ask for."""

    max_queue: Positive
    request_timeout_seconds: Annotated[float, msgspec.Meta(gt=0)]
    max_request_bytes: Positive


class Settings(_Section, frozen=True):
    """All that the operator tells the runtime."""

    schema_version: Literal[1]
    model: Model
    session: Session
    limits: Limits
    drain_seconds: Annotated[float, msgspec.Meta(ge=0)]

    @property
    def version(self) -> str:
        """The version that the model is served as."""
        return self.model.version or "1"


def without_file(name: str) -> Settings:
    """Return the settings of a server that was given none."""
    return Settings(
        schema_version=1,
        model=Model(name=name, version="", uri="", sha256=None),
        session=Session(
            intra_op_num_threads="Auto", graph_optimization_level="All", config_entries={}
        ),
        limits=Limits(max_queue=512, request_timeout_seconds=10.0, max_request_bytes=64 << 20),
        drain_seconds=0.0,
    )


def renamed(settings: Settings, name: str) -> Settings:
    """Serve the model under another name."""
    return replace(settings, model=replace(settings.model, name=name))


def parse(content: bytes, source: str) -> Settings:
    """Read a settings file; ``source`` is what messages call it.

    Raises:
        Fault: SettingsInvalid, with the path of the key that is wrong.
    """
    try:
        return msgspec.json.decode(content, type=Settings)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid(source, str(error).replace("`$.", "`")) from None


def invalid(source: str, problem: str) -> Fault:
    """Say what is wrong with the settings."""
    return Fault(
        Reason.SETTINGS_INVALID,
        f"{source}: {problem}.",
        "The file must be of docs/contract.md's schemaVersion 1; operator and runtime should be "
        "of the same release.",
    )
