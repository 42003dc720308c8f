"""Verdicts on microVMs: a whole one passes, and what only looks like one does not."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.sandbox import judge_attempts
from edge_lab.oracles.sandbox.microvm import (
    MICROVM_PROOFS,
    MicrovmClass,
    MicrovmVerdict,
    judge_microvm,
)
from edge_lab.oracles.sandbox.microvmtable import MICROVM_ROWS
from edge_lab.oracles.sandbox.outside import NodeView
from edge_lab.oracles.sandbox.proofs import Outcome
from edge_lab.oracles.sandbox.records import PodFacts
from edge_lab.oracles.sandbox.table import KERNEL
from tests.oracles.sandbox.microvms import POD, PROGRAM, emulator, in_microvm, microvm_outside
from tests.oracles.sandbox.seen import NODE_BOOT, attempt, process, run_of, texts, under_runc, view


def judged(facts: PodFacts | None, node: NodeView | None) -> MicrovmVerdict:
    return judge_microvm("edge-arm", "kubernetes+kubelet", POD, facts, node)


def test_a_microvm_on_kvm_is_one() -> None:
    verdict = judged(in_microvm(), microvm_outside())
    assert verdict.of_class is MicrovmClass.MICROVM, str(verdict)
    assert verdict.passed
    assert verdict.of_outcome(Outcome.HOLDS) == frozenset(MICROVM_PROOFS)


# -- planted defects --------------------------------------------------------------------------


def test_an_emulated_one_is_none() -> None:
    """QEMU that fell back: it was told to use KVM, and has nothing of it open."""
    verdict = judged(in_microvm(), microvm_outside(kvm=()))
    assert verdict.of_class is MicrovmClass.NO_MICROVM
    assert verdict.of_outcome(Outcome.FAILS) == {"machine of KVM"}


@pytest.mark.parametrize(
    "words", [("-accel", "tcg"), ("-accel", "kvm:tcg"), ("-M", "virt"), ("-accel",)]
)
def test_a_qemu_that_may_emulate_is_none(words: tuple[str, ...]) -> None:
    verdict = judged(in_microvm(), microvm_outside(argv=(PROGRAM, *words)))
    assert verdict.of_outcome(Outcome.FAILS) == {"accelerator"}


def test_a_machine_without_a_cpu_is_none() -> None:
    verdict = judged(in_microvm(), microvm_outside(kvm=("anon_inode:kvm-vm",)))
    assert verdict.of_outcome(Outcome.FAILS) == {"machine of KVM"}


def test_a_program_on_the_nodes_own_kernel_is_none() -> None:
    """As if the program had been started in the container in place of QEMU."""
    words = ("/edge-hostile", "facts", "--tag", POD)
    here = process(301, *words, executable="/edge-hostile", of_runsc=False, kvm=())
    verdict = judged(under_runc(POD), view([here], programs=(301,)))
    assert verdict.of_class is MicrovmClass.NO_MICROVM
    assert verdict.of_outcome(Outcome.FAILS) >= {
        "own command line",
        "root in memory",
        "another boot",
        "QEMU process",
        "program of the pod",
    }


def test_a_qemu_beside_a_program_on_the_nodes_kernel_is_none() -> None:
    """QEMU runs, and what speaks is a container beside it."""
    words = ("/edge-hostile", "facts", "--tag", POD)
    beside = process(301, *words, executable="/edge-hostile", of_runsc=False, kvm=())
    verdict = judged(under_runc(POD), view([emulator(), beside], programs=(301,)))
    failed = verdict.of_outcome(Outcome.FAILS)
    assert failed >= {"another boot", "program of the pod", "root in memory"}


def test_a_kernel_with_the_nodes_boot_id_is_the_nodes() -> None:
    whole = in_microvm().model_dump(mode="json")["texts"]
    facts = in_microvm(texts={**whole, **texts(boot_id=NODE_BOOT)})
    assert judged(facts, microvm_outside()).of_outcome(Outcome.FAILS) == {"another boot"}


@pytest.mark.parametrize(
    ("changed", "failed"),
    [
        ({"seccomp": 0}, "QEMU confined"),
        ({"no_new_privs": 0}, "QEMU confined"),
        ({"net_namespace": "net:[4026531840]"}, "network of QEMU"),
        ({"executable": "/tmp/qemu-system-aarch64"}, "QEMU process"),
        ({"of_node": False}, "QEMU process"),
        ({"of_node": None}, "QEMU process"),
    ],
)
def test_a_qemu_that_is_not_as_it_was_started_is_noticed(
    changed: dict[str, Any], failed: str
) -> None:
    verdict = judged(in_microvm(), microvm_outside(**changed))
    assert verdict.of_outcome(Outcome.FAILS) == {failed}


@pytest.mark.parametrize(
    ("facts", "node"),
    [
        (None, microvm_outside()),
        (in_microvm(), None),
        (in_microvm(tag="another"), microvm_outside()),
        (in_microvm(), microvm_outside(kvm=None)),
        (in_microvm(), microvm_outside(seccomp=-1)),
        (in_microvm(), microvm_outside(executable="")),
    ],
)
def test_what_was_not_seen_is_no_evidence(facts: PodFacts | None, node: NodeView | None) -> None:
    verdict = judged(facts, node)
    assert verdict.of_class is MicrovmClass.NO_EVIDENCE, str(verdict)
    assert not verdict.passed


# -- the table --------------------------------------------------------------------------------


def test_each_attempt_at_the_kernel_has_a_row() -> None:
    assert list(MICROVM_ROWS) == list(KERNEL)
    assert all(set(row.expects) == {Setting.MICROVM} for row in MICROVM_ROWS.values())


def test_the_nodes_disk_is_not_to_be_reached() -> None:
    records = [
        attempt(name, reached=row.expects[Setting.MICROVM].reached, errno=errno)
        for name, row in MICROVM_ROWS.items()
        for errno in [next(iter(sorted(row.expects[Setting.MICROVM].refusals)), "")]
    ]
    passed = judge_attempts("n", "s", Setting.MICROVM, run_of(*records), MICROVM_ROWS)
    assert passed.passed, str(passed)
    spoilt = [
        attempt(record.attempt, reached=True) if record.attempt == "open-disk" else record
        for record in records
    ]
    verdict = judge_attempts("n", "s", Setting.MICROVM, run_of(*spoilt), MICROVM_ROWS)
    assert [judgement.attempt for judgement in verdict.judged if not judgement.passed] == [
        "open-disk"
    ]
