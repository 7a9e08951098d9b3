"""The Open Inference Protocol without a transport: one model, its metadata and its predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from slipway_runtime import answers, logs, statistics
from slipway_runtime.batcher import Batcher
from slipway_runtime.batching import Done, Job
from slipway_runtime.datatypes import Signature
from slipway_runtime.errors import Fault, Kind, RequestError
from slipway_runtime.health import Health
from slipway_runtime.inspection import Found
from slipway_runtime.metrics import Metrics
from slipway_runtime.protocol import Call, Reader
from slipway_runtime.spans import Spans

if TYPE_CHECKING:
    from slipway_runtime.profile import Profile

WEDGED_SECONDS = 60.0
"""In one run, for every worker: at least, and at least three times what a request may take."""

PLATFORM = "onnxruntime_onnx"


@dataclass(frozen=True, slots=True)
class Effective:
    """How the model runs, as it turned out."""

    provider: str
    intra_op_threads: int
    profile: "Profile"
    onnxruntime: str


@dataclass(frozen=True, slots=True)
class Served:
    """A model that can predict."""

    signature: Signature
    reader: Reader
    batcher: Batcher
    effective: Effective


class Verification(Protocol):
    """What is known of whether the answers are right."""

    def describe(self) -> dict[str, Any]:
        """Write the report of the contract."""

    def full(self) -> bool | None:
        """Begin the full suite; False if it has ended already, None if it can't begin."""


class Shadow(Protocol):
    """What is known of whether another revision answers as this one does."""

    def describe(self) -> dict[str, Any] | None:
        """Write ``shadow`` of the contract's status; None before there was any shadowing."""


Overhear = Callable[[Call, Done], Done]
"""Puts itself between a call's answer and whoever waits for it."""


class DataPlane:
    """What is known of the one model of this server, from loading to the end.

    ``on_health`` is called after every change of ``health``. ``instance`` tells this server from
    all others.
    """

    def __init__(
        self, name: str, version: str, spans: Spans | None = None, instance: str = ""
    ) -> None:
        self.name = name
        self.version = version
        self.instance = instance
        self.health = Health()
        self.on_health: Callable[[], None] = lambda: None
        self.metrics = Metrics(name)
        self.spans = spans
        self.found: Found | None = None
        self.served: Served | None = None
        self.verification: Verification | None = None
        self.shadow: Shadow | None = None
        self.overhear: Overhear | None = None
        """None while nobody wants copies of predictions."""
        self._was_live = True

    def serve(self, served: Served, verification: Verification | None = None) -> None:
        """Begin to predict; callers are not yet sent here where that has to be verified first."""
        self.served = served
        self.verification = verification
        if verification:
            self._become(self.health.verifying())
        else:
            self.welcome()

    def welcome(self) -> None:
        """Let callers be sent here."""
        self._become(self.health.loaded())

    def turn_away(self, fault: Fault | None) -> None:
        """Let no more callers be sent here than there is reason to; with None, all of them."""
        if fault is None and self.health.fault:
            self.welcome()
        elif fault and not self.health.fault:
            logs.warning("callers are turned away", reason=fault.reason, message=fault.message)
            self.fail(fault)

    def fail(self, fault: Fault) -> None:
        """Remember why there will be no predictions."""
        self._become(self.health.failed(fault))

    def drain(self) -> None:
        """Send new callers elsewhere, and go on answering those who come all the same."""
        self._become(self.health.draining())

    def _become(self, health: Health) -> None:
        self.health = health
        self.on_health()

    @property
    def live(self) -> bool:
        """Whether a restart would help less than waiting.

        That the event loop turns shows in the answer itself. Beyond that only a server is not
        live whose workers all hang: no request can succeed there any more.
        """
        return self.served is None or not self.served.batcher.wedged(WEDGED_SECONDS)

    def watch(self) -> None:
        """Say once when the server stops being live."""
        if self._was_live and not self.live:
            logs.warning("every worker hangs", seconds=WEDGED_SECONDS)
        self._was_live = self.live

    def check(self, name: str, version: str | None) -> None:
        """Make sure that a model and version are those served here; None is any version.

        Raises:
            RequestError: NOT_FOUND.
        """
        if name != self.name:
            raise RequestError(
                Kind.NOT_FOUND, f"there is no model {name!r} here; this server has {self.name!r}"
            )
        if version not in (None, self.version):
            raise RequestError(
                Kind.NOT_FOUND,
                f"model {name!r} has no version {version!r} here; it is {self.version!r}",
            )

    def model(self) -> Served:
        """Return the model.

        Raises:
            RequestError: NOT_READY, with what it lacks.
        """
        if self.served is None:
            message = f"model {self.name!r} can't predict: {self.health.message}"
            retry_after = None if self.health.fault else 1
            raise RequestError(Kind.NOT_READY, message, retry_after)
        return self.served

    def infer(self, call: Call, done: Done, since: float) -> Job | None:
        """Predict, and tell ``done`` the outputs that the call wants, or why there are none.

        That may happen before this returns. Writing the answer is the transport's. The time that
        the request has counts from ``since``.

        Returns:
            What ``cancel`` takes, while there is no outcome.

        Raises:
            RequestError: OVERLOADED or NOT_READY; ``done`` is not called then.
        """
        served = self.served or self.model()
        if self.overhear:
            done = self.overhear(call, done)
        return served.batcher.submit(
            call.feed, call.wish.names, done, call.priority, call.timeout, since
        )

    def cancel(self, job: Job) -> None:
        """Forget a prediction whose caller went away."""
        self.model().batcher.cancel(job)

    def metadata(self) -> dict[str, Any]:
        """Describe the model.

        Raises:
            RequestError: NOT_READY.
        """
        signature = self.model().signature
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": PLATFORM,
            "inputs": answers.describe(signature.inputs),
            "outputs": answers.describe(signature.outputs),
            "properties": self._properties(),
        }

    def _properties(self) -> dict[str, str]:
        if self.found is None:
            return {}
        facts = self.found.facts
        return {
            "opset": str(facts.opsets.get("", 0)),
            "ir_version": str(facts.ir_version),
            "producer": facts.producer,
            "digest": self.found.digest,
        }

    def status(self) -> dict[str, Any]:
        """Write the ``/status`` of the contract."""
        fault = self.health.fault
        return {
            "schemaVersion": 1,
            "state": self.health.state,
            "reason": fault.reason if fault else "",
            "message": fault.message if fault else "",
            "hint": fault.hint if fault else "",
            "log": logs.tail() if fault else "",
            "digest": self.found.digest if self.found else None,
            "bytes": self.found.size if self.found else None,
            "model": self._model_status(),
            "effective": self.effective(),
            "requests": statistics.requests(self.metrics),
            "verification": self.verification.describe() if self.verification else None,
            "shadow": self.shadow.describe() if self.shadow else None,
        }

    def _model_status(self) -> dict[str, Any] | None:
        if self.found is None:
            return None
        signature = self.served.signature if self.served else Signature({}, {})
        return {
            "opset": self.found.facts.opsets.get("", 0),
            "irVersion": self.found.facts.ir_version,
            "inputs": answers.describe(signature.inputs),
            "outputs": answers.describe(signature.outputs),
        }

    def batching(self) -> dict[str, Any]:
        """Say whether requests share runs, and why not."""
        served = self.model()
        profile, stopped = served.effective.profile, served.batcher.mixed
        most = 1 if stopped else profile.most
        return {
            "enabled": most > 1,
            "reason": stopped or profile.reason,
            "gain": round(profile.gain, 2) if profile.gain else None,
            "maxBatchSize": most,
        }

    def effective(self) -> dict[str, Any] | None:
        """Say how the model runs, as it turned out; None before there is one."""
        if self.served is None:
            return None
        effective = self.served.effective
        return {
            "executionProvider": effective.provider,
            "intraOpNumThreads": effective.intra_op_threads,
            "workers": self.served.batcher.workers,
            "batching": self.batching(),
        }
