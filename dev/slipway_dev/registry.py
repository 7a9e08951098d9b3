"""A registry without credentials, reached over plain HTTP: as much as a push needs."""

import http.client
import io
from dataclasses import dataclass
from typing import IO
from urllib.parse import urlsplit

from slipway_dev.errors import Failure


@dataclass(frozen=True, slots=True)
class Repository:
    """One image name in a registry that is reached over plain HTTP.

    Attributes:
        registry: `HOST:PORT`.
        name: the image's name in it, without its tag.
    """

    registry: str
    name: str

    @classmethod
    def parse(cls, image: str) -> "tuple[Repository, str]":
        """Split `HOST:PORT/NAME:TAG` into the repository and the tag.

        Raises:
            Failure: it is not of this form.
        """
        registry, slash, rest = image.partition("/")
        name, colon, tag = rest.rpartition(":")
        if not (registry and slash and name and colon and tag):
            raise Failure(f"reading image name {image!r}", "expected REGISTRY/NAME:TAG")
        return cls(registry, name), tag

    def has(self, kind: str, reference: str) -> bool:
        """Whether a blob (`blobs`, by digest) or manifest (`manifests`, by tag) is there."""
        status, _ = self._ask("HEAD", f"/v2/{self.name}/{kind}/{reference}")
        return status == http.client.OK

    def push_blob(self, content: IO[bytes], digest: str) -> None:
        """Upload a blob unless it is there."""
        if self.has("blobs", digest):
            return
        status, location = self._ask("POST", f"/v2/{self.name}/blobs/uploads/")
        self._expect(http.client.ACCEPTED, status, "starting an upload")
        parts = urlsplit(location)
        query = "&".join(filter(None, [parts.query, f"digest={digest}"]))
        status, _ = self._ask("PUT", f"{parts.path}?{query}", content)
        self._expect(http.client.CREATED, status, f"uploading {digest}")

    def push_manifest(self, content: bytes, media_type: str, reference: str) -> None:
        """Upload a manifest or an index under a tag or its digest."""
        target = f"/v2/{self.name}/manifests/{reference}"
        status, _ = self._ask("PUT", target, io.BytesIO(content), media_type)
        self._expect(http.client.CREATED, status, f"tagging {reference}")

    def _ask(
        self,
        method: str,
        target: str,
        body: IO[bytes] | None = None,
        media_type: str = "application/octet-stream",
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.registry, timeout=60)
        size = length(body) if body else 0
        headers = {"Content-Length": str(size), "Content-Type": media_type}
        try:
            connection.request(method, target, body=body, headers=headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status, answer.headers.get("Location", "")
        except OSError as error:
            raise Failure(
                f"talking to the registry at {self.registry}",
                str(error),
                remedy="`python -m slipway_dev up` starts it",
            ) from error
        finally:
            connection.close()

    def _expect(self, wanted: int, status: int, what: str) -> None:
        if status != wanted:
            raise Failure(
                f"{what} in {self.registry}/{self.name}",
                f"the registry answered {status}, expected {wanted}",
            )


def length(body: IO[bytes]) -> int:
    """How many bytes are left to read."""
    begin = body.tell()
    length = body.seek(0, io.SEEK_END) - begin
    body.seek(begin)
    return length
