"""What the host itself gets changed, remembered so that `down` can put it back."""

import json
import shutil
from pathlib import Path

from slipway_dev.errors import Failure
from slipway_dev.steps import run, succeeds

SYSCTLS = Path("/proc/sys")
WANTED = {
    "net/ipv4/ip_forward": "1",
    "fs/inotify/max_user_instances": "1024",  # the default of 128 lasts for a dozen nodes' pods
}
CHANGED_BY_OTHERS = (  # kubelet and kube-proxy set these for the whole machine
    "net/ipv4/conf/all/route_localnet",
    "vm/overcommit_memory",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
BRIDGE_FILTER = SYSCTLS / "net/bridge/bridge-nf-call-iptables"
MOUNT_POINTS = tuple(
    Path("/var") / name
    for name in ("lib/kubelet", "lib/containerd", "lib/cni", "log/pods", "log/containers")
)


def change(memory: Path) -> None:
    """Set what nodes need, after writing down how it was.

    Raises:
        Failure: the kernel lacks something.
    """
    if not BRIDGE_FILTER.exists() and not succeeds(["modprobe", "-a", "br_netfilter", "overlay"]):
        raise Failure(
            "loading the kernel modules br_netfilter and overlay",
            "modprobe refuses, and they are not built in",
            remedy="use a kernel that has them, as Debian's does",
        )
    if not memory.exists():
        memory.write_text(json.dumps(_look(), indent=1))
    for name, value in WANTED.items():
        if _at_least(name, value):
            continue
        (SYSCTLS / name).write_text(value)
    for folder in MOUNT_POINTS:
        folder.mkdir(parents=True, exist_ok=True)


def restore(memory: Path) -> None:
    """Put back what `change` and the nodes changed."""
    if not memory.exists():
        return
    before = json.loads(memory.read_text())
    for name, value in before["sysctls"].items():
        file = SYSCTLS / name
        if file.read_text() != value:
            file.write_text(value)
    for folder in map(Path, before["absent"]):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    memory.unlink()


def _look() -> dict[str, object]:
    names = [name for name in (*WANTED, *CHANGED_BY_OTHERS) if (SYSCTLS / name).exists()]
    return {
        "sysctls": {name: (SYSCTLS / name).read_text() for name in names},
        "absent": [str(folder) for folder in MOUNT_POINTS if not folder.exists()],
    }


def _at_least(name: str, value: str) -> bool:
    return int((SYSCTLS / name).read_text()) >= int(value)


def unmount_below(folder: Path) -> None:
    """Unmount what was mounted below a folder, the last one first; image engines leave theirs."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for target in reversed(mounts):
        if folder in Path(target).parents:
            run(["umount", "-l", target])


def forget_rules() -> None:
    """Remove kube-proxy's and CNI's rules, and the tables that are empty without them."""
    for family, name in (("ip", "iptables"), ("ip6", "ip6tables")):
        if shutil.which(f"{name}-save") is None:
            continue  # nothing can have made any: no cluster was ever up here
        rules = run([f"{name}-save"]).splitlines()
        kept = without_ours(rules)
        if kept != rules:
            run([f"{name}-restore"], stdin="\n".join(kept) + "\n")
        if "nf_tables" in run([name, "--version"]):
            _drop_empty_tables(family, kept)


def without_ours(rules: list[str]) -> list[str]:
    """Leave kube-proxy's and CNI's chains and the jumps to them out of a saved rule set."""
    return [line for line in rules if "KUBE-" not in line and "CNI-" not in line]


def _drop_empty_tables(family: str, rules: list[str]) -> None:
    """Remove tables without a rule, a chain of somebody's or a policy: they do nothing."""
    for table, lines in _by_table(rules).items():
        if all(line.startswith(":") and line.split()[1] == "ACCEPT" for line in lines):
            succeeds(["nft", "delete", "table", family, table])


def _by_table(rules: list[str]) -> dict[str, list[str]]:
    tables: dict[str, list[str]] = {}
    for line in rules:
        if line.startswith("*"):
            tables[line[1:]] = []
        elif line.startswith((":", "-")):
            tables[[*tables][-1]].append(line)
    return tables
