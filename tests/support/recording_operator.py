"""An operator that writes down what it asks of the API server: run as a program.

It is the real one; each request is a line `VERB GROUP RESOURCE STATUS` in the file that
`SLIPWAY_TEST_RECORD` names, in the words of RBAC. A patch that makes an object needs the right to
create it as well.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
from yarl import URL

from slipway_operator import operate

PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v[^/]+(?:/namespaces/[^/]+)?/(?P<resource>[a-z]+)"
    r"(?:/(?P<name>[^/?]+))?(?:/(?P<sub>[a-z]+))?$"
)
VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

request = aiohttp.ClientSession._request


async def recorded(self: aiohttp.ClientSession, method: str, url: Any, **rest: Any) -> Any:
    response = await request(self, method, url, **rest)
    found = PATH.search(response.url.path)
    if found and response.url.host == HOST.host and response.url.port == HOST.port:
        verbs = [verb(method.upper(), found, response.url.query)]
        verbs += ["create"] if verbs == ["patch"] and response.status == 201 else []
        resource = "/".join(filter(None, (found["resource"], found["sub"])))
        write(f"{each} {found['group'] or '-'} {resource} {response.status}\n" for each in verbs)
    return response


def write(lines: Iterable[str]) -> None:
    with RECORD.open("a") as out:
        out.writelines(lines)


def verb(method: str, found: re.Match[str], query: Any) -> str:
    if method != "GET":
        return VERBS[method]
    if found["name"]:
        return "get"
    return "watch" if query.get("watch") == "true" else "list"


if __name__ == "__main__":
    RECORD = Path(os.environ["SLIPWAY_TEST_RECORD"])
    HOST = URL(os.environ["SLIPWAY_TEST_SERVER"])
    aiohttp.ClientSession._request = recorded  # type: ignore[assignment, method-assign]
    operate.run()
