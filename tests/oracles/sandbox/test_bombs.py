"""A memory bomb is ended by its limit: what else may have ended it is told apart."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.oracles.sandbox.bombs import KILLED, memory_problems
from edge_lab.oracles.sandbox.records import BombProgress


def problems(code: int | None = KILLED, reached: int = 176, done: bool = False, **more: Any) -> int:
    ended = {"terminated": {"exitCode": code}} if code is not None else {}
    pod = {"status": {"containerStatuses": [{"state": ended}], **more}}
    progress = BombProgress(bomb="memory", limit=512, reached=reached, done=done)
    return len(memory_problems(pod, progress, 192, 64))


def test_a_kill_near_the_limit_is_the_limits() -> None:
    assert (problems(), problems(reached=256)) == (0, 0)


@pytest.mark.parametrize(
    "flaw",
    [
        {"code": 2},
        {"code": None},
        {"reached": 16},
        {"reached": 272},
        {"done": True},
        {"reason": "Evicted"},
    ],
)
def test_any_other_end_is_a_problem(flaw: dict[str, Any]) -> None:
    assert problems(**flaw) == 1
