"""What processes use of this machine, as the kernel counts it."""

import os
from collections.abc import Iterable
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(processes: Iterable[int]) -> float:
    """CPU time that processes and their threads have used so far, user and system."""
    ticks = 0
    for process in processes:
        fields = _stat(process)
        ticks += int(fields[11]) + int(fields[12]) if fields else 0
    return ticks / TICK


def memory_bytes(processes: Iterable[int]) -> int:
    """Resident memory of processes."""
    pages = (int(Path(f"/proc/{process}/statm").read_text().split()[1]) for process in processes)
    return sum(pages) * os.sysconf("SC_PAGE_SIZE")


def tree(process: int) -> list[int]:
    """Return a process and all below it, from the top."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    found = [process]
    for each in found:
        found += [child for child, parent in parents.items() if parent == each]
    return found


def _stat(process: int) -> list[str]:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
