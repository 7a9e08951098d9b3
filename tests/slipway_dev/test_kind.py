"""kind, docker and kubectl are programs here that write down how they were called."""

import json
from pathlib import Path

import pytest

from slipway_dev.bare import addons
from slipway_dev.errors import Failure
from slipway_dev.kind import KindCluster
from slipway_dev.kind_config import config

NODES = "slipway-control-plane\nslipway-worker\nslipway-worker2"


class Programs:
    """Programs on the PATH: each call is written down, and answered by the first script that fits.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "calls"
        self._log.touch()
        self._answers: dict[str, list[str]] = {}
        for name in ("kind", "docker", "kubectl"):
            self._answers[name] = []
            self._write(name)

    def answer(self, call: str, script: str) -> None:
        """Answer calls that match a shell pattern such as `kind get *` by a shell script."""
        name, _, pattern = call.partition(" ")
        escaped = pattern.replace(" ", "\\ ")
        self._answers[name].insert(0, f"{escaped}) {script} ;;")
        self._write(name)

    def calls(self, beginning: str = "") -> list[str]:
        """What was called so far, in order."""
        return [call for call in self._log.read_text().splitlines() if call.startswith(beginning)]

    def _write(self, name: str) -> None:
        log = f'echo "{name} $*" | head -n 1 >> {self._log}'
        cases = "\n".join(self._answers[name])
        file = self._folder / name
        file.write_text(f'#!/bin/sh\n{log}\ncase "$*" in\n{cases}\nesac\n')
        file.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    made = Programs(folder)
    made.answer("kubectl *get node *", "printf True")
    made.answer("kubectl *get lease *", "echo now")
    made.answer("kubectl *get --raw=/apis/metrics*", """echo '{"items": [1, 2, 3]}'""")
    return made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def cluster(programs: Programs, state: Path) -> KindCluster:
    del programs
    return KindCluster({"SLIPWAY_DEV_STATE": str(state)})


@pytest.fixture
def made(cluster: KindCluster, programs: Programs, state: Path) -> KindCluster:
    """A cluster that kind made before, whose containers run."""
    state.mkdir()
    (state / "kind.made").touch()
    programs.answer("kind get nodes *", f"echo '{NODES}'")
    programs.answer("docker ps *", "echo 0123456789ab")
    return cluster


def test_a_cluster_has_one_control_plane_and_the_workers_asked_for() -> None:
    roles = [node["role"] for node in json.loads(config(2))["nodes"]]

    assert roles == ["control-plane", "worker", "worker"]


def test_each_worker_is_a_zone_of_its_own() -> None:
    _, *workers = json.loads(config(2))["nodes"]

    assert len({worker["labels"]["topology.kubernetes.io/zone"] for worker in workers}) == 2


def test_every_version_of_kubeadm_is_told_how_soon_to_notice_things() -> None:
    wanted = json.loads(config(1))
    kubelet, by_name = map(json.loads, wanted["kubeadmConfigPatches"])
    in_a_list = json.loads(wanted["kubeadmConfigPatchesJSON6902"][0]["patch"])

    assert kubelet["nodeLeaseDurationSeconds"] == 8
    arguments = by_name["controllerManager"]["extraArgs"]
    assert arguments["node-monitor-grace-period"] == "8s"
    path = "/controllerManager/extraArgs/-"
    listed = {
        step["value"]["name"]: step["value"]["value"] for step in in_a_list if step["path"] == path
    }
    assert listed == arguments


def test_up_has_kind_make_what_is_not_there(cluster: KindCluster, programs: Programs) -> None:
    cluster.up()

    (create,) = programs.calls("kind create")
    assert "--name=slipway" in create
    assert f"--kubeconfig={cluster.kubeconfig}" in create
    assert "--image" not in create


def test_up_takes_the_node_image_that_is_named(programs: Programs, state: Path) -> None:
    named = {"SLIPWAY_DEV_STATE": str(state), "SLIPWAY_KIND_IMAGE": "mirror/node:v1.34.0"}

    KindCluster(named).up()

    assert "--image=mirror/node:v1.34.0" in programs.calls("kind create")[0]


def test_up_starts_and_heals_the_nodes_that_there_are(
    made: KindCluster, programs: Programs
) -> None:
    made.up()

    assert programs.calls("kind create") == []
    assert programs.calls("docker start") == [f"docker start {name}" for name in NODES.split()]
    assert len(programs.calls("docker exec")) == 3


def test_up_refuses_nodes_that_kind_can_not_add(made: KindCluster) -> None:
    with pytest.raises(Failure, match=r"the cluster has 2(?s:.*)`down`, then `up --nodes 3`"):
        made.up(3)


@pytest.mark.parametrize("nodes", [1, 2])
def test_up_takes_more_nodes_than_were_asked_for(made: KindCluster, nodes: int) -> None:
    made.up(nodes)


def test_a_failed_creation_shows_the_kubelet_and_leaves_no_nodes(
    cluster: KindCluster, programs: Programs, state: Path
) -> None:
    logs = state / "kind" / "slipway-control-plane"
    programs.answer("kind create *", "echo 'failed to init node' >&2; exit 1")
    programs.answer("kind export logs*", f"mkdir -p {logs}; echo no swap > {logs}/kubelet.log")

    with pytest.raises(Failure) as failed:
        cluster.up()

    assert "failed to init node" in str(failed.value)
    assert "| no swap" in str(failed.value)
    assert f"all logs of the nodes are in {state / 'kind'}" in str(failed.value)
    assert programs.calls("kind")[-1].startswith("kind delete cluster ")


def test_a_failed_creation_shows_what_a_node_said_before_it_ended(
    cluster: KindCluster, programs: Programs, state: Path
) -> None:
    logs = state / "kind" / "slipway-control-plane"
    no_node = f"echo 'Container 0c61 is not running' > {logs}/kubelet.log"
    said = f"echo 'no such file: /sbin/init' > {logs}/serial.log"
    programs.answer("kind create *", "exit 1")
    programs.answer("kind export logs*", f"mkdir -p {logs}; {no_node}; {said}")

    with pytest.raises(Failure, match=r"\| no such file: /sbin/init"):
        cluster.up()


def test_a_node_image_that_can_not_be_pulled_can_be_replaced(
    cluster: KindCluster, programs: Programs, state: Path
) -> None:
    of_another_day = state / "kind" / "slipway-control-plane" / "kubelet.log"
    of_another_day.parent.mkdir(parents=True)
    of_another_day.touch()
    programs.answer("kind create *", "echo 'failed to pull image' >&2; exit 1")

    with pytest.raises(Failure, match=r"failed to pull image(?s:.*)SLIPWAY_KIND_IMAGE"):
        cluster.up()


def test_a_failure_before_any_node_runs_is_told_as_it_is(
    cluster: KindCluster, programs: Programs
) -> None:
    programs.answer("kind create *", "echo 'no space left on device' >&2; exit 1")

    with pytest.raises(Failure, match=r"no space left(?s:.*)remedy: no node has run"):
        cluster.up()


@pytest.mark.parametrize("answer", ["""echo '{"items": [1, 2]}'""", "echo 404 >&2; exit 1"])
def test_a_metrics_server_that_has_not_measured_every_node_is_explained(
    made: KindCluster, programs: Programs, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    monkeypatch.setattr(addons, "READY_SECONDS", 0.05)
    programs.answer("kubectl *get --raw=/apis/metrics*", answer)
    programs.answer("kubectl *get pods*", "echo metrics-server-1 ImagePullBackOff")
    programs.answer("kubectl *get events*", "echo Failed to pull image")

    with pytest.raises(Failure) as failed:
        made.up()

    for part in ("no answer", "ImagePullBackOff", "Failed to pull image", "`load-image` it"):
        assert part in str(failed.value)


@pytest.mark.parametrize("step", ["up", "down", "status"])
def test_somebody_elses_cluster_of_the_same_name_is_left_alone(
    made: KindCluster, programs: Programs, state: Path, step: str
) -> None:
    (state / "kind.made").unlink()

    with pytest.raises(Failure, match="`kind delete cluster --name slipway` if nobody needs it"):
        getattr(made, step)()

    assert programs.calls("kind delete") == programs.calls("docker") == []


def test_down_deletes_it_once(made: KindCluster, programs: Programs) -> None:
    made.down()
    programs.answer("kind get nodes *", "")
    made.down()

    assert len(programs.calls("kind delete cluster")) == 1


def test_purging_removes_what_is_kinds_and_leaves_a_cluster_of_processes(
    made: KindCluster, state: Path
) -> None:
    (state / "kind").mkdir(parents=True)
    for name in ("kind.kubeconfig", "slipway-system-evidence.log", "kubeconfig"):
        (state / name).touch()

    made.down(purge=True)

    assert [file.name for file in state.iterdir()] == ["kubeconfig"]


def test_purging_leaves_no_empty_folder(made: KindCluster, state: Path) -> None:
    made.down(purge=True)

    assert not state.exists()


def test_an_image_is_copied_into_the_nodes(made: KindCluster, programs: Programs) -> None:
    made.load_image("localhost:5000/slipway-runtime:1")
    made.load_image("localhost:5000/slipway-runtime:1", Path("image.tar"))

    assert programs.calls("kind load") == [
        "kind load docker-image localhost:5000/slipway-runtime:1 --name=slipway",
        "kind load image-archive image.tar --name=slipway",
    ]


def test_a_node_that_is_not_there_can_not_be_reached(made: KindCluster) -> None:
    with pytest.raises(Failure, match="slipway-control-plane, slipway-worker, slipway-worker2"):
        made.node("n1")


def test_cutting_a_node_drops_what_goes_either_way_and_healing_takes_it_back(
    made: KindCluster, programs: Programs, tmp_path: Path
) -> None:
    programs.answer("docker exec *", 'shift 2; exec "$@"')
    iptables = tmp_path / "bin" / "iptables"
    rules = tmp_path / "rules"
    rules.touch()
    iptables.write_text(
        "#!/bin/sh\n"
        'rule="$3 $4 $5"\n'
        'case "$2" in\n'
        f'-C) exec grep -qx -e "$rule" {rules} ;;\n'
        f'-I) echo "$rule" >> {rules} ;;\n'
        f'-D) grep -qx -e "$rule" {rules} || exit 1\n'
        f'    grep -vx -e "$rule" {rules} > {rules}.new; mv {rules}.new {rules} ;;\n'
        "esac\n"
    )
    iptables.chmod(0o755)
    node = made.node("slipway-worker")

    node.cut()
    node.cut()
    either_way = ["INPUT -i eth0", "OUTPUT -o eth0", "FORWARD -i eth0", "FORWARD -o eth0"]
    assert rules.read_text().splitlines() == either_way

    node.heal()
    node.heal()
    assert rules.read_text() == ""


def test_a_node_that_has_no_power_is_not_killed_again(
    made: KindCluster, programs: Programs
) -> None:
    node = made.node("slipway-worker")
    node.off()
    programs.answer("docker ps *", "")
    node.off()

    assert programs.calls("docker kill") == ["docker kill slipway-worker"]


def test_power_is_on_when_the_node_was_heard_of_again(
    made: KindCluster, programs: Programs, tmp_path: Path
) -> None:
    reads = tmp_path / "reads"
    programs.answer("docker ps *", "")
    programs.answer(
        "kubectl *get lease*",
        f"echo >> {reads}; [ $(wc -l < {reads}) -gt 3 ] && echo later || echo before",
    )

    made.node("slipway-worker").on()

    assert len(reads.read_text().splitlines()) == 4
