"""A node's view of a pod: the processes of the pod's control group, and those of the node.

A Python program on the node collects it, over the management path. The container runtime is not
asked, as it is what is being tested.
"""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_lab.addons.hostile.image import HOSTILE_PROGRAM
from edge_lab.core.errors import LabError

SANDBOX, GOFER = "runsc-sandbox", "runsc-gofer"
"""argv[0] of gVisor's processes. Any program can have it, so they are compared with runsc by
device and inode, since paths are those of a process's own mounts."""

PROGRAM = r"""
import glob, json, os, sys

uid, tag, program, runsc, sandbox = sys.argv[1:]

def read(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8", "replace").strip()
    except OSError:
        return ""

def link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""

def same(path, other):
    try:
        return os.path.samefile(path, other)
    except OSError:
        return None

def listed(path):
    try:
        return sorted(os.listdir(path))
    except OSError:
        return None

def of_kvm(pid):
    files = listed(f"/proc/{pid}/fd")
    if files is None:
        return None
    links = {link(f"/proc/{pid}/fd/{name}") for name in files}
    return sorted(name for name in links if name.startswith("anon_inode:kvm-"))

def argv(pid):
    return [word for word in read(f"/proc/{pid}/cmdline").split("\0") if word]

def of(pid):
    status = dict(
        line.split(":", 1) for line in read(f"/proc/{pid}/status").splitlines() if ":" in line
    )
    words = argv(pid)
    return {
        "pid": pid,
        "comm": read(f"/proc/{pid}/comm"),
        "argv": words[:6],
        "executable": link(f"/proc/{pid}/exe"),
        "of_runsc": same(f"/proc/{pid}/exe", runsc),
        "of_node": same(f"/proc/{pid}/exe", link(f"/proc/{pid}/exe") or "/nowhere"),
        "seccomp": int(status.get("Seccomp", "-1")),
        "no_new_privs": int(status.get("NoNewPrivs", "-1")),
        "net_namespace": link(f"/proc/{pid}/ns/net"),
        "kvm": of_kvm(pid),
        "root": listed(f"/proc/{pid}/root") if words[:1] == [sandbox] else None,
    }

def is_program(pid, words):
    paths = [link(f"/proc/{pid}/exe").removesuffix(" (deleted)"), *words[:1]]
    return any(os.path.basename(path) == program for path in paths)

names = {uid, uid.replace("-", "_")}
groups = [
    folder
    for folder, _, _ in os.walk("/sys/fs/cgroup")
    if any(f"pod{name}" in os.path.basename(folder) for name in names)
]
groups += [f for group in list(groups) for f, _, _ in os.walk(group) if f not in groups]
pids = sorted({int(pid) for group in groups for pid in read(f"{group}/cgroup.procs").split()})
everywhere = [int(name) for name in os.listdir("/proc") if name.isdigit()]
own = os.getpid()
print(json.dumps({
    "program": program,
    "release": os.uname().release,
    "boot_id": read("/proc/sys/kernel/random/boot_id"),
    "net_namespace": link("/proc/1/ns/net"),
    "groups": groups,
    "processes": [of(pid) for pid in pids],
    "programs": [
        pid for pid in everywhere
        if pid != own and is_program(pid, words := argv(pid)) and (tag in words or pid in pids)
    ],
}))
"""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class NodeProcess(_Model):
    """A process of the node in the pod's control group."""

    pid: int
    comm: str = ""
    argv: tuple[str, ...] = ()
    executable: str = ""
    of_runsc: bool | None = None
    """Whether it runs gVisor's program; None if that was not read."""
    of_node: bool | None = None
    """Whether the file that it runs is the node's at that path; None if the node has none there."""
    seccomp: int = -1
    """As in /proc/PID/status: 2 is a filter; -1 if it was not read."""
    no_new_privs: int = -1
    net_namespace: str = ""
    kvm: tuple[str, ...] | None = None
    """Its open KVM files: machines, CPUs and devices; None if they were not read."""
    root: tuple[str, ...] | None = None
    """The content of its root folder, for sandboxes only; None if it was not read."""

    @property
    def name(self) -> str:
        """argv[0] without its folder; the name of a thread's program where there is none."""
        return PurePosixPath(self.argv[0]).name if self.argv else self.comm

    def is_program(self, name: str) -> bool:
        """Whether it runs a file of that name, or claims to."""
        executable = PurePosixPath(self.executable.removesuffix(" (deleted)")).name
        return name in (self.name, executable)


class NodeView(_Model):
    """One view of a node."""

    program: str = HOSTILE_PROGRAM
    """The name of the pod's program, as requested."""
    release: str
    boot_id: str
    net_namespace: str
    """Of its first process."""
    groups: tuple[str, ...]
    """Control groups of the pod."""
    processes: tuple[NodeProcess, ...]
    """In those groups."""
    programs: tuple[int, ...]
    """Processes that are the pod's program by executable or argv[0]: those of its control group,
    and those anywhere on the node that have its tag among their arguments."""

    def named(self, name: str) -> tuple[NodeProcess, ...]:
        """The processes of the pod whose argv[0] is `name`."""
        return tuple(process for process in self.processes if process.name == name)


def look_command(uid: str, tag: str, runsc: str, program: str = HOSTILE_PROGRAM) -> str:
    """The shell command for the node, for the pod of that uid whose program has `tag` among its
    arguments. `runsc` is the path of gVisor's program on the node."""
    words = shlex.join((uid, tag, program, runsc, SANDBOX))
    return f"python3 - {words} <<'EDGE_LAB_END'\n{PROGRAM}\nEDGE_LAB_END"


def parse_node_view(text: str) -> NodeView:
    """Parses the output of the command; LabError if it is invalid."""
    try:
        return NodeView.model_validate_json(text)
    except ValidationError as trouble:
        raise LabError(
            f"invalid view of a node's processes: {trouble.errors()[0]['msg']}"
        ) from trouble
