"""The objects of one revision, built from its record: they never change with the operator."""

import json

from slipway_operator.core import names
from slipway_operator.core.manifest import CONFIG_MAP, DEPLOYMENT, RECORD, Manifest
from slipway_operator.core.observed import Revision
from slipway_operator.core.render.owner import Owner

PROGRESS_DEADLINE_SECONDS = 600


def history(owner: Owner, revision: Revision) -> Manifest:
    """Build the ControllerRevision that keeps what is needed to render the revision again."""
    return owner.child(
        RECORD,
        names.revision(owner.name, revision.fingerprint),
        labels={names.REVISION_LABEL: revision.fingerprint},
        revision=revision.number,
        data=dict(revision.record),
    )


def settings(owner: Owner, revision: Revision) -> Manifest:
    """Build the ConfigMap with the runtime's settings.

    Once a pod has found the model's digest, every later pod is held to it.
    """
    recorded = revision.record["settings"]
    model = recorded["model"]
    held = {**recorded, "model": {**model, "sha256": model["sha256"] or revision.digest}}
    return owner.child(
        CONFIG_MAP,
        names.revision(owner.name, revision.fingerprint),
        labels={names.REVISION_LABEL: revision.fingerprint},
        data={names.SETTINGS_KEY: json.dumps(held, sort_keys=True, indent=2)},
    )


def deployment(owner: Owner, revision: Revision) -> Manifest:
    """Build the Deployment that serves the revision, without a replica count."""
    own = {names.MODEL_LABEL: owner.name, names.REVISION_LABEL: revision.fingerprint}
    return owner.child(
        DEPLOYMENT,
        names.revision(owner.name, revision.fingerprint),
        labels={names.REVISION_LABEL: revision.fingerprint},
        spec={
            "selector": {"matchLabels": own},
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": 0,
            "template": revision.record["template"],
        },
    )
