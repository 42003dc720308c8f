"""The journal of faults, and the engine that writes it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.family import Injector
from edge_lab.faults.journal import FILE, FaultJournal
from edge_lab.faults.kinds import Cut, Drop, Fault, Kill, Pause


@dataclass
class FakeFaults(Injector[Fault]):
    """Injects and heals by writing it down."""

    troubled: frozenset[str] = frozenset()
    done: list[str] = field(default_factory=list)

    def inject(self, fault: Fault) -> str:
        if fault.title in self.troubled:
            raise LabError(f"no effect was seen: {fault.title}")
        self.done.append(f"inject {fault.title}")
        return "seen"

    def heal(self, fault: Fault) -> str:
        if f"heal {fault.title}" in self.troubled:
            raise LabError(f"no cure was seen: {fault.title}")
        self.done.append(f"heal {fault.title}")
        return "cured"


def engine_on(folder: Path, faults: FakeFaults) -> FaultEngine:
    return FaultEngine(FaultJournal(folder), lambda fault: faults)


CUT = Cut(link="arm-cloud")
OTHER = Cut(link="riscv-cloud")


def test_a_fault_is_written_down_from_its_injection_to_its_cure(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults())
    with engine.inflict(CUT) as record:
        assert record.seen is not None
        assert record.seen >= record.began
        assert record.proof == "seen"
        assert engine.active() == (record,)
    assert engine.active() == ()
    (healed,) = engine.history()
    assert healed.healed is not None
    assert healed.heal_began is not None
    assert healed.healed >= healed.heal_began >= record.seen
    assert healed.cure == "cured"


def test_another_process_heals_what_one_has_injected(tmp_path: Path) -> None:
    faults = FakeFaults()
    record = engine_on(tmp_path, faults).inject(CUT)
    other = engine_on(tmp_path, faults)
    (found,) = other.active()
    assert found == record
    other.heal(found)
    assert engine_on(tmp_path, faults).active() == ()


def test_no_two_faults_have_hold_of_the_same_thing(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults())
    engine.inject(Drop(link="arm-cloud", direction="tx"))
    with pytest.raises(InputError, match="link arm-cloud tx is locked"):
        engine.inject(CUT)
    engine.inject(Drop(link="arm-cloud", direction="rx"))
    engine.inject(Kill(node="edge-arm", service="kubelet.service"))
    engine.inject(Pause(node="edge-arm"))


def test_a_fault_without_effect_is_in_the_book_and_not_active(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults(frozenset({CUT.title})))
    with pytest.raises(LabError, match="no effect"):
        engine.inject(CUT)
    (record,) = engine.history()
    assert not record.active
    assert record.seen is None
    assert "never active" in record.cure


def test_a_fault_that_does_not_heal_stays_active(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults(frozenset({f"heal {CUT.title}"})))
    with pytest.raises(LabError, match="no cure"), engine.inflict(CUT):
        pass
    assert [each.fault for each in engine.active()] == [CUT]


def test_all_are_healed_though_one_cannot_be(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults(frozenset({f"heal {OTHER.title}"})))
    engine.inject(CUT)
    engine.inject(OTHER)
    with pytest.raises(LabError, match="no cure"):
        engine.heal_all()
    assert [each.fault for each in engine.active()] == [OTHER]


def test_several_at_once_are_all_healed_when_one_has_no_effect(tmp_path: Path) -> None:
    faults = FakeFaults(frozenset({OTHER.title}))
    engine = engine_on(tmp_path, faults)
    with pytest.raises(LabError, match="no effect"), engine.inflict_all([CUT, OTHER]):
        pass
    assert engine.active() == ()
    assert faults.done == [f"inject {CUT.title}", f"heal {CUT.title}"]


def test_ids_are_counted_up_by_any_number_of_threads(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults())
    links = [Cut(link=f"link-{number}") for number in range(16)]
    threads = [threading.Thread(target=engine.inject, args=(link,)) for link in links]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.id for each in engine.history()) == list(range(1, 17))


def test_a_lab_that_goes_back_has_no_faults(tmp_path: Path) -> None:
    engine = engine_on(tmp_path, FakeFaults())
    engine.inject(CUT)
    FaultJournal(tmp_path).close_all(1, "the lab went back to its checkpoint")
    assert engine.active() == ()


def test_a_damaged_book_is_named_with_its_line(tmp_path: Path) -> None:
    engine_on(tmp_path, FakeFaults()).inject(CUT)
    with (tmp_path / FILE).open("a") as file:
        file.write("{}\n")
    with pytest.raises(LabError, match=f"{FILE}:3"):
        FaultJournal(tmp_path).history()
