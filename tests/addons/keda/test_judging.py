"""When KEDA is ready, and the judge of a scaler that is out of reach: what passes, and each planted
defect, which turns it red."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from edge_lab.addons.functions.records import Event, Handled
from edge_lab.addons.keda.addon import is_ready
from suites.functions.evidence import Evidence
from suites.functions.judging import judge_asleep, judge_unreached
from tests.addons.functions.test_suite import evidence as complete

WAYS = ("warm", "process", "pod", "keda")


def _event(way: str) -> tuple[Event, Handled]:
    event = Event(f"e-{way}", way, "boiler", "temperature", 1, 710, 10)
    return event, Handled(event.id, way, 1, 710, 12, 13, 1, 7, 11)


def unreached() -> Evidence:
    """An event of each way while the scaler is out of reach; that of KEDA is not handled."""
    events, handled = zip(*map(_event, WAYS), strict=True)
    return replace(complete(), ways=WAYS, owed_offline=events, handled_offline=tuple(handled[:-1]))


PLANTED: dict[str, tuple[str, Callable[[Evidence], Evidence]]] = {
    "handled": (
        "1 events were handled without the scaler",
        lambda whole: replace(whole, handled_offline=(*whole.handled_offline, _event("keda")[1])),
    ),
    "nothing is handled": (
        "no evidence: 0 of process, the control, 1 wanted",
        lambda whole: replace(whole, handled_offline=()),
    ),
    "no event of KEDA": (
        "no evidence: 0 of keda, without its scaler, 1 wanted",
        lambda whole: replace(whole, owed_offline=whole.owed_offline[:-1]),
    ),
    "no event of the control": (
        "no evidence: 0 of process, the control, 1 wanted",
        lambda whole: replace(
            whole,
            owed_offline=whole.owed_offline[2:],
            handled_offline=whole.handled_offline[2:],
        ),
    ),
}


def test_a_function_that_nobody_wakes_while_the_scaler_is_away_is_as_declared() -> None:
    verdict = judge_unreached(unreached(), "keda", "process")
    assert verdict.passed, str(verdict)
    assert [measure.value for measure in verdict.measures] == [0]


@pytest.mark.parametrize("defect", PLANTED)
def test_each_planted_defect_turns_it_red(defect: str) -> None:
    problem, plant = PLANTED[defect]
    assert judge_unreached(plant(unreached()), "keda", "process").problems == (problem,)


def test_zero_of_a_way_that_no_activator_wakes_needs_a_process_that_ran() -> None:
    whole = replace(complete(), asleep_s={"keda": 6.0})
    ran = replace(whole, handled=(_event("keda")[1],))
    assert judge_asleep(ran, "keda", limit_s=60).passed
    (problem,) = judge_asleep(whole, "keda", limit_s=60).problems
    assert problem.startswith("no evidence")


def _object(**conditions: str) -> dict[str, Any]:
    found = [{"type": name, "status": status} for name, status in conditions.items()]
    return {"status": {"conditions": found}}


@pytest.mark.parametrize(
    ("scaled_object", "ready"),
    [
        ({}, False),
        (_object(Ready="True", Active="Unknown"), False),
        (_object(Ready="False", Active="False"), False),
        (_object(Ready="True", Active="False"), True),
        (_object(Ready="True", Active="True"), True),
    ],
    ids=["new", "not asked yet", "no answer", "idle", "active"],
)
def test_keda_is_ready_when_a_broker_has_answered(
    scaled_object: dict[str, Any], ready: bool
) -> None:
    assert is_ready(scaled_object) is ready
