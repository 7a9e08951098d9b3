"""Which revision a spec asks for when the runtime of the operator's release may be another one.

A revision is named after what the spec says of its pods. An upgrade changes nothing there, so its
revision is named after the new image, too: that tells both apart, and an operator that died on the
way finds what it began. Which of them is asked for is read from status.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from slipway_operator.core import names
from slipway_operator.core.conditions import UPGRADE
from slipway_operator.core.manifest import digest
from slipway_operator.core.spec import Spec

IN_LINE = frozenset({"Waiting", "RollingOut"})


def successor(fingerprint: str, image: str) -> str:
    """Name the revision of a spec that another runtime image makes."""
    return digest([fingerprint, image])[:8]


def asked(spec: Spec, status: Mapping[str, Any]) -> Spec:
    """Name in a spec the revision that it asked for last, or its youngest; at first, its own."""
    images = _each(status, "image")
    ours = [f for f, image in images.items() if _is_of(spec.fingerprint, f, image)]
    last = names.fingerprint(status.get("latestRevision", ""))
    return replace(spec, fingerprint=last if last in ours else [spec.fingerprint, *ours][-1])


def outdated(spec: Spec, status: Mapping[str, Any], release_image: str) -> bool:
    """Say whether a model follows the operator's runtime, and its revision has another."""
    if spec.suspended or not spec.follows:
        return False
    latest = asked(spec, status).fingerprint
    return _each(status, "image").get(latest, release_image) != release_image


def upgraded(spec: Spec, status: Mapping[str, Any], image: str) -> Spec:
    """Ask for the same model with another runtime image.

    A model without a pin is held to the file that is served: the source may hold another by now.
    """
    found = _each(status, "digest").get(asked(spec, status).fingerprint) or None
    model = replace(spec.model, sha256=spec.model.sha256 or found)
    return replace(spec, model=model, fingerprint=successor(spec.fingerprint, image))


def in_line(status: Mapping[str, Any]) -> str | None:
    """Say whether a model waits for an upgrade or is being upgraded, in its condition's word."""
    found = (c for c in status.get("conditions", ()) if c["type"] == UPGRADE)
    reason = next((c["reason"] for c in found if c["status"] == "False"), None)
    return reason if reason in IN_LINE else None


def _is_of(born: str, fingerprint: str, image: str) -> bool:
    return fingerprint in {born, successor(born, image)}


def _each(status: Mapping[str, Any], field: str) -> dict[str, str]:
    """Read what status says of each revision, the youngest last."""
    return {names.fingerprint(r["name"]): r.get(field, "") for r in status.get("revisions", ())}
