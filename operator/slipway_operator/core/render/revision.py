"""The objects of one revision, built from its record: they never change with the operator."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from slipway_operator.core import names
from slipway_operator.core.manifest import CONFIG_MAP, DEPLOYMENT, RECORD, Manifest
from slipway_operator.core.observed import Revision
from slipway_operator.core.render.owner import Owner
from slipway_operator.core.trial import Copying


class Shadowing(NamedTuple):
    """A revision whose answers are compared, and how."""

    revision: str
    wish: Copying


DEADLINE = "progressDeadlineSeconds", 600
"""Records of before it could be chosen do not have it."""


def history(owner: Owner, revision: Revision) -> Manifest:
    """Build the ControllerRevision that keeps what is needed to render the revision again."""
    return owner.child(
        RECORD,
        names.revision(owner.name, revision.fingerprint),
        labels={names.REVISION_LABEL: revision.fingerprint},
        revision=revision.number,
        data=dict(revision.record),
    )


def settings(owner: Owner, revision: Revision, shadow: Shadowing | None = None) -> Manifest:
    """Build the ConfigMap with the runtime's settings, and the data sets of the spec beside them.

    Once a pod has found the model's digest, every later pod is held to it. ``shadow`` is to whom
    its pods send copies of requests, if to anybody; pods that run find that here, too.
    """
    return owner.child(
        CONFIG_MAP,
        names.revision(owner.name, revision.fingerprint),
        labels={names.REVISION_LABEL: revision.fingerprint},
        data={
            names.SETTINGS_KEY: json.dumps(_known(owner, revision), sort_keys=True, indent=2),
            **revision.record.get("datasets", {}),
            **({names.SHADOW_KEY: _shadow(owner, shadow)} if shadow else {}),
        },
    )


def _shadow(owner: Owner, shadow: Shadowing) -> str:
    wish = shadow.wish
    told = {
        "schemaVersion": 1,
        "revision": shadow.revision,
        "url": names.service_url(owner.namespace, names.revision(owner.name, shadow.revision)),
        "percent": wish.percent,
        "rtol": wish.rtol,
        "atol": wish.atol,
    }
    return json.dumps(told, sort_keys=True, indent=2)


def _known(owner: Owner, revision: Revision) -> dict[str, Any]:
    """Add to the recorded settings what is known only later, or of the object itself."""
    recorded = revision.record["settings"]
    model = recorded["model"]
    held = {**recorded, "model": {**model, "sha256": model["sha256"] or revision.digest}}
    if "continuous" in recorded.get("verification", {}):
        held["verification"] = _among_peers(owner, recorded["verification"])
    return held


def _among_peers(owner: Owner, verification: Mapping[str, Any]) -> dict[str, Any]:
    """Tell pods where others of the model answer."""
    peers = {"peers": names.service_url(owner.namespace, owner.name)}
    return {**verification, "continuous": {**verification["continuous"], **peers}}


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
            "progressDeadlineSeconds": revision.record.get(*DEADLINE),
            "revisionHistoryLimit": 0,
            "template": revision.record["template"],
        },
    )
