"""How many CPUs a container may use: the kernel's quota and affinity, which onnxruntime ignores."""

from math import ceil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def quota_v2(cpu_max: str) -> float | None:
    """Read cgroup v2's ``cpu.max``, such as ``150000 100000`` or ``max 100000``."""
    quota, _, period = cpu_max.strip().partition(" ")
    return None if quota == "max" else int(quota) / int(period or 100000)


def quota_v1(quota_us: str, period_us: str) -> float | None:
    """Read cgroup v1's ``cpu.cfs_quota_us`` (-1 is no limit) and ``cpu.cfs_period_us``."""
    return None if int(quota_us) <= 0 else int(quota_us) / int(period_us)


def quota(cgroup: Path = CGROUP) -> float | None:
    """Find the CPUs that this container's limit allows; None without a limit."""
    if (v2 := cgroup / "cpu.max").exists():
        return quota_v2(v2.read_text())
    v1 = cgroup / "cpu"
    if (v1 / "cpu.cfs_quota_us").exists():
        return quota_v1(
            (v1 / "cpu.cfs_quota_us").read_text(), (v1 / "cpu.cfs_period_us").read_text()
        )
    return None


def workers(allowed: float | None, affinity: int, intra_op_threads: int) -> int:
    """Choose how many runs go on at a time: one per CPU, a started CPU counts.

    ``affinity`` is the number of CPUs that the scheduler may use for this process. A run that
    has several threads takes as many CPUs.
    """
    cpus = affinity if allowed is None else min(affinity, ceil(allowed))
    return max(1, cpus // intra_op_threads)
