"""Where a server is in its life, and what its probes say. Pure: who moves it on is elsewhere."""

from dataclasses import dataclass, replace
from enum import StrEnum

from slipway_runtime.errors import Fault


class State(StrEnum):
    """The states of the contract."""

    LOADING = "Loading"
    READY = "Ready"
    FAILED = "Failed"
    DRAINING = "Draining"


@dataclass(frozen=True, slots=True)
class Health:
    """A moment in a server's life.

    ========  =======  =====  =======
    state     started  ready  predicts
    ========  =======  =====  =======
    Loading   no       no     no
    Ready     yes      yes    yes
    Failed    yes      no     no
    Draining  yes      no     if it was ready before
    ========  =======  =====  =======

    *Live* is in no row: it asks whether the event loop turns, which an answer proves.
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
        """Loading has succeeded; a drain that began meanwhile goes on."""
        return self if self.state is State.DRAINING else replace(self, state=State.READY)

    def failed(self, fault: Fault) -> "Health":
        """Loading has failed in a way that a restart would not mend."""
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
            State.DRAINING: "the server was told to end and takes no new callers",
        }.get(self.state, "")
