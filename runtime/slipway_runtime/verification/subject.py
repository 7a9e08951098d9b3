"""The model that is verified, as whoever asks it has to know it. Pure."""

from dataclasses import dataclass

from slipway_runtime.datatypes import Signature
from slipway_runtime.verification.asking import Manner
from slipway_runtime.verification.client import Endpoint


@dataclass(frozen=True, slots=True)
class Subject:
    """Where and what it is; ``workers`` runs go on there at a time, of up to ``batch`` rows."""

    endpoint: Endpoint
    signature: Signature
    workers: int = 1
    batch: int = 1

    @property
    def fixed(self) -> int | None:
        """How many rows a request must have; None where that is the caller's choice."""
        shapes = [spec.shape for spec in self.signature.inputs.values() if spec.shape]
        sizes = {shape[0] for shape in shapes if shape[0] > 0}
        return max(sizes) if sizes else None

    @property
    def alone(self) -> Manner:
        """Ask one row after the other, so that none shares a run."""
        return Manner(self.fixed or 1)

    @property
    def quickly(self) -> Manner:
        """Ask many rows in little time, as far as rows are proven not to disturb each other."""
        return Manner(self.fixed or self.batch, self.workers)

    def output(self, named: str | None) -> str | None:
        """Find the output that a check is about; None if that can't be told, or is not there."""
        outputs = list(self.signature.outputs)
        if named is None:
            return outputs[0] if len(outputs) == 1 else None
        return named if named in outputs else None
