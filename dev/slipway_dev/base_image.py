"""What our images are built on: Docker's Python, or a minimal Debian with Debian's own."""

import os

from slipway_dev import debian
from slipway_dev.engines import Engine
from slipway_dev.errors import Failure
from slipway_dev.steps import say, step

PUBLIC = "docker.io/library/python:3.11-slim"  # podman wants the whole name
PACKAGES = ("python3", "ca-certificates")
REMEDY = "name a base image with Python 3.11 that can be pulled in SLIPWAY_BASE_IMAGE"
IMAGE = f"localhost/slipway-base:{debian.recipe(PACKAGES)}"


def choose(engine: Engine) -> str:
    """Name the base: what SLIPWAY_BASE_IMAGE says, else Docker's Python where it can be had."""
    named = os.environ.get("SLIPWAY_BASE_IMAGE")
    if named:
        return named
    if engine.has(PUBLIC) or (engine.can_pull and _pulled(engine)):
        return PUBLIC
    return IMAGE


def _pulled(engine: Engine) -> bool:
    try:
        with step(f"pull {PUBLIC}"):
            engine.pull(PUBLIC)
    except Failure as failure:
        why = str(failure).splitlines()[-1].strip().removeprefix("found:").strip()
        say(f"a minimal Debian takes the place of {PUBLIC}, which can't be pulled: {why}")
        return False
    return True


def ensure(engine: Engine) -> None:
    """Make our own base where it is missing."""
    debian.ensure(engine, IMAGE, PACKAGES, REMEDY)
