"""What holds of the autonomy oracle whatever was recorded."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge_lab.evidence.recording import ContainerSeen, Recording
from edge_lab.faults.kinds import Cut, PowerOff
from tests.oracles.recordings import NODE, fault, samples
from tests.oracles.strategies import recordings
from tests.oracles.verdicts import altered, judged


def moved(recording: Recording, by: int) -> Recording:
    """The same, so many ns later."""

    def shifted(events: Any) -> Any:
        return tuple(each.model_copy(update={"time": each.time + by}) for each in events)

    moments = ("began", "seen", "heal_began", "healed")
    lists = ("node_seen", "pod_seen", "container_seen", "answered", "waiting_seen", "api_seen")
    return altered(
        recording,
        began=recording.began + by,
        ended=recording.ended + by,
        faults=tuple(
            each.model_copy(
                update={
                    name: None if getattr(each, name) is None else getattr(each, name) + by
                    for name in moments
                }
            )
            for each in recording.faults
        ),
        samples=tuple(
            replace(
                each,
                truth=[replace(step, time=step.time + by) for step in each.truth],
                collected=[
                    sample.model_copy(update={"received": sample.received + by})
                    for sample in each.collected
                ],
            )
            for each in recording.samples
        ),
        **{name: shifted(getattr(recording, name)) for name in lists},
    )


@given(recordings())
def test_no_figure_is_negative_and_nothing_exceeds_the_recording(recording: Recording) -> None:
    figures = judged(recording).figures
    assert all(value is None or value >= 0 for value in astuple(figures))
    if figures.downtime_s is not None and figures.longest_s is not None:
        assert figures.longest_s <= figures.downtime_s <= 240


@given(recordings(), st.integers(-(10**15), 10**15))
def test_the_hour_of_day_changes_nothing(recording: Recording, by: int) -> None:
    here, there = judged(recording), judged(moved(recording, by))
    assert (here.figures, here.problems, here.evidence) == (
        there.figures,
        there.problems,
        there.evidence,
    )


@given(recordings(), st.randoms(use_true_random=False))
def test_the_order_of_events_at_one_moment_changes_nothing(recording: Recording, dice: Any) -> None:
    """Of different subjects: of one subject, the last word counts."""

    def subject(each: Any) -> Any:
        return (getattr(each, "pod", getattr(each, "name", "")), getattr(each, "uid", ""))

    def mixed(events: Any) -> Any:
        groups: dict[Any, list[Any]] = {}
        for each in events:
            groups.setdefault((each.time, subject(each)), []).append(each)
        order = sorted(groups, key=lambda key: (key[0], dice.random()))
        return tuple(each for key in order for each in groups[key])

    other = altered(
        recording,
        container_seen=mixed(recording.container_seen),
        pod_seen=mixed(recording.pod_seen),
    )
    assert judged(other) == judged(recording)


@given(recordings(), recordings())
def test_other_nodes_change_nothing(recording: Recording, other: Recording) -> None:
    def elsewhere(events: Any) -> Any:
        return tuple(
            each.model_copy(
                update={"node": "far"}
                | ({"pod": "else"} if isinstance(each, ContainerSeen) else {})
                | ({"name": "else"} if hasattr(each, "uid") and hasattr(each, "name") else {})
            )
            for each in events
        )

    far = fault(9, Cut(link="far-cloud"), 0, 1), fault(8, PowerOff(node="far"), 0, 1, 2, 3)
    lists = ("node_seen", "pod_seen", "container_seen", "answered", "waiting_seen")
    both = altered(
        recording,
        nodes=(*recording.nodes, "far"),
        faults=(*recording.faults, *far),
        samples=(*recording.samples, samples(9, node="far")),
        **{
            name: tuple(
                sorted(
                    (*getattr(recording, name), *elsewhere(getattr(other, name))),
                    key=lambda each: each.time,
                )
            )
            for name in lists
        },
    )
    concern = frozenset({"arm-cloud", NODE, "server"})
    assert judged(both, concern=concern) == judged(recording, concern=concern)
