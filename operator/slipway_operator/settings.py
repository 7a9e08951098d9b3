"""The operator's settings, from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Settings:
    """``runtime_image`` serves new revisions whose spec names no image of its own."""

    runtime_image: str
    workers: int = 16
    audit_seconds: float = 600.0

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SystemExit: If one is missing.
        """
        image = environment.get("SLIPWAY_RUNTIME_IMAGE")
        if not image:
            raise SystemExit("SLIPWAY_RUNTIME_IMAGE is not set: name the runtime's image in it")
        return cls(runtime_image=image)
