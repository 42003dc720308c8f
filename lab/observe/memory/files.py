"""Parses the kernel's files about memory. All amounts are bytes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from edge_lab.core.errors import LabError

CGROUPS = "/sys/fs/cgroup"

_LINE = re.compile(
    r"(/(?:proc|sys|run)/.*?/?(?:meminfo|vmstat|pressure/memory|memory\.(?:stat|current|peak|events)"
    r"|smaps_rollup|/cgroup|config\.json)):(.*)"
)
"""Output of grep -H: a known path, a colon, and the line. Units may contain colons too."""

_POD = re.compile(r"pod([0-9a-f]{8}[-_][0-9a-f_-]{27,})")
_ANNOTATION = re.compile(
    r'"io\.kubernetes\.(?:cri\.sandbox-|pod\.)(name|namespace|uid)": ?"([^"]*)"'
)
"""Of containerd and of CRI-O."""


@dataclass
class ControlGroup:
    """One control group, including its descendants."""

    path: PurePosixPath
    """Below the root, which is `/`."""
    stat: dict[str, int] = field(default_factory=dict)
    events: dict[str, int] = field(default_factory=dict)
    current: int | None = None
    peak: int | None = None

    @property
    def processes(self) -> int:
        """Memory of processes: anonymous, and shared through tmpfs."""
        return self.stat.get("anon", 0) + self.stat.get("shmem", 0)

    @property
    def pod(self) -> str:
        """The uid of the pod to which the group belongs; empty if none."""
        found = _POD.search(str(self.path))
        return found[1].replace("_", "-") if found else ""

    @property
    def is_pod(self) -> bool:
        """Whether it is the group of a whole pod."""
        return bool(self.pod) and not _POD.search(str(self.path.parent))


@dataclass
class Snapshot:
    """A node's files at one moment."""

    meminfo: dict[str, int] = field(default_factory=dict)
    vmstat: dict[str, int] = field(default_factory=dict)
    stalled: float | None = None
    """Percent of the last ten seconds; None where the kernel has no PSI."""
    groups: dict[PurePosixPath, ControlGroup] = field(default_factory=dict)
    pods: dict[str, str] = field(default_factory=dict)
    """namespace/name by uid, from the container runtime."""
    pss: dict[int, int] = field(default_factory=dict)
    """By process."""
    group_of: dict[int, PurePosixPath] = field(default_factory=dict)
    """By process."""

    def pss_of(self, path: PurePosixPath) -> int | None:
        """PSS of the processes in the group and below it; None if no process was read."""
        if not self.pss:
            return None
        members = (
            pid for pid, group in self.group_of.items() if group == path or path in group.parents
        )
        return sum(self.pss.get(pid, 0) for pid in members)


def number_lines(lines: Iterable[str]) -> dict[str, int]:
    """Parses `name number` lines, as in memory.stat, memory.events and vmstat.

    Also with a colon after the name and the unit kB, as in meminfo and smaps_rollup. Other lines
    are ignored.
    """
    found: dict[str, int] = {}
    for line in lines:
        match line.split():
            case [name, number] if _is_number(number):
                found[name.removesuffix(":")] = int(number)
            case [name, number, "kB"] if _is_number(number):
                found[name.removesuffix(":")] = int(number) * 1024
    return found


def stalled_share(lines: Iterable[str]) -> float | None:
    """avg10 of the line `some` in /proc/pressure/memory; None if there is none."""
    for line in lines:
        if found := re.match(r"some avg10=(\d+\.\d+)\b", line):
            return float(found[1])
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def parse_snapshot(text: str) -> Snapshot:
    """Parses the output of `script.snapshot`.

    Raises:
        LabError: the node did not report its memory, or has no memory control groups.
    """
    lines_of: dict[str, list[str]] = {}
    for line in text.splitlines():
        if found := _LINE.fullmatch(line):
            lines_of.setdefault(found[1], []).append(found[2])
    seen = Snapshot()
    names: dict[str, dict[str, str]] = {}
    for file, lines in lines_of.items():
        path = PurePosixPath(file)
        if path.is_relative_to(CGROUPS):
            _read_group(seen, path, lines)
        elif path.name == "config.json":
            names[file] = dict(_ANNOTATION.findall("\n".join(lines)))
        elif path.name == "smaps_rollup":
            if (pss := number_lines(lines).get("Pss")) is not None and _is_number(path.parent.name):
                seen.pss[int(path.parent.name)] = pss
        elif path.name == "cgroup" and _is_number(path.parent.name):
            if lines[0].startswith("0::/"):
                seen.group_of[int(path.parent.name)] = PurePosixPath(lines[0][3:])
        elif file == "/proc/meminfo":
            seen.meminfo = number_lines(lines)
        elif file == "/proc/vmstat":
            seen.vmstat = number_lines(lines)
        elif file == "/proc/pressure/memory":
            seen.stalled = stalled_share(lines)
    seen.pods = _pods(names)
    _check(seen, text)
    return seen


def _read_group(seen: Snapshot, path: PurePosixPath, lines: list[str]) -> None:
    name = PurePosixPath("/") / path.parent.relative_to(CGROUPS)
    group = seen.groups.setdefault(name, ControlGroup(name))
    match path.name:
        case "memory.stat":
            group.stat = number_lines(lines)
        case "memory.events":
            group.events = number_lines(lines)
        case "memory.current" if _is_number(lines[0]):
            group.current = int(lines[0])
        case "memory.peak" if _is_number(lines[0]):
            group.peak = int(lines[0])


def _pods(names: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {
        said["uid"]: f"{said['namespace']}/{said['name']}"
        for said in names.values()
        if said.keys() >= {"name", "namespace", "uid"}
    }


def _check(seen: Snapshot, text: str) -> None:
    for name in ("MemTotal", "MemFree", "MemAvailable", "Cached", "AnonPages", "Slab"):
        if name not in seen.meminfo:
            raise LabError(f"the node did not report its {name}: {text[:200]!r}")
    if "oom_kill" not in seen.vmstat:
        raise LabError("the node did not report its count of OOM kills")
    if not any(group.stat for group in seen.groups.values()):
        raise LabError("the node has no memory control groups (cgroup v2)")
