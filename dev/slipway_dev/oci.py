"""Images without an image engine: one-binary images, and archives pushed to a registry.

Only the parts of the OCI image and distribution specifications that a local registry without
credentials needs.
"""

import hashlib
import http.client
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from slipway_dev.errors import Failure

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NOBODY = 65532
CHUNK = 1 << 20


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
        length = _length(body) if body else 0
        headers = {"Content-Length": str(length), "Content-Type": media_type}
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


def _length(body: IO[bytes]) -> int:
    begin = body.tell()
    length = body.seek(0, io.SEEK_END) - begin
    body.seek(begin)
    return length


def push_binary(image: str, binary: Path) -> None:
    """Make and push an image that holds one static program, run by nobody; once per tag."""
    repository, tag = Repository.parse(image)
    if repository.has("manifests", tag):
        return
    with _layer(binary) as layer:
        digest = _digest(layer)
        config = _config(binary.name, digest)
        described = [_descriptor(CONFIG, _digest(io.BytesIO(config)), len(config))]
        described.append(_descriptor(LAYER, digest, _length(layer)))
        repository.push_blob(layer, digest)
    repository.push_blob(io.BytesIO(config), described[0]["digest"])
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": described[0],
        "layers": described[1:],
    }
    repository.push_manifest(json.dumps(manifest).encode(), MANIFEST, tag)


@contextmanager
def _layer(binary: Path) -> Iterator[IO[bytes]]:
    """A tar of one program; uncompressed, since it travels within one machine."""
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as tar:
            member = tarfile.TarInfo(binary.name)
            member.size, member.mode = binary.stat().st_size, 0o755
            with binary.open("rb") as content:
                tar.addfile(member, content)
        file.seek(0)
        yield file


def _config(program: str, layer: str) -> bytes:
    content = {
        "architecture": _architecture(),
        "os": "linux",
        "config": {"User": f"{NOBODY}:{NOBODY}", "Entrypoint": [f"/{program}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    }
    return json.dumps(content).encode()


def _architecture() -> str:
    machine = os.uname().machine
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _digest(content: IO[bytes]) -> str:
    begin = content.tell()
    seen = hashlib.sha256()
    while chunk := content.read(CHUNK):
        seen.update(chunk)
    content.seek(begin)
    return f"sha256:{seen.hexdigest()}"


def push_archive(image: str, archive: Path) -> None:
    """Push the one image of an OCI archive.

    Raises:
        Failure: the archive can't be read, is no OCI archive, or the registry refuses.
    """
    repository, tag = Repository.parse(image)
    try:
        with tarfile.open(archive) as tar:
            found = json.loads(_member(tar, "index.json").read())["manifests"]
            if len(found) != 1:
                raise Failure(f"reading {archive}", f"it holds {len(found)} images, expected one")
            _push_tree(repository, tar, found[0], tag)
    except (OSError, tarfile.TarError, KeyError, ValueError) as error:
        raise Failure(
            f"reading {archive}",
            f"no OCI archive: {error}",
            remedy="save the image as one, as `podman save --format=oci-archive` does",
        ) from error


def _push_tree(
    repository: Repository, tar: tarfile.TarFile, descriptor: dict[str, Any], reference: str
) -> None:
    """Push a manifest or an index after all that it points at."""
    content = _member(tar, _blob(descriptor)).read()
    document = json.loads(content)
    for child in document.get("manifests", []):
        _push_tree(repository, tar, child, child["digest"])
    for child in [*document.get("layers", []), *filter(None, [document.get("config")])]:
        repository.push_blob(_member(tar, _blob(child)), child["digest"])
    repository.push_manifest(content, descriptor["mediaType"], reference)


def _blob(descriptor: dict[str, Any]) -> str:
    digest: str = descriptor["digest"]
    return f"blobs/{digest.replace(':', '/')}"


def _member(tar: tarfile.TarFile, name: str) -> IO[bytes]:
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is not a file in it")
    return file
