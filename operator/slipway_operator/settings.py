"""The operator's settings, from its environment."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """``runtime_image`` serves new revisions whose spec names no image of its own.

    ``identity`` tells this operator from its replicas, ``home`` is the namespace that it runs in,
    and ``namespaces`` are those that it works in; none means all. ``prometheus`` is the URL that
    the queries of canaries go to.
    """

    runtime_image: str
    identity: str
    home: str
    namespaces: tuple[str, ...] = ()
    prometheus: str | None = None
    port: int = 8080
    workers: int = 16
    audit_seconds: float = 600.0

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            SystemExit: If one is missing or makes no sense.
        """
        image = environment.get("SLIPWAY_RUNTIME_IMAGE")
        if not image:
            raise SystemExit("SLIPWAY_RUNTIME_IMAGE is not set: name the runtime's image in it")
        return cls(
            runtime_image=image,
            identity=environment.get("POD_NAME") or socket.gethostname(),
            home=environment.get("POD_NAMESPACE") or "slipway-system",
            namespaces=_namespaces(environment.get("SLIPWAY_NAMESPACES", "")),
            prometheus=_url(environment.get("SLIPWAY_PROMETHEUS_URL", "")),
            port=_port(environment.get("SLIPWAY_PORT", "8080")),
        )


def _namespaces(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in found:
        if not NAMESPACE.fullmatch(name):
            raise SystemExit(
                f"SLIPWAY_NAMESPACES holds {name!r}, which can't be a namespace: write names with "
                "commas between them, or leave it empty for all namespaces"
            )
    return found


def _url(text: str) -> str | None:
    if not text:
        return None
    found = urlsplit(text)
    plain = not (found.query or found.fragment or found.username or found.password)
    if found.scheme not in {"http", "https"} or not found.hostname or not plain:
        raise SystemExit(
            "SLIPWAY_PROMETHEUS_URL is no URL such as http://prometheus.monitoring:9090, without "
            "user, password, query and fragment"
        )
    return text.rstrip("/")


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise SystemExit(f"SLIPWAY_PORT is {text!r}: expected a port from 1 to 65535")
    return int(text)
