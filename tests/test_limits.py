"""No wait of the lab, its plugin or its suites goes by seconds that are the same on every host."""

from __future__ import annotations

import ast
import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core import speed
from edge_lab.core.deadline import Deadline

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("lab", "fixtures", "suites")

FIXED = {
    ("lab/core/process.py", "Deadline.after(EXEC_SECONDS)"): "the speed is measured by way of it",
    ("lab/artifacts/availability.py", "Deadline.after(0)"): "nothing is waited for",
    ("lab/artifacts/store.py", "timeout=0"): "nothing is waited for",
    ("lab/bringup/start.py", "timeout=0"): "nothing is waited for",
    ("lab/faults/board.py", "timeout=0"): "nothing is waited for",
    ("lab/devices/serial/port.py", "timeout=0"): "nothing is waited for",
    ("lab/artifacts/gomodules.py", "process.wait(0.25)"): "the period of a poll",
    ("lab/faults/runner.py", "thread.join(LOOK_S)"): "the period of a poll",
    ("lab/artifacts/web.py", "thread.join(CONNECT_SECONDS)"): "of the network, not of the host",
    ("lab/fleet/kwokprocess.py", "self._over.wait(LOOK_SECONDS)"): "the period of a poll",
    (
        "suites/regressions/kubeedge/test_field_bugs.py",
        "Deadline.after(BACK_SECONDS)",
    ): "the product's own timers",
}
"""What is left as it is, and why."""

WAITS = ("after", "communicate", "join", "settimeout", "wait", "wait_for")
"""What methods and functions are called whose first or second argument may be seconds."""

MAY_WAIT = re.compile(rf"\btimeout=|(?<![\"'])\.({'|'.join(WAITS)})\(")
"""What is found in every source with such a wait."""


def _is_fixed(seconds: ast.expr) -> bool:
    """Whether it is made of numbers and constants alone; 'no limit' is none."""
    if isinstance(seconds, ast.Constant):
        return isinstance(seconds.value, int | float)
    parts = [node for node in ast.walk(seconds) if isinstance(node, ast.expr)]
    known = (ast.BinOp, ast.Constant, ast.UnaryOp)
    return all(isinstance(part, known) or _is_fixed_name(part) for part in parts)


def _is_fixed_name(part: ast.expr) -> bool:
    """A constant; but not one of the periods of a poll, which are called …_EVERY."""
    return isinstance(part, ast.Name) and part.id.isupper() and not part.id.endswith("_EVERY")


def fixed_waits(source: str) -> Iterator[str]:
    """Each wait in the source by fixed seconds, as it is written there."""
    if not MAY_WAIT.search(source):
        return  # most of the time goes into looking at trees
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "timeout" and _is_fixed(keyword.value):
                yield f"timeout={ast.unparse(keyword.value)}"
        if not isinstance(node.func, ast.Attribute) or node.func.attr not in WAITS:
            continue
        if isinstance(node.func.value, ast.Constant):
            continue  # a method of a literal: "".join
        name = ast.unparse(node.func)
        waits = name.endswith((".settimeout", ".wait", ".join", ".communicate"))
        first = node.args[0] if node.args else None
        if name == "asyncio.wait_for" and len(node.args) > 1:
            first, waits = node.args[1], True
        if (waits or name == "Deadline.after") and first is not None and _is_fixed(first):
            yield ast.unparse(node)


@functools.cache
def _all_fixed_waits() -> set[tuple[str, str]]:
    files = (file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
    own = (file for file in files if not any(part.is_symlink() for part in file.parents))
    return {
        (str(file.relative_to(ROOT)), wait)
        for file in own
        for wait in fixed_waits(file.read_text(encoding="utf-8"))
    }


def test_every_wait_is_scaled_to_the_host() -> None:
    assert _all_fixed_waits() - FIXED.keys() == set()


def test_what_may_stay_fixed_is_still_there() -> None:
    assert FIXED.keys() - _all_fixed_waits() == set()


@pytest.mark.parametrize(
    "wait",
    [
        "Deadline.after(30)",
        "Deadline.after(2 * SECONDS)",
        "deadline or Deadline.after(SECONDS)",
        "subprocess.run(argv, timeout=5)",
        "peer.settimeout(ANSWER_TIME)",
        "process.wait(3.0)",
        "asyncio.wait_for(coming, 3)",
    ],
)
def test_a_fixed_wait_is_found(wait: str) -> None:
    assert len(list(fixed_waits(wait))) == 1


@pytest.mark.parametrize(
    "wait",
    [
        "Deadline.scaled(30)",
        "Deadline.after(seconds)",
        "Deadline.after(SECONDS * factor)",
        "subprocess.run(argv, timeout=deadline.remaining)",
        "subprocess.run(argv, timeout=None)",
        "process.wait()",
        "', '.join(NAMES)",
        "ended.wait(LOOK_EVERY / 4)",
    ],
)
def test_a_wait_by_a_deadline_is_none(wait: str) -> None:
    assert list(fixed_waits(wait)) == []


@pytest.fixture
def slow_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "patience", lambda: 6.0)


@pytest.mark.usefixtures("slow_host")
def test_a_scaled_deadline_is_as_long_as_the_host_is_slow() -> None:
    assert Deadline.scaled(10).total == pytest.approx(60)
    assert Deadline.after(10).total == 10


@pytest.mark.usefixtures("slow_host")
def test_a_part_of_a_deadline_is_scaled_but_never_longer_than_the_whole() -> None:
    assert Deadline.after(600).within(10).total == pytest.approx(60)
    assert Deadline.after(20).within(10).total == pytest.approx(20, abs=1)


def test_a_process_that_has_measured_its_host_does_not_guess(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speed, "_measured", functools.cache(lambda: speed._Measured(3.0, 0)))
    monkeypatch.setattr(speed, "_guess", lambda: 7.0)
    assert speed.patience() == 7.0
    assert speed.speed_factor() == 3.0
    assert speed.patience() == 3.0


def test_a_host_is_measured_again_when_that_was_long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = iter([0.0, 8.0])
    monkeypatch.setattr(speed, "demand_of_others", lambda: next(loads))
    monkeypatch.setattr(speed, "_calculation", lambda: speed.REFERENCE_CALCULATION)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    speed._measured.cache_clear()
    assert speed.speed_factor() == 1.0
    speed.measure_again(60)
    assert speed.speed_factor() == 1.0
    speed.measure_again(0)
    assert speed.speed_factor() == 5.0
    speed._measured.cache_clear()
