import hashlib
import http.server
import io
import json
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slipway_dev.errors import Failure
from slipway_dev.oci import MANIFEST, push_archive, push_binary
from slipway_dev.registry import Repository


class Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as a push sees; it refuses a blob that is not what it is called."""

    stored: dict[str, bytes]
    writes: list[str]

    def do_HEAD(self) -> None:
        self.answer(200 if self.path in self.stored else 404)

    def do_POST(self) -> None:
        self.answer(202, location=f"{self.path}1?state=x")

    def do_PUT(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        path, _, query = self.path.partition("?")
        digest = query.rpartition("digest=")[2]
        if digest and digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
            self.answer(400)
            return
        key = path.replace("uploads/1", digest)
        self.stored[key] = content
        self.writes.append(key)
        self.answer(201)

    def answer(self, status: int, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Location", location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry() -> Iterator[tuple[str, type[Registry]]]:
    handler = type("Fresh", (Registry,), {"stored": {}, "writes": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}", handler
        server.shutdown()


@pytest.fixture
def program(tmp_path: Path) -> Path:
    program = tmp_path / "hello"
    program.write_bytes(b"not really a program" * 1000)
    return program


def test_an_image_of_one_program_holds_it_and_all_that_its_manifest_names(
    registry: tuple[str, type[Registry]], program: Path
) -> None:
    address, kept = registry
    push_binary(f"{address}/dev/hello:1", program)
    manifest = json.loads(kept.stored["/v2/dev/hello/manifests/1"])
    config, layer = (
        kept.stored[f"/v2/dev/hello/blobs/{each['digest']}"]
        for each in (manifest["config"], *manifest["layers"])
    )
    assert json.loads(config)["config"]["Entrypoint"] == ["/hello"]
    assert json.loads(config)["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        member = tar.extractfile("hello")
        assert member
        assert member.read() == program.read_bytes()
        assert tar.getmember("hello").mode == 0o755


def test_an_image_that_is_there_is_not_pushed_again(
    registry: tuple[str, type[Registry]], program: Path
) -> None:
    address, kept = registry
    push_binary(f"{address}/dev/hello:1", program)
    before = [*kept.writes]
    push_binary(f"{address}/dev/hello:1", program)
    assert kept.writes == before


def archive(folder: Path, blobs: list[bytes]) -> Path:
    """An OCI archive of one image with one layer."""
    config, layer = blobs
    digests = {content: hashlib.sha256(content).hexdigest() for content in blobs}
    manifest = json.dumps(
        {
            "config": {"digest": f"sha256:{digests[config]}"},
            "layers": [{"digest": f"sha256:{digests[layer]}"}],
        }
    ).encode()
    found = {"digest": f"sha256:{hashlib.sha256(manifest).hexdigest()}", "mediaType": MANIFEST}
    index = json.dumps({"manifests": [found]}).encode()
    target = folder / "image.tar"
    with tarfile.open(target, "w") as tar:
        for content in (config, layer, manifest):
            add(tar, f"blobs/sha256/{hashlib.sha256(content).hexdigest()}", content)
        add(tar, "index.json", index)
    return target


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def test_an_archive_arrives_with_every_blob_before_its_manifest(
    registry: tuple[str, type[Registry]], tmp_path: Path
) -> None:
    address, kept = registry
    push_archive(f"{address}/hello:2", archive(tmp_path, [b"{}", b"layer"]))
    assert len(kept.writes) == 3
    assert kept.writes[-1] == "/v2/hello/manifests/2"
    assert b"layer" in kept.stored.values()


def test_a_file_that_is_no_archive_says_how_to_make_one(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_text("something else")
    with pytest.raises(Failure, match=r"no OCI archive(?s:.*)--format=oci-archive"):
        push_archive("localhost:5000/hello:1", tmp_path / "image.tar")


def test_a_registry_that_does_not_answer_points_at_up(program: Path) -> None:
    with pytest.raises(Failure, match="slipway_dev up"):
        push_binary("127.0.0.1:9/hello:1", program)


@pytest.mark.parametrize("name", ["hello", "hello:1", "localhost:5000/hello", "/x:1", ""])
def test_an_image_name_without_registry_or_tag_is_refused(name: str) -> None:
    with pytest.raises(Failure, match="expected REGISTRY/NAME:TAG"):
        Repository.parse(name)
