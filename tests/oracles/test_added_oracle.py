"""The oracle that docs/add-an-oracle.md adds: its code is run as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings

from edge_lab.core.errors import LabError
from edge_lab.evidence.recording import Recording
from edge_lab.measuring.watcher import Watcher
from edge_lab.oracles.verdict import Verdict
from tests.budget import examples
from tests.oracles.recordings import NODE, at, cut_and_healed
from tests.oracles.strategies import recordings

PAGE = Path(__file__).parents[2] / "docs" / "add-an-oracle.md"


def _added() -> SimpleNamespace:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {"__name__": __name__}
    exec("\n".join(blocks[:2]), names)  # the third is a test, which needs a lab
    return SimpleNamespace(**names)


ADDED = _added()
CUT = cut_and_healed()


def seen(time: float, mib: float | None, node: str = NODE) -> Any:
    return ADDED.MemorySeen(time=at(time), node=node, available_mib=mib)


def judged(*observed: Any, **change: Any) -> Verdict:
    recording = CUT.model_copy(update={"observed": observed, **change})
    verdict = ADDED.judge_memory(recording, NODE, least_mib=200)
    assert isinstance(verdict, Verdict)
    return verdict


def test_memory_that_was_left_passes_and_what_was_before_the_fault_still_holds() -> None:
    verdict = judged(seen(1, 900.0), seen(20, 800.0), seen(90, None), seen(200, 850.0))
    assert verdict.passed, str(verdict)
    (measure,) = verdict.measures
    assert (measure.value, measure.unit) == (800.0, "MiB")


def test_too_little_memory_fails() -> None:
    assert judged(seen(1, 900.0), seen(70, 150.0)).problems
    assert judged(seen(1, 150.0), seen(20, 900.0)).passed, "that was before the fault"


@pytest.mark.parametrize(
    "verdict",
    [
        judged(),
        judged(seen(1, None)),
        judged(seen(1, 900.0, node="elsewhere")),
        judged(seen(1, 900.0), faults=()),
    ],
)
def test_without_evidence_there_is_no_pass(verdict: Verdict) -> None:
    assert [problem for problem in verdict.problems if problem.startswith("no evidence")]
    assert verdict.measures[0].value is None
    assert verdict.measures[0].reason


@settings(max_examples=examples(20))
@given(recordings())
def test_any_recording_has_a_verdict(recording: Recording) -> None:
    assert str(ADDED.judge_memory(recording, NODE, least_mib=200))


class Ended:
    """After so many looks."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def is_set(self) -> bool:
        return self.looks <= 0

    def wait(self, timeout: float | None = None) -> bool:
        self.looks -= 1
        return self.looks < 0


def test_the_watcher_tells_what_it_sees_and_what_is_out_of_reach() -> None:
    answers = iter(["MemAvailable:  1024 kB\n", None])

    def run(command: str, deadline: object) -> SimpleNamespace:
        said = next(answers)
        if said is None:
            raise LabError("no answer")
        return SimpleNamespace(stdout=said)

    watcher: Watcher = ADDED.MemoryWatcher(SimpleNamespace(name=NODE, run=run))
    found = [each.number for each in watcher.watch(Ended(2)) if each is not None]
    assert found == [1.0, None]
