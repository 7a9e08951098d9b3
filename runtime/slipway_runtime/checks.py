"""What a verification consists of, as the settings file of docs/contract.md has it.

Each check is a question about the model's answers to the rows of a data set. How it is answered
does not belong here.
"""

from typing import Annotated, ClassVar, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]
Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
Tensor = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Rows = Annotated[int, msgspec.Meta(ge=1, le=1024)]

MOST_DATASET_BYTES = 64 << 20
"""Of one data set: as a file, and unpacked."""

RTOL, ATOL = 1e-3, 1e-4
"""Between what a training framework says in float32 and what onnxruntime makes of it."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    """A part of the settings, whose keys are all known."""


class Dataset(Section, frozen=True):
    """A file of rows; ``uri`` is where ``fetch`` brings it from, None if it is mounted."""

    name: Name
    path: Annotated[str, msgspec.Meta(pattern=r"\.(json|npz|parquet)$")]
    uri: Annotated[str, msgspec.Meta(pattern="^https?://")] | None = None
    sha256: Digest | None = None

    def __post_init__(self) -> None:
        """Refuse a file from elsewhere that could be any file."""
        if self.uri and not self.sha256:
            raise ValueError(f"data set {self.name!r} has a uri, and so needs sha256")


class Tolerance(Section, frozen=True):
    """A number is close to what is expected within ``atol + rtol * abs(expected)``."""

    rtol: NotNegative = RTOL
    atol: NotNegative = ATOL

    def __str__(self) -> str:
        """Say it to a person."""
        return f"rtol {self.rtol:g}, atol {self.atol:g}"


class Check(Section, frozen=True, tag_field="type"):
    """One question. ``type`` in the file says which; ``dataset`` has the rows."""

    at_start: ClassVar[bool] = False
    """Whether it is asked in every pod, before that is ready."""

    name: Name
    dataset: Name

    @property
    def type(self) -> str:
        """What the file calls its kind."""
        return type(self).__name__


class Expected(Check, frozen=True, kw_only=True):
    """The answers are those that the data set has.

    ``max_mismatch_ratio`` is the share of rows that may be outside of the tolerance, and
    ``min_argmax_agreement`` the share whose highest value must be at the same place.
    """

    at_start: ClassVar[bool] = True

    output: Tensor | None = None
    rtol: NotNegative = RTOL
    atol: NotNegative = ATOL
    max_mismatch_ratio: Ratio = 0.0
    min_argmax_agreement: Ratio | None = None

    @property
    def tolerance(self) -> Tolerance:
        """How far a number may be from the expected one."""
        return Tolerance(rtol=self.rtol, atol=self.atol)

    @property
    def forgiving(self) -> bool:
        """Whether rows may be wrong."""
        agreed = self.min_argmax_agreement
        return self.max_mismatch_ratio > 0 or (agreed is not None and agreed < 1)


class Output(Check, frozen=True, kw_only=True):
    """Every number is finite, within bounds, and those of a row add up to ``sum``."""

    at_start: ClassVar[bool] = True

    output: Tensor | None = None
    min: float | None = None
    max: float | None = None
    sum: float | None = None


class BatchInvariance(Check, frozen=True, kw_only=True):
    """A row's answer does not depend on the rows that are asked with it or at the same time."""

    at_start: ClassVar[bool] = True

    sizes: Annotated[tuple[Rows, ...], msgspec.Meta(min_length=1, max_length=8)]
    rtol: NotNegative = RTOL
    atol: NotNegative = ATOL

    @property
    def tolerance(self) -> Tolerance:
        """How far a number may be from what the row alone gets."""
        return Tolerance(rtol=self.rtol, atol=self.atol)


class Slices(Section, frozen=True):
    """Rows that share a value of ``column``, where at least ``min_rows`` of them do.

    ``bound`` is what the score must be in each slice: the least, or of an error the greatest.
    """

    column: Tensor
    bound: float
    min_rows: Positive = 30


class Metric(Check, frozen=True, kw_only=True):
    """The answers are good enough, by one figure over all rows and the column ``label``.

    With ``slices``, they are so in each part of the rows, too.
    """

    metric: Literal["Accuracy", "MacroF1", "MeanAbsoluteError", "RootMeanSquaredError"]
    output: Tensor | None = None
    label: Tensor
    min: float | None = None
    max: float | None = None
    slices: Slices | None = None

    def __post_init__(self) -> None:
        """Refuse a figure without its bound, which would pass whatever it is."""
        bound = "max" if self.metric.endswith("Error") else "min"
        if getattr(self, bound) is None:
            raise ValueError(f"check {self.name!r}: {self.metric} needs {bound}")


class Metamorphic(Check, frozen=True, kw_only=True):
    """Answers to changed rows are as they were, for the share ``min_agreement`` of the rows.

    ``amount`` is the noise's sigma, relative to each column's standard deviation, or the factor.
    """

    transform: Literal["GaussianNoise", "Scale", "Permutation"]
    amount: float | None = None
    output: Tensor | None = None
    expect: Literal["SameArgmax", "Close"] = "SameArgmax"
    rtol: NotNegative = RTOL
    atol: NotNegative = ATOL
    min_agreement: Ratio = 1.0

    def __post_init__(self) -> None:
        """Refuse a change of no size."""
        if self.transform != "Permutation" and self.amount is None:
            raise ValueError(f"check {self.name!r}: {self.transform} needs amount")

    @property
    def tolerance(self) -> Tolerance:
        """How far a number may be from what it was, where ``expect`` is Close."""
        return Tolerance(rtol=self.rtol, atol=self.atol)


class Performance(Check, frozen=True, kw_only=True):
    """So many callers at a time, who ask again at once, are answered fast enough."""

    concurrency: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    duration_seconds: Annotated[float, msgspec.Meta(gt=0, le=60)]
    max_p99_seconds: NotNegative | None = None
    min_throughput: NotNegative | None = None
    max_memory_bytes: Positive | None = None

    def __post_init__(self) -> None:
        """Refuse a check that demands nothing."""
        if (self.max_p99_seconds, self.min_throughput, self.max_memory_bytes) == (None,) * 3:
            raise ValueError(
                f"check {self.name!r} demands nothing: give maxP99Seconds, minThroughput or "
                "maxMemoryBytes"
            )


AnyCheck = Expected | Output | BatchInvariance | Metric | Metamorphic | Performance


class Continuous(Section, frozen=True):
    """How often a few rows are asked for as long as the pod lives.

    ``peers`` is the address of all pods, this one among them; None where there are no others.
    """

    interval_seconds: Annotated[float, msgspec.Meta(ge=0.1)]
    rows: Annotated[int, msgspec.Meta(ge=1, le=32)] = 4
    failure_threshold: Positive = 3
    peers: str | None = None


class Verification(Section, frozen=True):
    """What must be true of the answers, and of which rows."""

    datasets: Annotated[tuple[Dataset, ...], msgspec.Meta(min_length=1, max_length=8)]
    checks: Annotated[tuple[AnyCheck, ...], msgspec.Meta(min_length=1, max_length=16)]
    continuous: Continuous | None = None

    def __post_init__(self) -> None:
        """Refuse names that mean nothing, or two things."""
        known = [each.name for each in self.datasets]
        for names, what in ((known, "data sets"), ([c.name for c in self.checks], "checks")):
            if len(set(names)) < len(names):
                raise ValueError(f"two {what} have the same name")
        for check in self.checks:
            if check.dataset not in known:
                raise ValueError(
                    f"check {check.name!r} is about data set {check.dataset!r}; there are "
                    f"{', '.join(known)}"
                )
        self._check_probe()

    def _check_probe(self) -> None:
        if self.continuous and not any(isinstance(each, Expected) for each in self.checks):
            raise ValueError("continuous asks rows of Expected checks, and there is none")
