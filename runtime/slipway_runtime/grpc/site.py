"""All services of the gRPC port, put together."""

from slipway_runtime.aside import Aside
from slipway_runtime.dataplane import DataPlane
from slipway_runtime.grpc import information, reflection
from slipway_runtime.grpc.health import Health
from slipway_runtime.grpc.inference import Predictions
from slipway_runtime.grpc.prediction import Requests
from slipway_runtime.grpc.stream import Service


def service(plane: DataPlane, most_bytes: int) -> Service:
    """Make what a port serves; ``most_bytes`` bounds a message."""
    aside = Aside()
    predictions = Predictions(Requests(plane, aside))
    health = Health(plane, reflection.SERVICES)
    methods = {
        **predictions.methods(),
        **information.methods(plane),
        **health.methods(),
        **reflection.methods(),
    }
    return Service(methods, most_bytes, aside, predictions.refused)
