"""Where a server is in its life, and what its probes say. Pure: who moves it on is elsewhere."""

from dataclasses import dataclass, replace
from enum import StrEnum

from slipway_runtime.errors import Fault


class State(StrEnum):
    """The states of the contract."""

    LOADING = "Loading"
    VERIFYING = "Verifying"
    READY = "Ready"
    FAILED = "Failed"
    DRAINING = "Draining"


@dataclass(frozen=True, slots=True)
class Health:
    """A moment in a server's life.

    =========  =======  =====  =======
    state      started  ready  predicts
    =========  =======  =====  =======
    Loading    no       no     no
    Verifying  yes      no     yes
    Ready      yes      yes    yes
    Failed     yes      no     if a model is loaded: its answers are wrong
    Draining   yes      no     if it did before
    =========  =======  =====  =======

    *Live* is in no row: it asks whether the event loop turns, which an answer proves, and whether
    all workers have hung for long. Neither load nor the model's state ends it.
    """

    state: State = State.LOADING
    fault: Fault | None = None

    @property
    def started(self) -> bool:
        """Whether loading has come to an end, good or bad."""
        return self.state is not State.LOADING

    @property
    def ready(self) -> bool:
        """Whether new callers should be sent here."""
        return self.state is State.READY

    def loaded(self) -> "Health":
        """All that had to succeed did; a drain that began meanwhile goes on."""
        return self if self.state is State.DRAINING else Health(State.READY)

    def verifying(self) -> "Health":
        """The model is loaded; whether its answers are right is being found out."""
        return self if self.state is State.DRAINING else Health(State.VERIFYING)

    def failed(self, fault: Fault) -> "Health":
        """There is no model, or one whose answers are wrong."""
        state = State.DRAINING if self.state is State.DRAINING else State.FAILED
        return replace(self, state=state, fault=fault)

    def draining(self) -> "Health":
        """The server was told to end."""
        return replace(self, state=State.DRAINING)

    @property
    def reason(self) -> str:
        """Why it is not ready, in a word; empty when it is."""
        if self.ready:
            return ""
        return self.fault.reason if self.fault else self.state

    @property
    def message(self) -> str:
        """Why it is not ready, for people; empty when it is."""
        if self.fault:
            return f"{self.fault.message} {self.fault.hint}"
        return {
            State.LOADING: "the model is being loaded",
            State.VERIFYING: "the model's answers are being verified",
            State.DRAINING: "the server was told to end and takes no new callers",
        }.get(self.state, "")
