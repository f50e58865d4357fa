"""A limit of memory for a process and all that it starts, kept by the kernel of Linux."""

import os
from contextlib import contextmanager
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup/memory")  # version 1; its root is needed to make a group
HOW = f"no limit can be set here: it takes {GROUPS} (cgroups, version 1) and root"


def can_be_limited() -> bool:
    return (GROUPS / "cgroup.procs").exists() and os.access(GROUPS, os.W_OK)


class Group:
    """A group of processes that share a limit.

    Who goes beyond it is killed. Files that the kernel keeps in memory count as well,
    but are thrown out first, so what remains at the limit says nothing; `anonymous` is
    what programs hold.
    """

    def __init__(self, folder: Path, limit: int):
        self.folder = folder
        (folder / "memory.limit_in_bytes").write_text(str(limit))

    def join(self):
        """Puts this process into the group; for `preexec_fn`."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def anonymous(self) -> int:
        stat = (self.folder / "memory.stat").read_text().split()
        return int(stat[stat.index("total_rss") + 1])

    def killed(self) -> int:
        control = (self.folder / "memory.oom_control").read_text().split()
        return int(control[control.index("oom_kill") + 1])


@contextmanager
def limited_to(limit: int):
    """Yields a group with so many bytes; its processes must have ended at the end."""
    folder = GROUPS / f"cae_{os.getpid()}_{limit}"
    folder.mkdir()
    try:
        yield Group(folder, limit)
    finally:
        folder.rmdir()
