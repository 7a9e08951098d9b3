from slipway_runtime.costs import INLINE_SECONDS, Costs

SHORT, LONG = INLINE_SECONDS / 10, INLINE_SECONDS * 10


def test_what_was_never_measured_is_not_short() -> None:
    assert not Costs().short(4)


def test_a_size_that_ran_quickly_is_short() -> None:
    costs = Costs()
    costs.learn(4, SHORT)
    assert costs.short(4)
    assert not costs.short(4096)


def test_one_disturbed_run_changes_nothing() -> None:
    costs = Costs()
    costs.learn(4, SHORT)
    costs.learn(4, 1.0)
    assert costs.short(4)


def test_a_size_that_stays_slow_is_no_longer_short() -> None:
    costs = Costs()
    costs.learn(4, SHORT)
    for _ in range(500):
        costs.learn(4, LONG)
    assert not costs.short(4)


def test_a_slow_beginning_is_soon_forgotten() -> None:
    costs = Costs()
    costs.learn(4, LONG)
    for _ in range(10):
        costs.learn(4, SHORT)
    assert costs.short(4)
