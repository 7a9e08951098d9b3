"""The command `slipway-runtime fetch`, from directories and from a web server of this machine."""

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from support.onnx_models import identity, slow, with_external_data, written
from support.runtime_server import COMMAND, settings_file
from support.verification import a_check, a_verification

MODEL = slow(8, 512).SerializeToString()  # a megabyte
DIGEST = sha256(MODEL).hexdigest()


@dataclass
class Outcome:
    code: int
    message: dict[str, Any]
    log: str

    @property
    def reason(self) -> str:
        return str(self.message["reason"])


@dataclass
class Pod:
    """The directories of an init container."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("source", "models"):
            (self.root / name).mkdir()

    @property
    def model(self) -> Path:
        return self.root / "models" / "model.onnx"

    def put(self, name: str, content: bytes = MODEL) -> None:
        (self.root / "source" / name).write_bytes(content)

    def fetch(self, uri: str, digest: str | None = None, **settings: Any) -> Outcome:
        config = settings_file(self.root, model={"uri": uri, "sha256": digest}, **settings)
        log = self.root / "termination-log"
        log.touch()
        places = [f"--{name}={self.root / name}" for name in ("source", "models")]
        command = [*COMMAND, "fetch", f"--config={config}", f"--termination-log={log}", *places]
        ended = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            env={
                **os.environ,
                "PYTHONWARNINGS": "error",
                "no_proxy": "127.0.0.1",
                **self.environment,
            },
        )
        return Outcome(ended.returncode, json.loads(log.read_text()), ended.stderr)

    def left(self) -> set[str]:
        return {str(p.relative_to(self.root / "models")) for p in self.model.parent.rglob("*")}


@pytest.fixture
def pod(tmp_path: Path) -> Pod:
    return Pod(tmp_path)


Answer = Callable[["Handler"], None]


@dataclass
class Web:
    """What a web server is to do, request by request, and what it was asked."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    def uri(self, path: str = "/m.onnx") -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    web: Web

    def do_GET(self) -> None:
        self.web.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        answer = self.web.answers.pop(0) if self.web.answers else whole
        answer(self)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass

    def say(self, status: int, body: bytes = b"", length: int | None = None, **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)


def whole(handler: Handler) -> None:
    handler.say(200, MODEL, ETag='"1"')


def half(handler: Handler) -> None:
    handler.say(200, MODEL[:500_000], len(MODEL), ETag='"1"')


def rest(handler: Handler) -> None:
    start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
    where = f"bytes {start}-{len(MODEL) - 1}/{len(MODEL)}"
    handler.say(206, MODEL[start:], ETag='"1"', Content_Range=where)


def status(code: int) -> Answer:
    return lambda handler: handler.say(code)


def redirect(target: str) -> Answer:
    return lambda handler: handler.say(302, Location=target)


@pytest.fixture
def web() -> Iterator[Web]:
    with serving(Web()) as made:
        yield made


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for 127.0.0.1 that nobody trusts, its key in the same file."""
    pem = tmp_path / "server.pem"
    made = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=test"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(pem), "-out", "-"]
    shown = subprocess.run([*made.split(), *names], capture_output=True, check=True)
    pem.write_bytes(pem.read_bytes() + shown.stdout)
    return pem


@contextmanager
def serving(made: Web, certificate: Path | None = None) -> Iterator[Web]:
    handler = type("Bound", (Handler,), {"web": made})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        made.port = server.server_port
        if certificate:
            made.scheme = "https"
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("uri", ["pvc://claim/m.onnx", "configMap://name/m.onnx"])
def test_a_mounted_file_is_copied(pod: Pod, uri: str) -> None:
    pod.put("m.onnx")
    outcome = pod.fetch(uri, DIGEST)
    assert outcome.code == 0
    assert pod.model.read_bytes() == MODEL
    assert outcome.message == {
        "schemaVersion": 1,
        "reason": "Fetched",
        "message": f"{uri} is there.",
        "hint": "",
        "digest": DIGEST,
        "bytes": len(MODEL),
        "log": "",
    }


def test_a_file_of_the_image_is_copied(pod: Pod) -> None:
    path = written(identity(), pod.root / "a model.onnx")
    assert pod.fetch(f"file://{path.parent}/a%20model.onnx").code == 0
    assert pod.model.read_bytes() == path.read_bytes()


def test_a_downloaded_model_is_the_whole_one(pod: Pod, web: Web) -> None:
    outcome = pod.fetch(web.uri(), DIGEST)
    assert (outcome.code, outcome.message["digest"]) == (0, DIGEST)
    assert pod.model.read_bytes() == MODEL


def test_https_is_taken_from_a_server_that_is_trusted(pod: Pod, certificate: Path) -> None:
    pod.environment["SSL_CERT_FILE"] = str(certificate)
    with serving(Web(), certificate) as web:
        assert pod.fetch(web.uri()).reason == "Fetched"
    assert pod.model.read_bytes() == MODEL


def test_https_is_not_taken_from_a_server_that_is_not(pod: Pod, certificate: Path) -> None:
    with serving(Web(), certificate) as web:
        outcome = pod.fetch(web.uri())
    assert outcome.reason == "SourceUnavailable"
    assert "certificate" in outcome.message["message"]
    assert not pod.model.exists()


def test_configmaps_are_links_as_kubelet_makes_them(pod: Pod) -> None:
    data = pod.root / "source" / "..2026"
    data.mkdir()
    (data / "m.onnx").write_bytes(MODEL)
    (pod.root / "source" / "..data").symlink_to("..2026")
    (pod.root / "source" / "m.onnx").symlink_to("..data/m.onnx")
    assert pod.fetch("configMap://name/m.onnx").code == 0


def test_nothing_outside_of_the_volume_is_read(pod: Pod) -> None:
    secret = pod.root / "secret"
    secret.write_bytes(MODEL)
    (pod.root / "source" / "link").symlink_to(secret)
    for uri in ("pvc://claim/../secret", "pvc://claim/link"):
        assert pod.fetch(uri).reason == "SourceNotFound"


def test_a_disk_that_is_full_is_told_and_nothing_is_left(pod: Pod) -> None:
    pod.put("m.onnx")
    pod.model.with_name(".model.onnx.part").symlink_to("/dev/full")
    outcome = pod.fetch("pvc://claim/m.onnx")
    assert (outcome.code, outcome.reason) == (1, "DiskFull")
    assert "No space left on device" in outcome.message["message"]
    assert "limits[ephemeral-storage]" in outcome.message["hint"]
    assert pod.left() == set()


def test_a_config_map_without_anything_in_it_is_missing(pod: Pod) -> None:
    outcome = pod.fetch("configMap://models/m.onnx")
    assert outcome.reason == "ConfigMapMissing"
    assert "there is no ConfigMap models in this namespace" in outcome.message["message"]
    assert "kubectl create configmap models --from-file=m.onnx=FILE" in outcome.message["hint"]
    assert "fetch failed" in outcome.message["log"]


@pytest.mark.parametrize(
    ("uri", "reason", "message"),
    [
        ("pvc://claim/other.onnx", "SourceNotFound", "beside it are: m.onnx"),
        ("configMap://name/other", "SourceNotFound", "no file configMap://name/other"),
        ("pvc://claim/", "SourceNotFound", "no file pvc://claim/"),
        ("file:///nowhere/m.onnx", "SourceNotFound", "beside it are: none"),
        ("ftp://host/m.onnx", "UnsupportedUri", "'ftp://host/m.onnx'"),
        ("m.onnx", "UnsupportedUri", "'m.onnx'"),
        ("http://127.0.0.1:1/m.onnx", "SourceUnavailable", "Connection refused"),
    ],
)
def test_a_source_that_is_not_there_is_named(pod: Pod, uri: str, reason: str, message: str) -> None:
    pod.put("m.onnx")
    outcome = pod.fetch(uri)
    assert (outcome.code, outcome.reason) == (1, reason)
    assert message in outcome.message["message"]
    assert outcome.message["hint"]
    assert pod.left() == set()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (401, "SourceForbidden"),
        (403, "SourceForbidden"),
        (404, "SourceNotFound"),
        (410, "SourceNotFound"),
        (400, "SourceUnavailable"),
    ],
)
def test_a_web_servers_no_is_passed_on(pod: Pod, web: Web, code: int, reason: str) -> None:
    web.answers = [status(code)] * 9
    outcome = pod.fetch(web.uri())
    assert (outcome.code, outcome.reason) == (1, reason)
    assert f"answered {code}" in outcome.message["message"]
    assert len(web.asked) == 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_web_server_in_trouble_is_asked_again(pod: Pod, web: Web, code: int) -> None:
    web.answers = [status(code)]
    assert pod.fetch(web.uri()).code == 0
    assert len(web.asked) == 2


def test_a_download_that_is_cut_goes_on_where_it_was(pod: Pod, web: Web) -> None:
    web.answers = [half, rest]
    assert pod.fetch(web.uri(), DIGEST).code == 0
    assert pod.model.read_bytes() == MODEL
    assert web.asked[1][1]["range"] == "bytes=500000-"
    assert web.asked[1][1]["if-range"] == '"1"'


def test_a_file_that_changed_meanwhile_is_fetched_from_the_beginning(pod: Pod, web: Web) -> None:
    web.answers = [half, whole]
    assert pod.fetch(web.uri(), DIGEST).code == 0
    assert pod.model.read_bytes() == MODEL


def test_a_server_that_always_cuts_is_given_up(pod: Pod, web: Web) -> None:
    web.answers = [half] * 20
    outcome = pod.fetch(web.uri())
    assert outcome.reason == "SourceUnavailable"
    assert f"cut short after 500000 of {len(MODEL)} bytes" in outcome.message["message"]
    assert pod.left() == set()


def test_redirects_are_followed_a_few_times(pod: Pod, web: Web) -> None:
    web.answers = [redirect("/other.onnx"), redirect(web.uri("/third.onnx"))]
    assert pod.fetch(web.uri()).code == 0
    assert [path for path, _ in web.asked] == ["/m.onnx", "/other.onnx", "/third.onnx"]
    web.answers = [redirect("/m.onnx?next")] * 99
    web.asked.clear()
    assert pod.fetch(web.uri("/circle.onnx")).code == 1
    assert len(web.asked) < 40


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/m.onnx"])
def test_redirects_lead_nowhere_but_to_the_web(pod: Pod, web: Web, target: str) -> None:
    web.answers = [redirect(target)] * 9
    outcome = pod.fetch(web.uri())
    assert (outcome.code, len(web.asked)) == (1, 1)
    assert pod.left() == set()


def test_what_is_secret_in_a_uri_is_told_to_the_server_only(pod: Pod, web: Web) -> None:
    web.answers = [redirect("ftp://you:s3cret@host/m?signature=s3cret")]
    uri = web.uri("/m.onnx?token=s3cret").replace("http://", "http://me:s3cret@")
    outcome = pod.fetch(uri)
    assert web.asked[0][0] == "/m.onnx?token=s3cret"
    assert web.asked[0][1]["authorization"] == "Basic bWU6czNjcmV0"
    assert "s3cret" not in json.dumps(outcome.message) + outcome.log
    assert "redirects to ftp://host/m" in outcome.message["message"]


def test_another_file_than_promised_is_not_kept(pod: Pod) -> None:
    pod.put("m.onnx")
    outcome = pod.fetch("pvc://claim/m.onnx", "0" * 64)
    assert (outcome.code, outcome.reason) == (1, "DigestMismatch")
    assert DIGEST in outcome.message["message"]
    assert "0" * 64 in outcome.message["message"]
    assert pod.left() == set()


def test_what_is_there_already_is_not_fetched_again(pod: Pod, web: Web) -> None:
    assert pod.fetch(web.uri()).code == 0
    again = pod.fetch(web.uri())
    assert (again.code, again.message["digest"]) == (0, DIGEST)
    assert len(web.asked) == 1


@pytest.mark.parametrize("damage", [b"", MODEL[:-1], MODEL[:-1] + b"!"])
def test_what_was_damaged_is_fetched_again(pod: Pod, web: Web, damage: bytes) -> None:
    pod.fetch(web.uri())
    pod.model.write_bytes(damage)
    assert pod.fetch(web.uri()).code == 0
    assert pod.model.read_bytes() == MODEL


def test_another_model_takes_the_place_of_the_first(pod: Pod) -> None:
    pod.put("m.onnx")
    pod.put("n.onnx", identity().SerializeToString())
    pod.fetch("pvc://claim/m.onnx")
    assert pod.fetch("pvc://claim/n.onnx").code == 0
    assert pod.model.read_bytes() == identity().SerializeToString()


def test_external_data_comes_along(pod: Pod) -> None:
    source = with_external_data(pod.root / "source", "weights/w.bin")
    assert pod.fetch("pvc://claim/model.onnx").code == 0
    beside = pod.model.parent / "weights" / "w.bin"
    assert beside.read_bytes() == (source.parent / "weights" / "w.bin").read_bytes()


def test_external_data_is_downloaded_from_beside_the_model(pod: Pod, web: Web) -> None:
    source = with_external_data(pod.root, "w w.bin")
    weights = (pod.root / "w w.bin").read_bytes()
    web.answers = [
        lambda handler: handler.say(200, source.read_bytes()),
        lambda handler: handler.say(200, weights),
    ]
    assert pod.fetch(web.uri("/7/model.onnx")).code == 0
    assert web.asked[1][0] == "/7/w%20w.bin"
    assert (pod.model.parent / "w w.bin").read_bytes() == weights


def test_external_data_that_is_missing_is_named(pod: Pod) -> None:
    with_external_data(pod.root / "source")
    (pod.root / "source" / "weights.bin").unlink()
    outcome = pod.fetch("pvc://claim/model.onnx")
    assert (outcome.code, outcome.reason) == (1, "ExternalDataMissing")
    assert "'weights.bin'" in outcome.message["message"]
    assert pod.left() == set()


def test_external_data_is_never_taken_from_elsewhere(pod: Pod) -> None:
    path = with_external_data(pod.root / "source")
    path.write_bytes(path.read_bytes().replace(b"weights.bin", b"../ghts.bin"))
    (pod.root / "ghts.bin").write_bytes(b"secret")
    assert pod.fetch("pvc://claim/model.onnx").code == 0  # `serve` says what is wrong with it
    assert pod.left() == {"model.onnx", ".fetched.json"}


def test_what_is_no_model_is_left_for_serve_to_explain(pod: Pod) -> None:
    pod.put("m.onnx", b"<html>")
    assert pod.fetch("pvc://claim/m.onnx").code == 0


GOLDEN = b"as good as rows"


def a_far_dataset(pod: Pod, web: Web, content: bytes = GOLDEN) -> dict[str, Any]:
    path = pod.root / "models" / "datasets" / "far.npz"
    return {
        "name": "far",
        "path": str(path),
        "uri": web.uri("/golden.npz?key=secret"),
        "sha256": sha256(content).hexdigest(),
    }


def test_a_data_set_is_fetched_beside_the_model_and_kept(pod: Pod, web: Web) -> None:
    pod.put("m.onnx")
    web.answers = [lambda handler: handler.say(200, GOLDEN)]
    wanted = a_verification(a_far_dataset(pod, web), a_check("Output", dataset="far"))
    for _ in range(2):
        assert pod.fetch("pvc://claim/m.onnx", verification=wanted).reason == "Fetched"
    assert (pod.root / "models" / "datasets" / "far.npz").read_bytes() == GOLDEN
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason", "hint"),
    [
        (lambda handler: handler.say(404), "SourceNotFound", "Correct {}.uri"),
        (lambda handler: handler.say(200, b"other"), "DigestMismatch", "correct {}.sha256"),
        (
            lambda handler: handler.say(200, b"0" * (64 << 20) + b"1"),
            "DatasetInvalid",
            "fewer rows",
        ),
    ],
)
def test_a_data_set_that_is_not_what_it_should_be_is_told_as_such(
    pod: Pod, web: Web, answer: Answer, reason: str, hint: str
) -> None:
    pod.put("m.onnx")
    web.answers = [answer]
    wanted = a_verification(a_far_dataset(pod, web), a_check("Output", dataset="far"))
    outcome = pod.fetch("pvc://claim/m.onnx", verification=wanted)
    assert (outcome.code, outcome.reason) == (1, reason)
    assert hint.format("spec.verification.datasets[far]") in outcome.message["hint"]
    assert "secret" not in outcome.log
    assert not list((pod.root / "models").glob("datasets/*"))


def test_settings_that_are_not_there_are_named(pod: Pod) -> None:
    log = pod.root / "log"
    log.touch()
    command = [*COMMAND, "fetch", "--config", "/nowhere.json", "--termination-log", str(log)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    assert json.loads(log.read_text())["reason"] == "SettingsInvalid"
