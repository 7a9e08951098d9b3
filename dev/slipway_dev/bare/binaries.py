"""Programs built from pinned Go modules into a cache that all checkouts share."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from slipway_dev.errors import Failure
from slipway_dev.state import cache_folder
from slipway_dev.steps import run, step

MODULES = Path(__file__).parents[2] / "tools"
GO_NEEDED = (1, 24)
GO_PLACES = ("/usr/local/go/bin/go", "/usr/lib/go-1.*/bin/go")
GO_REMEDY = (
    "install Go 1.24 or newer: on Debian 12 the package golang-1.24-go of bookworm-backports, "
    "anywhere else the archive from go.dev/dl unpacked to /usr/local/go"
)
FETCH_REMEDY = (
    "if a download failed, check that `go mod download` works here (`go env GOPROXY` says where it "
    "looks) and run the command again: it goes on where it stopped"
)


@dataclass(frozen=True, slots=True)
class Module:
    """A folder of dev/tools: one go.mod whose `tool` lines are what is built.

    Attributes:
        name: the folder.
        programs: what `go install tool` leaves behind.
        patience: how long a first build takes.
        lacks: a module that it needs, and a folder of that: the module's own Go files are built in
            the place of what is there, and of what only that needs.
    """

    name: str
    programs: tuple[str, ...]
    patience: str = "less than a minute"
    lacks: tuple[str, str] | None = None

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return MODULES / self.name

    @property
    def version(self) -> str:
        """The Kubernetes version that it pins, such as v1.34.4; "" when it is not Kubernetes."""
        pinned = re.search(r"\tk8s\.io/kubernetes (v\S+)", self._text("go.mod"))
        return pinned[1] if pinned else ""

    @property
    def ldflags(self) -> str:
        """Linker flags; Kubernetes' programs are told their version."""
        if not self.version:
            return "-s -w"
        major, minor, _ = self.version.removeprefix("v").split(".")
        told = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        package = "k8s.io/component-base/version"
        return " ".join(["-s -w", *(f"-X {package}.{key}={told[key]}" for key in told)])

    @property
    def build(self) -> str:
        """Names the module's content: another version is another build."""
        sources = sorted(file.name for file in self.folder.iterdir() if file.is_file())
        content = "\0".join([self.ldflags, *(name + self._text(name) for name in sources)])
        return f"{self.name}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"

    def _text(self, file: str) -> str:
        return (self.folder / file).read_text()


KUBERNETES = Module(
    "kubernetes",
    (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-proxy",
        "kube-scheduler",
        "kubeadm",
        "kubectl",
        "kubelet",
    ),
    patience="8 minutes on 2 cores",
)
ETCD = Module("etcd", ("server",))
REGISTRY = Module("registry", ("registry",))
COREDNS = Module("coredns", ("coredns",), patience="2 minutes on 2 cores")
METRICS_SERVER = Module("metrics-server", ("metrics-server",))
PAUSE = Module("pause", ("pause",))
PROBE = Module("probe", ("probe",))
GATEWAY = Module(
    "gateway",
    ("traefik",),
    patience="3 minutes on 2 cores",
    lacks=("github.com/go-acme/lego/v4", "providers/dns"),
)
GITOPS = Module("gitops", ("gitops",))
GRPC = Module("grpc", ("h2spec", "client"))
KIND = Module("kind", ("kind",))
KWOK = Module("kwok", ("kwok",))
PACKAGING = Module("packaging", ("helm", "kustomize"), patience="2 minutes on 2 cores")
ALL_MODULES = (PAUSE, PROBE, ETCD, REGISTRY, METRICS_SERVER, COREDNS, KUBERNETES)
"""What the cluster of processes consists of; the others are built by whoever comes to need them."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The cache of built programs.

    Attributes:
        cache: one folder per module's build.
    """

    cache: Path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Binaries":
        """Find the user's cache."""
        return cls(cache_folder(environ) / "bin")

    def path(self, module: Module, program: str = "") -> Path:
        """Where a program is, or will be; by default a module's only one."""
        return self.cache / module.build / (program or module.programs[0])

    def missing(self, modules: Iterable[Module] = ALL_MODULES) -> list[Module]:
        """Modules that have to be built."""
        return [module for module in modules if not self.path(module).parent.is_dir()]

    def build(self, modules: Iterable[Module] = ALL_MODULES) -> None:
        """Build what is missing.

        Raises:
            Failure: there is no Go, or a build failed.
        """
        missing = self.missing(modules)
        if missing:
            go = find_go()
        for module in missing:
            with step(f"building {module.name}, once ({module.patience})"):
                self._install(go, module)

    def _install(self, go: Path, module: Module) -> None:
        final = self.path(module).parent
        partial = final.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with TemporaryDirectory() as scratch:
            flags = [
                "-trimpath",
                f"-ldflags={module.ldflags}",
                *_thinned(go, module, Path(scratch)),
            ]
            run(
                [go, "install", *flags, "tool"],
                environ={"GOBIN": str(partial), "CGO_ENABLED": "0"},
                cwd=module.folder,
                remedy=FETCH_REMEDY,
            )
        partial.rename(final)


def _thinned(go: Path, module: Module, scratch: Path) -> list[str]:
    """Copy what a module `lacks` a part of, and give the flags by which Go takes the copy.

    Go itself has no way to leave a package out, and overlays nothing in its cache of modules.
    """
    if module.lacks is None:
        return []
    name, folder = module.lacks
    said = run([go, "mod", "download", "-json", name], cwd=module.folder, remedy=FETCH_REMEDY)
    source = Path(json.loads(said)["Dir"])
    shutil.copytree(
        source,
        scratch / "thin",
        ignore=lambda at, names: names if Path(at) == source / folder else [],
    )
    (scratch / "thin" / folder).chmod(0o700)
    for file in module.folder.glob("*.go"):
        shutil.copy(file, scratch / "thin" / folder)
    shutil.copy(module.folder / "go.sum", scratch)
    pinned = (module.folder / "go.mod").read_text()
    (scratch / "go.mod").write_text(f"{pinned}\nreplace {name} => {scratch / 'thin'}\n")
    return [f"-modfile={scratch / 'go.mod'}"]


def find_go() -> Path:
    """Find a Go that is new enough, on the PATH or where its archive and Debian put it.

    Raises:
        Failure: there is none.
    """
    on_path = shutil.which("go")
    places = [Path(on_path)] if on_path else []
    for pattern in GO_PLACES:
        places += sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)
    seen = {place: go_version(run([place, "env", "GOVERSION"])) for place in places}
    for place, version in seen.items():
        if version >= GO_NEEDED:
            return place
    found = ", ".join(f"{place} is {'.'.join(map(str, seen[place]))}" for place in seen)
    raise Failure("looking for Go 1.24 or newer", found or "no go at all", remedy=GO_REMEDY)


def go_version(text: str) -> tuple[int, int]:
    """Read `go1.26.8` as (1, 26); what can't be read is (0, 0)."""
    match = re.match(r"go(\d+)\.(\d+)", text)
    return (int(match[1]), int(match[2])) if match else (0, 0)
