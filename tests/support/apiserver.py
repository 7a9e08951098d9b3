"""Asks a real API server what it makes of a ModelDeployment, without storing it."""

import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from kubernetes import client, config

from support.spec_cases import MINIMAL


class RefusedError(Exception):
    """The API server refused an object.

    ``faults`` holds a ``FIELD: MESSAGE`` for each thing that it found wrong.
    """

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class ApiServer:
    """The API server that a kubeconfig names."""

    def __init__(self, kubeconfig: Path, context: str | None = None) -> None:
        connection = config.new_client_from_config(str(kubeconfig), context)
        self._objects = client.CustomObjectsApi(connection)

    def would_store(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``manifest`` as it would be stored, by a strict server-side dry run.

        Raises:
            RefusedError: If the API server does not accept it.
        """
        try:
            stored: dict[str, Any] = self._objects.create_namespaced_custom_object(
                *("slipway.dev", "v1alpha1", "default", "modeldeployments"),
                body=manifest,
                dry_run="All",
                field_validation="Strict",
            )
        except client.ApiException as error:
            raise RefusedError(_faults(json.loads(error.body))) from None
        return stored


def changed(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the smallest valid object with ``changes``, as spec_cases writes them."""
    manifest = deepcopy(MINIMAL)
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = manifest
        for parent in parents:
            node = node.setdefault(parent, {})
        node[last] = value
        if value is None:
            del node[last]
    return manifest


def _faults(status: Mapping[str, Any]) -> list[str]:
    causes = status.get("details", {}).get("causes")
    if not causes:
        return [status["message"]]
    return [
        f"{cause['field']}: {cause['message']}"
        for cause in causes
        if "some validation rules were not checked" not in cause["message"]
    ]
