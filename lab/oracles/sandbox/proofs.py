"""The proofs that a pod runs in gVisor: independent of each other, from inside or outside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from edge_lab.oracles.sandbox.outside import GOFER, SANDBOX, NodeProcess, NodeView
from edge_lab.oracles.sandbox.records import PodFacts
from edge_lab.oracles.sandbox.releases import RELEASES, UNAME_VERSION, release_of

LEAST_OF_THE_KERNEL = 0xEFFFFFF0
"""Linux numbers namespaces from 0xF0000000, and those made at boot slightly below it; gVisor counts
from 1."""
EMPTY_ROOT = frozenset({"etc", "proc"})
"""All that the root folder of a sandbox's own process may contain."""


class Outcome(StrEnum):
    HOLDS = "holds"
    FAILS = "fails"
    NO_EVIDENCE = "no evidence"


class Side(StrEnum):
    INSIDE = "inside"
    OUTSIDE = "outside"


@dataclass(frozen=True)
class Proof:
    """One proof, and what it is based on."""

    name: str
    side: Side
    outcome: Outcome
    seen: str
    wanted: str

    def __str__(self) -> str:
        return f"{self.name} ({self.side}): {self.outcome}; seen: {self.seen or 'nothing'}"


Found = tuple[Outcome, str]
"""The outcome of a proof, and what was seen."""
_Inside = Callable[[PodFacts], Found]
_Outside = Callable[[NodeView], Found]
_Between = Callable[[PodFacts, NodeView], Found]


def when(holds: bool, seen: str) -> Found:
    """An outcome with evidence."""
    return (Outcome.HOLDS if holds else Outcome.FAILS), seen


def of_text(facts: PodFacts, name: str, judge: Callable[[str], Found]) -> Found:
    """From a file that always exists: if it was not read, there is no evidence."""
    text = facts.texts.get(name)
    if text is None:
        return Outcome.NO_EVIDENCE, "not examined"
    return (Outcome.NO_EVIDENCE, text.errno) if text.errno else judge(text.text)


# -- from inside -----------------------------------------------------------------------------


def _uname(facts: PodFacts) -> Found:
    if not facts.release:
        return Outcome.NO_EVIDENCE, ""
    known = release_of(facts.release) is not None and facts.version == UNAME_VERSION
    return when(known, f"{facts.release} {facts.version}")


def _proc_version(facts: PodFacts) -> Found:
    known = {release.proc_version for release in RELEASES}
    return of_text(facts, "version", lambda text: when(text in known, text))


def _cmdline(facts: PodFacts) -> Found:
    pattern = re.compile(r"BOOT_IMAGE=/vmlinuz-\S*gvisor\S* quiet")
    return of_text(facts, "cmdline", lambda text: when(bool(pattern.fullmatch(text)), text))


def _kernel_log(facts: PodFacts) -> Found:
    log = facts.kernel_log
    if log.errno:
        return Outcome.FAILS, f"{log.errno}: gVisor's log needs no capability"
    if not log.lines:
        return Outcome.NO_EVIDENCE, "it is empty"
    holds = log.first.endswith("Starting gVisor...") and log.last.endswith("Ready!")
    return when(holds, f"{log.lines} lines, from {log.first!r} to {log.last!r}")


def _sentry_meminfo(facts: PodFacts) -> Found:
    errno = facts.paths.get("/proc/sentry-meminfo")
    if errno is None:
        return Outcome.NO_EVIDENCE, "not examined"
    return when(errno == "", errno or "it exists")


def _absent_files(facts: PodFacts) -> Found:
    release = release_of(facts.release) or RELEASES[-1]
    unseen = sorted(release.absent - set(facts.paths))
    if unseen:
        return Outcome.NO_EVIDENCE, f"not looked at: {', '.join(unseen)}"
    there = sorted(path for path in release.absent if facts.paths[path] != "ENOENT")
    return when(not there, f"there: {', '.join(there)}" if there else "all are absent")


def _net_namespace(facts: PodFacts) -> Found:
    def judge(text: str) -> Found:
        found = re.fullmatch(r"net:\[(\d+)\]", text)
        if found is None:
            return Outcome.NO_EVIDENCE, text
        return when(int(found[1]) < LEAST_OF_THE_KERNEL, text)

    return of_text(facts, "net_namespace", judge)


def _loadavg(facts: PodFacts) -> Found:
    idle = "0.00 0.00 0.00 0/0 0"
    return of_text(facts, "loadavg", lambda text: when(text == idle, text))


def _root_mount(facts: PodFacts) -> Found:
    if not facts.root_mount:
        return Outcome.NO_EVIDENCE, ""
    holds = "lowerdir=" not in facts.root_mount and "upperdir=" not in facts.root_mount
    return when(holds, facts.root_mount)


def _own_cgroup(facts: PodFacts) -> Found:
    """Linux with cgroup v2 has one line, which begins with 0::, whatever a pod may see."""

    def judge(text: str) -> Found:
        if not text:
            return Outcome.NO_EVIDENCE, "it is empty"
        return when("kubepods" not in text and not text.startswith("0::"), text)

    return of_text(facts, "cgroup", judge)


# -- from inside beside the node -------------------------------------------------------------


def _not_the_nodes_kernel(facts: PodFacts, node: NodeView) -> Found:
    def judge(boot_id: str) -> Found:
        if not all((boot_id, node.boot_id, facts.release, node.release)):
            return Outcome.NO_EVIDENCE, "one of the two was not seen"
        seen = f"{facts.release} {boot_id}; the node: {node.release} {node.boot_id}"
        return when(facts.release != node.release and boot_id != node.boot_id, seen)

    return of_text(facts, "boot_id", judge)


# -- from outside ----------------------------------------------------------------------------


def _seen(processes: Iterable[NodeProcess]) -> str:
    return ", ".join(
        f"{process.name} ({process.pid}, {process.executable or 'unread'})" for process in processes
    )


def _sandbox_processes(node: NodeView) -> Found:
    if not node.processes:
        return Outcome.NO_EVIDENCE, "no process is in a control group of the pod"
    sandbox, gofer = node.named(SANDBOX), node.named(GOFER)
    if sandbox and gofer and any(process.of_runsc is None for process in (*sandbox, *gofer)):
        return Outcome.NO_EVIDENCE, "their programs were not read"
    genuine = all(process.of_runsc for process in (*sandbox, *gofer))
    return when(bool(sandbox and gofer and genuine), _seen(node.processes))


def _confined(node: NodeView) -> Found:
    return confined((*node.named(SANDBOX), *node.named(GOFER)))


def confined(found: Sequence[NodeProcess]) -> Found:
    """Whether each of these processes has a seccomp filter and no new privileges."""
    if not found:
        return Outcome.NO_EVIDENCE, "there is no such process"
    if any(process.seccomp < 0 or process.no_new_privs < 0 for process in found):
        return Outcome.NO_EVIDENCE, "their status was not read"
    seen = "; ".join(
        f"{process.name}: Seccomp {process.seccomp}, NoNewPrivs {process.no_new_privs}"
        for process in found
    )
    return when(all(process.seccomp == 2 and process.no_new_privs == 1 for process in found), seen)


def _empty_root(node: NodeView) -> Found:
    found = node.named(SANDBOX)
    roots = [process.root for process in found if process.root is not None]
    if not found or len(roots) < len(found):
        return Outcome.NO_EVIDENCE, "the root folder of no sandbox was read"
    seen = "; ".join(" ".join(root) or "nothing" for root in roots)
    return when(all(set(root) <= EMPTY_ROOT for root in roots), seen)


def _not_a_process_of_the_node(node: NodeView) -> Found:
    if not node.processes:
        return Outcome.NO_EVIDENCE, "no process is in a control group of the pod"
    here = [process.pid for process in node.processes if process.is_program(node.program)]
    pids = sorted({*node.programs, *here})
    return when(not pids, f"processes {', '.join(map(str, pids))}" if pids else "none")


def _own_network(node: NodeView) -> Found:
    return own_network(node, node.named(SANDBOX))


def own_network(node: NodeView, found: Sequence[NodeProcess]) -> Found:
    """Whether none of these processes is in the network of the node."""
    names = {process.net_namespace for process in found}
    if not names or "" in names or not node.net_namespace:
        return Outcome.NO_EVIDENCE, "there is no such process"
    return when(node.net_namespace not in names, " ".join(sorted(names)))


INSIDE: Mapping[str, tuple[_Inside, str]] = MappingProxyType(
    {
        "kernel name": (_uname, "the release and version of uname(2) that gVisor has"),
        "/proc/version": (_proc_version, "gVisor's, without a compiler"),
        "kernel command line": (_cmdline, "that of an image called gvisor"),
        "kernel log": (_kernel_log, "from 'Starting gVisor...' to 'Ready!', without CAP_SYSLOG"),
        "/proc/sentry-meminfo": (_sentry_meminfo, "it exists"),
        "files that gVisor lacks": (_absent_files, "all are absent"),
        "network namespace": (_net_namespace, "a number that Linux assigns to none"),
        "load average": (_loadavg, "zeros"),
        "root mount": (_root_mount, "no folder of the node"),
        "own control group": (_own_cgroup, "not the node's"),
    }
)
BETWEEN: Mapping[str, tuple[_Between, str]] = MappingProxyType(
    {"another kernel": (_not_the_nodes_kernel, "release and boot id differ from the node's")}
)
OUTSIDE: Mapping[str, tuple[_Outside, str]] = MappingProxyType(
    {
        "sandbox processes": (_sandbox_processes, "runsc's sandbox and gofer in its cgroup"),
        "seccomp": (_confined, "a filter and no new privileges, on sandbox and gofer"),
        "root of the sandbox": (_empty_root, "empty but for etc and proc"),
        "program of the pod": (_not_a_process_of_the_node, "no process of the node"),
        "network of the sandbox": (_own_network, "not the node's"),
    }
)
NEEDS_A_SANDBOX = frozenset({"seccomp", "root of the sandbox", "network of the sandbox"})
"""These do not apply to a pod without a sandbox."""

PROOFS: tuple[str, ...] = (*INSIDE, *BETWEEN, *OUTSIDE)


def proofs_of(facts: PodFacts | None, node: NodeView | None) -> tuple[Proof, ...]:
    """All proofs; those that need missing facts or a missing view of the node have no evidence."""
    nothing: Found = (Outcome.NO_EVIDENCE, "no observations from this side")
    found = [
        Proof(name, Side.INSIDE, *(judge(facts) if facts else nothing), wanted)
        for name, (judge, wanted) in INSIDE.items()
    ]
    found += [
        Proof(name, Side.INSIDE, *(compare(facts, node) if facts and node else nothing), wanted)
        for name, (compare, wanted) in BETWEEN.items()
    ]
    return (*found, *proofs_from_outside(node))


def proofs_from_outside(node: NodeView | None) -> tuple[Proof, ...]:
    """The proofs that need no facts from the pod."""
    nothing: Found = (Outcome.NO_EVIDENCE, "no observations from this side")
    return tuple(
        Proof(name, Side.OUTSIDE, *(look(node) if node else nothing), wanted)
        for name, (look, wanted) in OUTSIDE.items()
    )
