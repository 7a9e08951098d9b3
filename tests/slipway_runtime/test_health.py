from slipway_runtime.errors import Fault, Reason
from slipway_runtime.health import Health, State

FAULT = Fault(Reason.MODEL_INVALID, "it is broken.", "Mend it.")


def test_a_server_that_loads_has_not_started() -> None:
    health = Health()
    assert (health.started, health.ready, health.reason) == (False, False, "Loading")


def test_a_loaded_server_is_ready() -> None:
    health = Health().loaded()
    assert (health.started, health.ready, health.reason) == (True, True, "")


def test_a_failure_ends_the_start_and_says_why() -> None:
    health = Health().failed(FAULT)
    assert (health.started, health.ready) == (True, False)
    assert (health.reason, health.message) == ("ModelInvalid", "it is broken. Mend it.")


def test_a_draining_server_wants_no_new_callers() -> None:
    health = Health().loaded().draining()
    assert (health.started, health.ready, health.reason) == (True, False, "Draining")


def test_a_model_that_arrives_during_the_drain_does_not_end_it() -> None:
    assert Health().draining().loaded().state is State.DRAINING
    assert Health().draining().failed(FAULT).state is State.DRAINING


def test_a_server_that_verifies_its_answers_has_started_and_is_not_ready() -> None:
    health = Health().verifying()
    assert (health.started, health.ready, health.reason) == (True, False, "Verifying")
    assert health.loaded().ready


def test_a_failure_that_was_mended_is_forgotten() -> None:
    assert Health().failed(FAULT).verifying().loaded().message == ""
    assert Health().draining().verifying().state is State.DRAINING
