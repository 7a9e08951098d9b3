"""Who the pods are: an account of their own, with no token and no rights."""

from slipway_operator.core.manifest import SERVICE_ACCOUNT, Manifest
from slipway_operator.core.render.owner import Owner


def service_account(owner: Owner) -> Manifest:
    """Build the ServiceAccount of a model's pods."""
    return owner.child(SERVICE_ACCOUNT, owner.name, automountServiceAccountToken=False)
