"""The connection of the watches, on which it is overheard when one of them begins anew.

A watch that was cut off for too long is told "410 Gone", and kopf lists its kind again. What was
deleted in between is in no list, and no event tells of it: whoever remembers it has to compare.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
from yarl import URL

from slipway_operator.core.manifest import MODEL, OWNED, Kind

Listed = Callable[[Kind], None]
"""Is told of each list of a kind that kopf has begun."""
Login = Callable[..., Awaitable[kopf.AiohttpSession | None]]
KINDS = {kind.plural: kind for kind in (MODEL, *OWNED)}


def log_in(listed: Listed) -> Login:
    """Build the handler that connects kopf, as the pod's account or as a kubeconfig says."""

    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        info = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        return _connected(info, listed) if info else None

    return login


def _connected(info: kopf.ConnectionInfo, listed: Listed) -> kopf.AiohttpSession:
    """Build the session that kopf would make, and listen in; kopf closes it."""
    trace = aiohttp.TraceConfig()

    async def overhear(_: Any, __: Any, ended: aiohttp.TraceRequestEndParams) -> None:
        kind = listed_kind(ended.url)
        if kind is not None and ended.response.status == 200:
            listed(kind)

    trace.on_request_end.append(overhear)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        proxy=info.proxy_url,
        trust_env=info.trust_env,
        trace_configs=[trace],
    )
    return kopf.AiohttpSession(
        server=info.server,
        default_namespace=info.default_namespace,
        priority=info.priority,
        expiration=info.expiration,
        aiohttp_session=session,
    )


def listed_kind(url: URL) -> Kind | None:
    """Tell which kind a request begins to list, if it does; a further page begins nothing."""
    return None if {"watch", "continue"} & url.query.keys() else KINDS.get(url.name)
