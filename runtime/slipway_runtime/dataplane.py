"""The Open Inference Protocol without a transport: one model, its metadata and its predictions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from slipway_runtime import answers, engine
from slipway_runtime.answers import Answer
from slipway_runtime.batcher import Batcher, Job, Outcome
from slipway_runtime.datatypes import Signature
from slipway_runtime.errors import Fault, Kind, RequestError
from slipway_runtime.health import Health
from slipway_runtime.inspection import Found
from slipway_runtime.metrics import Metrics
from slipway_runtime.protocol import Call, Reader

Answered = Callable[[Answer | RequestError], None]

PLATFORM = "onnxruntime_onnx"


@dataclass(frozen=True, slots=True)
class Served:
    """A model that can predict."""

    signature: Signature
    reader: Reader
    batcher: Batcher
    intra_op_threads: int


class DataPlane:
    """What is known of the one model of this server, from loading to the end."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version
        self.health = Health()
        self.metrics = Metrics(name)
        self.found: Found | None = None
        self.served: Served | None = None
        self._prefix = answers.prefix(name, version)

    def serve(self, served: Served) -> None:
        """Begin to predict."""
        self.served = served
        self.health = self.health.loaded()

    def fail(self, fault: Fault) -> None:
        """Remember why there will be no predictions."""
        self.health = self.health.failed(fault)

    def drain(self) -> None:
        """Send new callers elsewhere, and go on answering those who come all the same."""
        self.health = self.health.draining()

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

    def infer(self, call: Call, done: Answered) -> Job | None:
        """Predict, and tell ``done``, which may happen before this returns.

        Returns:
            What ``cancel`` takes, while there is no answer.

        Raises:
            RequestError: OVERLOADED or NOT_READY; ``done`` is not called then.
        """
        finish = partial(self._finish, call, done)
        return self.model().batcher.submit(call.feed, call.wish.names, finish)

    def cancel(self, job: Job) -> None:
        """Forget a prediction whose caller went away."""
        self.model().batcher.cancel(job)

    def _finish(self, call: Call, done: Answered, outcome: Outcome) -> None:
        if isinstance(outcome, RequestError):
            done(outcome)
            return
        try:
            answer = answers.compose(self._prefix, call.id, call.wish.forms, outcome)
        except RequestError as error:
            done(error)
        else:
            done(answer)

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
            "digest": self.found.digest if self.found else None,
            "bytes": self.found.size if self.found else None,
            "model": self._model_status(),
            "effective": self._effective(),
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

    def _effective(self) -> dict[str, Any] | None:
        if self.served is None:
            return None
        return {
            "executionProvider": engine.PROVIDER,
            "intraOpNumThreads": self.served.intra_op_threads,
            "workers": self.served.batcher.workers,
        }
