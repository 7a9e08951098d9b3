"""Builds the images of operator and runtime, and skips what is built: `make images`.

A tag is a hash of all that goes into the image, so an unchanged one is never built twice.
"""

import argparse
import sys

from slipway_dev import base_image
from slipway_dev.cluster import Cluster, find
from slipway_dev.engines import Engine, choose
from slipway_dev.errors import Failure
from slipway_dev.image_context import Context
from slipway_dev.steps import say, step

COMPONENTS = ("operator", "runtime")


def bring(cluster: Cluster) -> dict[str, str]:
    """Build what is missing and make it pullable by every node.

    Returns:
        The images' names by component.
    """
    engine = choose()
    base = base_image.choose(engine)
    names = {name: build(name, cluster.registry, engine, base) for name in COMPONENTS}
    with step("load the images into the cluster"):
        for name in names.values():
            cluster.load_image(name)
    return names


def build(component: str, registry: str, engine: Engine, base: str) -> str:
    """Build one component's image where it is missing.

    Args:
        component: operator or runtime.
        registry: what the image's name begins with.
        engine: builds it.
        base: the image that it is built on.

    Returns:
        The image's name, REGISTRY/slipway-COMPONENT:TAG.
    """
    context = Context(component)
    name = f"{registry}/slipway-{component}:{context.tag(base)}"
    if engine.has(name):
        say(f"{name} is built already")
        return name
    if base == base_image.IMAGE:
        base_image.ensure(engine)
    folder = context.prepare()
    with step(f"build {name} with {engine.name}"):
        options = ("--target", component, "--build-arg", f"BASE_IMAGE={base}")
        engine.build(name, context.containerfile, folder, *options)
    return name


def main() -> None:
    """Build both images under any name, and push them if asked to."""
    parser = argparse.ArgumentParser(prog="python -m slipway_dev.images", description=__doc__)
    parser.add_argument("--registry", help="what the names begin with; default: the cluster's")
    parser.add_argument("--push", action="store_true", help="send them to that registry")
    told = parser.parse_args()
    engine = choose()
    base = base_image.choose(engine)
    for component in COMPONENTS:
        name = build(component, told.registry or find().registry, engine, base)
        if told.push:
            with step(f"push {name}"):
                engine.push(name)
        print(name)


if __name__ == "__main__":
    try:
        main()
    except Failure as failure:
        sys.exit(str(failure))
