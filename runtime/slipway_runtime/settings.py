"""The settings file of docs/contract.md. Nothing here reads files or the environment.

What it says of verification is in ``checks``.
"""

from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from slipway_runtime.checks import Digest, NotNegative, Positive, Section, Verification
from slipway_runtime.errors import Fault, Reason

Threads = Literal["Auto"] | Positive
Level = Literal["Disabled", "Basic", "Extended", "All"]
Datatype = Literal[
    "BOOL", "UINT8", "UINT16", "UINT32", "UINT64", "INT8", "INT16", "INT32", "INT64", "FP16",
    "BF16", "FP32", "FP64", "BYTES",
]  # fmt: skip
Size = Annotated[int, msgspec.Meta(ge=-1)]
Provider = Literal["CPU", "CUDA", "TensorRT", "OpenVINO"]


class Model(Section, frozen=True):
    """Which model, and where it comes from."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    version: str
    uri: str
    sha256: Digest | None


class Tensor(Section, frozen=True):
    """An input or output as the spec promises it; a size of -1 is any."""

    name: str
    datatype: Datatype
    shape: tuple[Size, ...]


class Promise(Section, frozen=True):
    """The signature that callers were told of; what is None was not."""

    inputs: tuple[Tensor, ...] | None = None
    outputs: tuple[Tensor, ...] | None = None


class Session(Section, frozen=True):
    """How onnxruntime runs it."""

    intra_op_num_threads: Threads
    graph_optimization_level: Level
    config_entries: dict[str, str]


class Limits(Section, frozen=True):
    """What a caller may ask for."""

    max_queue: Positive
    request_timeout_seconds: Annotated[float, msgspec.Meta(gt=0)]
    max_request_bytes: Positive


class Batching(Section, frozen=True):
    """Whether requests may share a run; a model must be proven to allow it, all the same."""

    mode: Literal["Auto", "Disabled"] = "Auto"
    max_batch_size: Positive = 64
    max_queue_delay_seconds: NotNegative = 0.0

    @property
    def most(self) -> int:
        """How many rows may share a run."""
        return self.max_batch_size if self.mode == "Auto" else 1


class Settings(Section, frozen=True):
    """All that the operator tells the runtime.

    What has a default here came after the first release: the operator leaves it out when it has
    that value, so that a pod's settings stay what they were, and older runtimes can read them.
    """

    schema_version: Literal[1]
    model: Model
    session: Session
    limits: Limits
    drain_seconds: NotNegative
    signature: Promise | None = None
    batching: Batching = Batching()
    execution_providers: Annotated[tuple[Provider, ...], msgspec.Meta(min_length=1)] = ("CPU",)
    require_provider: bool = True
    verification: Verification | None = None

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
