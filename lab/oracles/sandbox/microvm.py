"""The verdict on a pod that should be a QEMU microVM on KVM.

Two things look alike but are not microVMs: QEMU that emulates the machine, which is slow and no
hardware sandbox, and a program that runs on the node's own kernel. A microVM boots the same kernel
as its node, so its release proves nothing; other proofs are used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from edge_lab.oracles.sandbox.counts import counted
from edge_lab.oracles.sandbox.outside import NodeProcess, NodeView
from edge_lab.oracles.sandbox.proofs import (
    OUTSIDE,
    Found,
    Outcome,
    Proof,
    Side,
    confined,
    of_text,
    own_network,
    when,
)
from edge_lab.oracles.sandbox.records import PodFacts
from edge_lab.oracles.verdict import Verdict

QEMU = "qemu-system-"
"""How the programs of Debian's packages begin."""
MACHINE_FILE, CPU_FILE = "anon_inode:kvm-vm", "anon_inode:kvm-vcpu:"
"""The names of open files that are a virtual machine and a CPU of KVM."""


class MicrovmClass(StrEnum):
    MICROVM = "a microVM on KVM"
    """All proofs hold."""
    NO_MICROVM = "no microVM on KVM"
    """At least one fails."""
    NO_EVIDENCE = "no evidence"


@dataclass(frozen=True)
class MicrovmVerdict(Verdict):
    """On one pod."""

    pod: str = ""
    proofs: tuple[Proof, ...] = ()

    @property
    def of_class(self) -> MicrovmClass:
        outcomes = {proof.outcome for proof in self.proofs}
        if Outcome.FAILS in outcomes:
            return MicrovmClass.NO_MICROVM
        return MicrovmClass.MICROVM if outcomes == {Outcome.HOLDS} else MicrovmClass.NO_EVIDENCE

    def of_outcome(self, outcome: Outcome) -> frozenset[str]:
        """The names of the proofs with this outcome."""
        return frozenset(proof.name for proof in self.proofs if proof.outcome is outcome)


# -- from inside -----------------------------------------------------------------------------


def _own_command_line(facts: PodFacts) -> Found:
    """The kernel command line that only this QEMU passes."""
    wanted = rf"loglevel=0 .*-- facts --tag {re.escape(facts.tag)}( |$)"
    return of_text(facts, "cmdline", lambda text: when(bool(re.search(wanted, text)), text))


def _in_memory(facts: PodFacts) -> Found:
    if not facts.root_mount:
        return Outcome.NO_EVIDENCE, ""
    return when(" - rootfs " in f" {facts.root_mount} ", facts.root_mount)


def _another_boot(facts: PodFacts, node: NodeView) -> Found:
    def judge(boot_id: str) -> Found:
        if not boot_id or not node.boot_id:
            return Outcome.NO_EVIDENCE, "one of the two was not seen"
        return when(boot_id != node.boot_id, f"{boot_id}; the node: {node.boot_id}")

    return of_text(facts, "boot_id", judge)


# -- from outside ----------------------------------------------------------------------------


def _emulators(node: NodeView) -> tuple[NodeProcess, ...]:
    return tuple(process for process in node.processes if process.name.startswith(QEMU))


def _one_emulator(node: NodeView) -> Found:
    if not node.processes:
        return Outcome.NO_EVIDENCE, "no process is in a control group of the pod"
    found = _emulators(node)
    names = ", ".join(f"{process.name} ({process.pid})" for process in node.processes)
    if any(not process.executable for process in found):
        return Outcome.NO_EVIDENCE, "its program was not read"
    genuine = all(
        process.of_node and process.executable.startswith(f"/usr/bin/{QEMU}") for process in found
    )
    return when(len(found) == 1 and genuine, names)


def _on_kvm(node: NodeView) -> Found:
    found = _emulators(node)
    if not found or any(process.kvm is None for process in found):
        return Outcome.NO_EVIDENCE, "the open files of QEMU were not read"
    seen = "; ".join(" ".join(process.kvm or ()) or "none of KVM" for process in found)
    machines = all(MACHINE_FILE in (process.kvm or ()) for process in found)
    cpus = all(any(name.startswith(CPU_FILE) for name in process.kvm or ()) for process in found)
    return when(machines and cpus, seen)


def _told_kvm(node: NodeView) -> Found:
    """By name and alone: with `kvm:tcg`, or without the option, QEMU would choose."""
    found = _emulators(node)
    if not found:
        return Outcome.NO_EVIDENCE, "there is no such process"
    told = [
        process.argv[process.argv.index("-accel") + 1 :][:1] if "-accel" in process.argv else ()
        for process in found
    ]
    return when(all(words == ("kvm",) for words in told), " ".join(found[0].argv))


def _confined(node: NodeView) -> Found:
    return confined(_emulators(node))


def _own_network(node: NodeView) -> Found:
    return own_network(node, _emulators(node))


_INSIDE: Mapping[str, tuple[Callable[[PodFacts], Found], str]] = MappingProxyType(
    {
        "own command line": (_own_command_line, "the one that was passed to QEMU for this pod"),
        "root in memory": (_in_memory, "a RAM disk, and no folder of the node"),
    }
)
_BETWEEN: Mapping[str, tuple[Callable[[PodFacts, NodeView], Found], str]] = MappingProxyType(
    {"another boot": (_another_boot, "the boot id differs from the node's")}
)
_OUTSIDE: Mapping[str, tuple[Callable[[NodeView], Found], str]] = MappingProxyType(
    {
        "QEMU process": (_one_emulator, "one in the pod's control group, of the node's own QEMU"),
        "machine of KVM": (_on_kvm, "it has a virtual machine and a CPU of KVM open"),
        "accelerator": (_told_kvm, "-accel kvm"),
        "QEMU confined": (_confined, "a seccomp filter and no new privileges"),
        "network of QEMU": (_own_network, "not the node's"),
        "program of the pod": OUTSIDE["program of the pod"],
    }
)

MICROVM_PROOFS: tuple[str, ...] = (*_INSIDE, *_BETWEEN, *_OUTSIDE)


def judge_microvm(
    node: str, runtime: str, pod: str, facts: PodFacts | None, view: NodeView | None
) -> MicrovmVerdict:
    """The verdict on `pod` of `node` by the facts from the microVM and the node's view.

    Facts of another pod are ignored.
    """
    if facts is not None and facts.tag != pod:
        facts = None
    nothing: Found = (Outcome.NO_EVIDENCE, "no observations from this side")
    proofs = [
        Proof(name, Side.INSIDE, *(judge(facts) if facts else nothing), wanted)
        for name, (judge, wanted) in _INSIDE.items()
    ]
    proofs += [
        Proof(name, Side.INSIDE, *(compare(facts, view) if facts and view else nothing), wanted)
        for name, (compare, wanted) in _BETWEEN.items()
    ]
    proofs += [
        Proof(name, Side.OUTSIDE, *(look(view) if view else nothing), wanted)
        for name, (look, wanted) in _OUTSIDE.items()
    ]
    problems = tuple(str(proof) for proof in proofs if proof.outcome is not Outcome.HOLDS)
    measures = counted(
        [proof.outcome for proof in proofs],
        Outcome.HOLDS,
        what="proofs of a microVM",
        node=node,
        evidence="facts of the microVM, and the processes of its pod's control group",
    )
    evidence = (f"pod {pod}: {len(proofs)} proofs",)
    return MicrovmVerdict(node, runtime, problems, measures, evidence, pod, tuple(proofs))
