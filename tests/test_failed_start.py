"""A start that fails: journals are kept, and nobody waits for machines any more."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.bringup.start import Boots
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step


class Machine:
    def __init__(self, name: str, journal: str | None) -> None:
        self.name = name
        self.is_on = True
        self._journal = journal

    def journal(self, *, lines: int, deadline: Deadline) -> str:
        assert self.is_on, "a machine without power has no journal to read"
        if self._journal is None:
            raise LabError(f"{self.name} does not answer")
        return self._journal

    def discard(self) -> None:
        self.is_on = False


@pytest.fixture
def lab(tmp_path: Path) -> Any:
    machines = {"server": Machine("server", None), "edge": Machine("edge", "it speaks")}
    return SimpleNamespace(machines=machines, run=SimpleNamespace(logs=tmp_path))


@contextlib.contextmanager
def boots(lab: Any) -> Iterator[Boots]:
    with step("start") as starting, Boots(lab, starting, Deadline.after(60)) as started:
        yield started


def test_journals_are_read_before_the_machines_are_switched_off(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="not in time"), boots(lab):
        raise LabError("not in time")
    assert (tmp_path / "journal-edge.log").read_text() == "it speaks"
    assert not (tmp_path / "journal-server.log").exists(), "one that is silent has none"
    assert not any(machine.is_on for machine in lab.machines.values())


def test_an_interrupt_does_not_wait_for_journals(lab: Any, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), boots(lab):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    assert not any(machine.is_on for machine in lab.machines.values())


def test_a_start_that_succeeds_leaves_the_machines_on(lab: Any) -> None:
    with boots(lab):
        pass
    assert all(machine.is_on for machine in lab.machines.values())
