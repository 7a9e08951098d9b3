"""What real servers' answers come to, asked over REST from this process."""

import asyncio
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from slipway_runtime import checks
from slipway_runtime.datatypes import Signature, TensorSpec
from slipway_runtime.errors import Fault, Reason
from slipway_runtime.verification import asking, suites
from slipway_runtime.verification.client import Endpoint
from slipway_runtime.verification.columns import BY_NAME
from slipway_runtime.verification.report import Report, State, Suite
from slipway_runtime.verification.subject import Subject
from slipway_runtime.verification.suites import Suites
from support.onnx_models import identities, identity, logarithm, written
from support.runtime_server import Server, a_server
from support.verification import a_check, a_dataset, a_verification

KINDS = {
    "BOOL": "?", "UINT8": "u1", "UINT16": "u2", "UINT32": "u4", "UINT64": "u8", "INT8": "i1",
    "INT16": "i2", "INT32": "i4", "INT64": "i8", "FP16": "f2", "FP32": "f4", "FP64": "f8",
    "BYTES": "U1",
}  # fmt: skip
X = np.arange(120, dtype=np.float32).reshape(40, 3)
EXPECTED = a_check("Expected", output=None)


Clock = Callable[[], float]


class Subjects:
    """Real servers of small models, each started once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._started: dict[str, tuple[Any, Server]] = {}

    def get(self, name: str) -> Subject:
        made = {
            "identity": identity,
            "one row": lambda: identity(shape=(1, 3)),
            "bfloat16": lambda: identity("BF16"),
            "every type": lambda: identities(list(KINDS)),
            "logarithm": logarithm,
        }
        if name not in self._started:
            path = written(made[name](), self._directory / f"{len(self._started)}.onnx")
            context = a_server(path, "--name", "m")
            self._started[name] = context, context.__enter__()
        server = self._started[name][1]
        said = server.ask("GET", "/v2/models/m").json
        inputs, outputs = ({each["name"]: spec(each) for each in said[ends]} for ends in ENDS)
        endpoint = Endpoint("127.0.0.1", server.http, "m", 20.0)
        return Subject(endpoint, Signature(inputs, outputs), workers=2, batch=4)

    def close(self) -> None:
        for context, _ in self._started.values():
            context.__exit__(None, None, None)


ENDS = ("inputs", "outputs")


def spec(said: Any) -> TensorSpec:
    return TensorSpec(said["name"], BY_NAME[said["datatype"]], tuple(said["shape"]))


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subjects]:
    made = Subjects(tmp_path_factory.mktemp("subjects"))
    yield made
    made.close()


async def asked(
    subject: Subject, wanted: Any, suite: Suite = Suite.FULL, now: Clock | None = None
) -> Report:
    """Run a suite; raise what it raises."""
    verification = msgspec.convert(wanted, checks.Verification)
    run = Suites(verification, subject, now or asyncio.get_running_loop().time)
    report = Report(suite)

    def told(check: Any, verdict: Any) -> None:
        report.verdicts.append((check, verdict))

    if suite is Suite.START:
        report.complete, _ = await run.start(told)
    else:
        await run.full(told)
    report.state = State.DONE
    return report


def message(report: Report) -> str:
    [(_, verdict)] = report.verdicts
    return verdict.message


async def test_what_only_later_rows_show_is_found_by_the_full_suite(
    subjects: Subjects, tmp_path: Path
) -> None:
    answers = X.copy()
    answers[37, 1] = 0
    wanted = a_verification(a_dataset(tmp_path, x=X, y=answers), EXPECTED)
    start = await asked(subjects.get("identity"), wanted, Suite.START)
    assert (start.outcome, start.rows, start.complete) == ("Passed", 32, False)
    full = await asked(subjects.get("identity"), wanted)
    assert (full.outcome, full.rows, full.error_bound) == ("Failed", 40, None)
    assert message(full).startswith("y[37, 1] is 112 where 0 is expected")


async def test_nan_is_an_answer_only_where_it_is_expected(
    subjects: Subjects, tmp_path: Path
) -> None:
    x = np.array([-1, 1], np.float32)
    for expected, outcome in ((np.nan, "Passed"), (0, "Failed")):
        dataset = a_dataset(tmp_path, x=x, y=np.array([expected, 0]))
        report = await asked(subjects.get("logarithm"), a_verification(dataset, EXPECTED))
        assert report.outcome == outcome
        assert (report.error_bound is None) == (outcome == "Failed")
    assert message(report).startswith("y[0] is nan where 0 is expected")


async def test_every_datatype_can_be_asked_and_compared(subjects: Subjects, tmp_path: Path) -> None:
    inputs = {f"x_{name}": np.array([[0, 1, 1]] * 3).astype(kind) for name, kind in KINDS.items()}
    answers = {name.replace("x_", "y_"): array.copy() for name, array in inputs.items()}
    every = [a_check("Expected", name=name.lower(), output=name) for name in answers]
    subject = subjects.get("every type")
    right = await asked(subject, a_verification(a_dataset(tmp_path, **inputs, **answers), *every))
    assert [verdict.value for _, verdict in right.verdicts] == [0.0] * len(KINDS)
    for name, array in answers.items():
        array[1, 1] = array[1, 0]
        wanted = a_verification(
            a_dataset(tmp_path, **inputs, **answers), a_check("Expected", output=name)
        )
        assert message(await asked(subject, wanted)).startswith(f"{name}[1, 1] is ")


async def test_bfloat16_is_asked_with_float32(subjects: Subjects, tmp_path: Path) -> None:
    x = np.array([[0.1, 1.5, -2]] * 2, np.float32)
    dataset = a_dataset(tmp_path, x=x, y=x)
    for rtol, outcome in ((0.01, "Passed"), (1e-4, "Failed")):
        wanted = a_verification(dataset, a_check("Expected", output=None, rtol=rtol, atol=0))
        assert (await asked(subjects.get("bfloat16"), wanted)).outcome == outcome


@pytest.mark.parametrize(
    ("columns", "check", "outcome", "said"),
    [
        ({"x": np.zeros((2, 3))}, {}, "Failed", "datatype is 'FP64', the model takes FP32"),
        ({"x": np.zeros((2, 5), "f4")}, {}, "Failed", "row 0 was refused: input 'x'"),
        ({"x": None, "z": X[:2]}, {}, "Failed", "none of which the model takes: 'x' (FP32"),
        ({}, {"output": "scores"}, "Failed", "has no output 'scores'; it gives y"),
        ({"y": np.zeros((2, 2))}, {}, "Failed", "[3] a row where [2]"),
    ],
)
async def test_a_model_that_does_not_fit_its_data_set_says_what_does_not(
    subjects: Subjects, tmp_path: Path, columns: Any, check: Any, outcome: str, said: str
) -> None:
    whole = {"x": X[:2], "y": X[:2], **columns}
    dataset = a_dataset(
        tmp_path, **{name: each for name, each in whole.items() if each is not None}
    )
    wanted = a_verification(dataset, a_check("Expected", **{"output": None, **check}))
    report = await asked(subjects.get("identity"), wanted, Suite.START)
    assert report.outcome == outcome
    assert said in message(report)


async def test_a_check_must_name_its_output_where_there_are_several(
    subjects: Subjects, tmp_path: Path
) -> None:
    dataset = a_dataset(tmp_path, x_FP32=X)
    wanted = a_verification(dataset, a_check("Output", output=None))
    report = await asked(subjects.get("every type"), wanted)
    assert report.outcome == "Inconclusive"
    assert "names no output, and the model has y_BOOL" in message(report)


@pytest.mark.parametrize("check", [EXPECTED, a_check("Metric", output="y", label="truth")])
async def test_a_data_set_without_what_a_check_compares_with_is_refused(
    subjects: Subjects, tmp_path: Path, check: Any
) -> None:
    with pytest.raises(Fault, match="has no column") as fault:
        await asked(
            subjects.get("identity"), a_verification(a_dataset(tmp_path, x=X), check), Suite.START
        )
    assert fault.value.reason is Reason.DATASET_INVALID


async def test_a_model_of_one_row_a_request_can_be_verified_but_for_its_batches(
    subjects: Subjects, tmp_path: Path
) -> None:
    dataset = a_dataset(tmp_path, x=X, y=X)
    for sizes, outcome in (([1], "Passed"), ([1, 3], "Inconclusive")):
        wanted = a_verification(dataset, a_check("BatchInvariance", sizes=sizes))
        report = await asked(subjects.get("one row"), wanted)
        assert report.outcome == outcome
    assert "set sizes to [1]" in message(report)


async def test_one_row_alone_proves_nothing_of_batches(subjects: Subjects, tmp_path: Path) -> None:
    wanted = a_verification(a_dataset(tmp_path, x=X[:1]), "BatchInvariance")
    assert (await asked(subjects.get("identity"), wanted)).outcome == "Inconclusive"


async def test_a_slow_model_is_asked_fewer_rows_at_the_start(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "START_SECONDS", -1.0)
    wanted = a_verification(a_dataset(tmp_path, x=X[:9], y=X[:9]), EXPECTED, "BatchInvariance")
    report = await asked(subjects.get("identity"), wanted, Suite.START)
    assert (report.outcome, report.rows, report.complete) == ("Passed", 2, False)


@pytest.mark.parametrize("kind", ["Expected", "BatchInvariance", "Metamorphic"])
async def test_rows_for_which_there_is_no_time_are_not_passed(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(suites, "FULL_SECONDS", -1.0)
    check = a_check(kind) if kind == "BatchInvariance" else a_check(kind, output="y")
    report = await asked(
        subjects.get("identity"), a_verification(a_dataset(tmp_path, x=X, y=X), check)
    )
    assert report.outcome == "Inconclusive"
    assert "time ran out" in message(report)


async def test_what_is_true_of_some_rows_is_not_passed_for_all(
    subjects: Subjects, tmp_path: Path
) -> None:
    times = chain([0.0, 0.0], repeat(1e9))
    wanted = a_verification(a_dataset(tmp_path, x=X, y=X), EXPECTED)
    report = await asked(subjects.get("identity"), wanted, now=lambda: next(times))
    assert (report.outcome, report.rows) == ("Inconclusive", 8)
    assert message(report).startswith("time ran out after 8 of 40 rows; all 8 rows are as expected")


async def test_answers_that_take_too_much_memory_are_not_held(
    subjects: Subjects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MOST_ANSWER_BYTES", 100)
    report = await asked(
        subjects.get("identity"), a_verification(a_dataset(tmp_path, x=X, y=X), EXPECTED)
    )
    assert report.outcome == "Inconclusive"
    assert "use fewer rows" in message(report)


async def test_a_server_that_is_not_there_is_not_passed(subjects: Subjects, tmp_path: Path) -> None:
    subject = subjects.get("identity")
    gone = Subject(Endpoint("127.0.0.1", 1, "m", 1.0), subject.signature)
    report = await asked(gone, a_verification(a_dataset(tmp_path, x=X, y=X), EXPECTED))
    assert report.outcome == "Inconclusive"
    assert "this server can't be asked" in message(report)


async def test_a_model_that_falls_short_of_what_is_demanded_fails(
    subjects: Subjects, tmp_path: Path
) -> None:
    wanted = a_verification(
        a_dataset(tmp_path, x=np.eye(3, dtype=np.float32), label=np.array([0, 1, 1])),
        a_check("Metric", output="y", min=0.7),
        a_check("Metamorphic", output="y", transform="Scale", amount=2, expect="Close"),
        a_check("Performance", durationSeconds=0.2, minThroughput=1e9),
    )
    report = await asked(subjects.get("identity"), wanted)
    said = {check.name: verdict for check, verdict in report.verdicts}
    assert [each.outcome for each in said.values()] == ["Failed"] * 3
    assert said["metric"].message == "Accuracy of y is 0.666667 over 3 rows, expected at least 0.7"
    assert said["metamorphic"].message.startswith("0 of 3 rows of y are as before under Scale")
    assert "at least 1e+09 is demanded" in said["performance"].message


async def test_a_data_set_without_what_tells_slices_apart_is_refused(
    subjects: Subjects, tmp_path: Path
) -> None:
    check = a_check("Metric", output="y", label="y", slices={"column": "region", "bound": 0})
    with pytest.raises(Fault, match="has no column 'region'"):
        await asked(subjects.get("identity"), a_verification(a_dataset(tmp_path, x=X, y=X), check))


async def test_the_report_names_the_slice_that_is_wrong(subjects: Subjects, tmp_path: Path) -> None:
    wanted = a_verification(
        a_dataset(
            tmp_path,
            x=np.eye(3, dtype=np.float32),
            label=np.array([0, 1, 1]),
            region=np.array(["n", "n", "s"]),
        ),
        a_check(
            "Metric", output="y", min=0.5, slices={"column": "region", "bound": 0.5, "minRows": 1}
        ),
    )
    report = await asked(subjects.get("identity"), wanted)
    assert report.outcome == "Failed"
    assert "Accuracy is 0 over the 1 rows whose region is 's'" in message(report)
