"""Images without an image engine: one-binary images, and archives pushed to a registry.

Only as much of the OCI image specification as these two need.
"""

import hashlib
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from slipway_dev.errors import Failure
from slipway_dev.registry import Repository, length

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NOBODY = 65532
CHUNK = 1 << 20


def push_binary(image: str, binary: Path) -> None:
    """Make and push an image that holds one static program, run by nobody; once per tag."""
    repository, tag = Repository.parse(image)
    if repository.has("manifests", tag):
        return
    with _layer(binary) as layer:
        digest = _digest(layer)
        config = _config(binary.name, digest)
        described = [_descriptor(CONFIG, _digest(io.BytesIO(config)), len(config))]
        described.append(_descriptor(LAYER, digest, length(layer)))
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
