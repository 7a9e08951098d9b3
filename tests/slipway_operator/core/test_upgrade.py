from typing import Any

import pytest

from slipway_operator.core.spec import Spec
from slipway_operator.core.upgrade import asked, in_line, outdated, successor, upgraded
from support.builders import DIGEST, a_raw_spec, a_spec

OLD, NEW = "runtime:1", "runtime:2"


def a_follower(**changes: Any) -> Spec:
    raw = a_raw_spec(**changes)
    raw["runtime"] |= {"upgradePolicy": "Automatic"}
    return Spec.parse("fraud", raw)


SPEC = a_follower()
BORN = SPEC.fingerprint
UPGRADED = successor(BORN, NEW)


def known(*revisions: tuple[str, str], last: str) -> dict[str, Any]:
    """Build what status says of revisions, with the image of each; ``last`` is the latest."""
    found = [{"name": f"fraud-{fingerprint}", "image": image} for fingerprint, image in revisions]
    return {"latestRevision": f"fraud-{last}", "revisions": found}


def test_the_policy_makes_no_new_revision() -> None:
    assert a_spec().fingerprint == BORN


def test_an_upgrade_is_a_revision_of_its_own_for_each_image() -> None:
    assert len({BORN, UPGRADED, successor(BORN, OLD), successor("other", NEW)}) == 4


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, BORN),
        (known((BORN, OLD), last=BORN), BORN),
        (known((BORN, OLD), (UPGRADED, NEW), last=UPGRADED), UPGRADED),
        (known((BORN, OLD), (UPGRADED, NEW), last=BORN), BORN),
        (known((BORN, OLD), ("other", NEW), last="other"), BORN),
        (known((BORN, OLD), (UPGRADED, NEW), ("other", NEW), last="other"), UPGRADED),
        (known((UPGRADED, OLD), last=UPGRADED), BORN),
    ],
    ids=[
        "a new model",
        "as it was born",
        "after an upgrade",
        "an operator died before status knew of the upgrade",
        "the spec is what it was before",
        "the spec is what it was when it was upgraded",
        "an image that the name does not belong to",
    ],
)
def test_the_revision_that_is_asked_for_is_read_from_status(
    status: dict[str, Any], expected: str
) -> None:
    assert asked(SPEC, status).fingerprint == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (SPEC, True),
        (a_spec(), False),
        (a_follower(suspend=True), False),
        (Spec.parse("fraud", a_raw_spec() | {"suspend": False}), False),
    ],
    ids=["Automatic", "OnChange", "suspended", "OnChange, spelled out"],
)
def test_only_who_follows_the_release_is_outdated_by_it(spec: Spec, expected: bool) -> None:
    status = known((BORN, OLD), last=BORN)
    assert outdated(spec, status, NEW) is expected
    assert outdated(spec, status, OLD) is False


def test_an_upgrade_holds_to_the_file_that_is_served() -> None:
    status = known((BORN, OLD), last=BORN)
    status["revisions"][0]["digest"] = DIGEST
    assert upgraded(SPEC, status, NEW).model.sha256 == DIGEST
    pinned = a_follower(model={"uri": "https://models.example.org/fraud.onnx", "sha256": "a" * 64})
    assert upgraded(pinned, status, NEW).model.sha256 == "a" * 64


def test_an_upgrade_of_what_no_pod_has_fetched_is_held_to_nothing() -> None:
    assert upgraded(SPEC, known((BORN, OLD), last=BORN), NEW).model.sha256 is None


def test_a_model_without_a_revision_is_not_outdated() -> None:
    assert not outdated(SPEC, {}, NEW)


@pytest.mark.parametrize(
    ("answer", "reason", "expected"),
    [
        ("False", "Waiting", "Waiting"),
        ("False", "RollingOut", "RollingOut"),
        ("False", "ImageNotFound", None),
        ("False", "Suspended", None),
        ("True", "UpToDate", None),
    ],
)
def test_who_has_failed_or_is_done_stands_in_line_no_more(
    answer: str, reason: str, expected: str | None
) -> None:
    found = {"type": "RuntimeCurrent", "status": answer, "reason": reason}
    assert in_line({"conditions": [found]}) == expected
    assert in_line({}) is None
