from datetime import timedelta

import pytest

from slipway_operator.core.errors import SpecError
from slipway_operator.core.spec import Autoscaled, Fixed, Spec
from support.builders import a_raw_spec, a_spec, an_autoscaled_spec


def limits(**changes: object) -> dict[str, object]:
    runtime = a_raw_spec()["runtime"]
    return {**runtime, "limits": {**runtime["limits"], **changes}}


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("2m", 120), ("1m30s", 90), ("1.5s", 1.5)]
)
def test_durations(text: str, seconds: float) -> None:
    spec = a_spec(runtime=limits(requestTimeout=text))
    assert spec.runtime.request_timeout == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["10", "soon", "10s!", "", "-1s"])
def test_what_is_no_duration_names_the_field(text: str) -> None:
    with pytest.raises(SpecError, match=r"spec\.runtime\.limits\.requestTimeout"):
        a_spec(runtime=limits(requestTimeout=text))


def test_sizes_are_bytes() -> None:
    assert a_spec(runtime=limits(maxRequestBytes="2Mi")).runtime.max_request_bytes == 2 * 2**20


def test_a_model_is_called_like_its_object_unless_it_says_otherwise() -> None:
    assert a_spec().model.name == "fraud"
    assert a_spec(model={"uri": "https://x.example.org/m", "name": "m"}).model.name == "m"


def test_the_scale_is_a_count_or_a_range() -> None:
    assert a_spec(replicas=3).scale == Fixed(3)
    found = Spec.parse("fraud", an_autoscaled_spec()).scale
    assert isinstance(found, Autoscaled)
    assert (found.low, found.high) == (2, 10)


def test_both_at_once_are_refused() -> None:
    both = a_raw_spec(autoscaling=an_autoscaled_spec()["autoscaling"])
    with pytest.raises(SpecError, match="exactly one"):
        Spec.parse("fraud", both)


def test_an_object_that_uses_nothing_new_keeps_the_revision_that_it_has() -> None:
    """Pinned: were it another one, an upgrade would restart every pod."""
    assert a_spec().fingerprint == "1f8be771"


def test_an_object_from_before_there_were_deadlines_has_the_usual_one() -> None:
    old = a_raw_spec()
    del old["rollout"]
    assert Spec.parse("fraud", old) == a_spec()
