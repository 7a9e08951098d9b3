import pytest

from slipway_runtime.costs import INLINE_SECONDS, Costs, best, gain

SHORT, LONG = INLINE_SECONDS / 10, INLINE_SECONDS * 10


def test_what_was_never_measured_is_not_short() -> None:
    assert not Costs().short(4, 1)


def test_a_size_that_ran_quickly_is_short() -> None:
    costs = Costs()
    costs.learn(4, 1, SHORT)
    assert costs.short(4, 1)
    assert not costs.short(12, 1)


def test_more_rows_than_were_seen_to_be_quick_are_not_short() -> None:
    costs = Costs(most=64)
    costs.learn(4, 1, SHORT)
    costs.learn(4, 8, SHORT)
    costs.learn(4, 16, LONG)
    assert costs.short(4, 8)
    assert not costs.short(4, 16)
    assert not costs.short(4, 1000)
    assert costs.most_inline(4) == 8


def test_one_disturbed_run_changes_nothing() -> None:
    costs = Costs()
    costs.learn(4, 1, SHORT)
    costs.learn(4, 1, 1.0)
    assert costs.short(4, 1)


def test_a_size_that_stays_slow_is_no_longer_short() -> None:
    costs = Costs()
    costs.learn(4, 1, SHORT)
    for _ in range(500):
        costs.learn(4, 1, LONG)
    assert not costs.short(4, 1)


def test_a_slow_beginning_is_soon_forgotten() -> None:
    costs = Costs()
    costs.learn(4, 1, LONG)
    for _ in range(100):
        costs.learn(4, 1, SHORT)
    assert costs.short(4, 1)


@pytest.mark.parametrize(
    ("times", "gained", "rows"),
    [
        pytest.param({1: 1.0}, 1.0, 1, id="nothing else is known"),
        pytest.param({1: 1.0, 2: 2.0, 4: 4.2}, 1.0, 1, id="batches gain nothing"),
        pytest.param({1: 1.0, 2: 1.8, 4: 3.5}, 4 / 3.5, 1, id="too little"),
        pytest.param({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0}, 8.0, 8, id="the more the better"),
        pytest.param({1: 1.0, 8: 2.0, 16: 3.2, 32: 6.2}, 32 / 6.2, 16, id="the fewest near it"),
        pytest.param({1: 1.0, 4: 2.0, 16: 16.0}, 2.0, 4, id="large ones lose again"),
    ],
)
def test_the_rows_of_a_batch_follow_from_what_was_measured(
    times: dict[int, float], gained: float, rows: int
) -> None:
    assert gain(times) == pytest.approx(gained)
    assert best(times) == rows


def test_a_size_for_which_batches_gain_nothing_is_found_out_while_serving() -> None:
    costs = Costs(most=16)
    for rows in (1, 2, 4):
        costs.learn(20, rows, 0.01 * rows)
    assert costs.most(20) == 1
    assert costs.most(4) == 16


def test_batches_may_grow_as_long_as_larger_ones_were_better() -> None:
    costs = Costs(most=16)
    for rows in (1, 2, 4):
        costs.learn(20, rows, 0.01)
    assert costs.most(20) == 16


def test_a_queue_is_as_long_as_its_rows_take_in_full_batches() -> None:
    costs = Costs(most=4)
    assert costs.share(9, 1) == 0.0
    costs.learn(9, 1, 1.0)
    assert costs.share(9, 2) == 2.0
    costs.learn(9, 4, 2.0)
    assert costs.share(9, 2) == 1.0


def test_batching_can_be_stopped() -> None:
    costs = Costs(most=16)
    costs.stop_batching()
    for rows in (1, 2, 4):
        costs.learn(20, rows, 0.01)
    assert costs.most(20) == 1


def test_where_values_decide_how_long_a_run_takes_none_is_known_to_be_short() -> None:
    costs = Costs(steady=False)
    costs.learn(4, 1, SHORT)
    assert not costs.short(4, 1)
