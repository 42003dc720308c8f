"""The autonomy oracle on recorded runs, with a negative control for each thing it says."""

from __future__ import annotations

from dataclasses import astuple, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.devices.faults import Gone
from edge_lab.devices.truth import TruthStep
from edge_lab.evidence.recording import ContainerSeen, Recording
from edge_lab.faults.kinds import Cut, Fault, Kill, OnDevice, Pause, PowerOff, Reboot
from edge_lab.oracles.autonomy import AutonomyVerdict, Expectation, concern_of, judge_autonomy
from edge_lab.oracles.figures import Figures, spread
from edge_lab.topology import Topology
from tests.oracles.recordings import (
    NODE,
    POD,
    answered,
    api,
    at,
    containers,
    cut_and_healed,
    fault,
    pod,
    power_lost,
    ready,
    samples,
    waiting,
)

CUT, POWER = cut_and_healed(), power_lost()
REBOOT_MAY = Expectation(may_restart=1, downtime_s=60)


def judged(recording: Recording, **expect: Any) -> AutonomyVerdict:
    return judge_autonomy(recording, NODE, expect=Expectation(**expect))


def altered(recording: Recording, **change: Any) -> Recording:
    return recording.model_copy(update=change)


def says(verdict: AutonomyVerdict, sentence: str) -> None:
    """It failed, with this sentence and no other."""
    assert not verdict.passed
    assert [problem for problem in verdict.problems if sentence in problem], verdict
    assert len(verdict.problems) == 1, verdict


# -- good runs -------------------------------------------------------------------------------


def test_what_ran_all_the_time_ran_before_the_heal() -> None:
    assert judged(CUT, up_at_heal=True).passed


def test_a_busy_moment_at_the_end_is_no_backlog() -> None:
    busy = [(2, 1), (160, 2), (231, 0), (239, 90)]
    assert judged(altered(CUT, waiting_seen=waiting(busy))).passed
    says(judged(altered(CUT, waiting_seen=waiting([*busy[:2], (228, 0), (239, 90)]))), "backlog")


def test_a_cut_that_was_survived_passes_with_its_figures() -> None:
    verdict = judged(CUT, must_detect=True, ready_s=10, backlog_s=18)
    assert verdict.passed, verdict
    assert verdict.figures == Figures(
        detect_s=40.0,
        downtime_s=0.0,
        longest_s=0.0,
        restarts=0,
        replaced=0,
        recreated=0,
        duplicates=0,
        lost=0,
        repeated=0,
        wrong=0,
        late=70,
        ready_after_s=10.0,
        backlog_after_s=18.0,
    )


def test_a_node_that_was_without_power_is_down_until_its_containers_are_seen_again() -> None:
    verdict = judge_autonomy(POWER, NODE, expect=REBOOT_MAY)
    assert verdict.passed, verdict
    figures = verdict.figures
    assert (figures.downtime_s, figures.longest_s) == (50.0, 50.0)
    assert (figures.restarts, figures.replaced, figures.recreated) == (1, 1, 0)
    assert (figures.ready_after_s, figures.backlog_after_s) == (15.0, 18.0)


def test_without_a_record_of_its_silence_a_node_without_power_is_down_all_the_same() -> None:
    verdict = judge_autonomy(
        altered(POWER, answered=answered((0, True, "boot-1"))), NODE, expect=REBOOT_MAY
    )
    assert verdict.figures.downtime_s == 50.0


def test_a_silence_that_is_dated_back_to_before_the_fault_hides_no_baseline() -> None:
    paused = altered(
        CUT,
        faults=(fault(1, Pause(node=NODE), 60, 61, 100, 101),),
        answered=answered((0, True, "b"), (59.4, False, "b"), (102, True, "b")),
    )
    verdict = judged(paused, downtime_s=None)
    assert verdict.passed, str(verdict)
    long_before = altered(
        paused, answered=answered((0, True, "b"), (20, False, "b"), (102, True, "b"))
    )
    assert "nothing ran" in str(judged(long_before, downtime_s=None))


def test_a_paused_node_is_down_while_it_stands_still() -> None:
    paused = altered(
        CUT,
        faults=(fault(1, Pause(node=NODE), 60, 61, 100, 101),),
        answered=answered((0, True, "boot-1"), (66, False, ""), (102, True, "boot-1")),
    )
    verdict = judged(paused, downtime_s=None)
    assert verdict.passed, verdict
    assert (verdict.figures.downtime_s, verdict.figures.replaced) == (42.0, 0)
    unnoticed = judged(altered(paused, answered=answered((0, True, "b"))), downtime_s=None)
    assert unnoticed.figures.downtime_s == 41.0


def test_a_short_silence_is_no_downtime_if_the_same_containers_run_after_it() -> None:
    silent = answered((0, True, "boot-1"), (90, False, "boot-1"), (110, True, "boot-1"))
    verdict = judged(altered(CUT, answered=silent), downtime_s=0)
    assert verdict.passed, verdict
    assert f"{NODE} was silent +30.0 s to +50.0 s, edge-lab/{POD} ran on" in verdict.evidence
    replaced = (containers(1, "first"), containers(110, "second"))
    restarted = judged(altered(CUT, answered=silent, container_seen=replaced), may_restart=1)
    assert restarted.figures.downtime_s == 20.0
    unknown_boot = answered((0, True, "boot-1"), (90, False, ""), (110, True, ""))
    assert judged(altered(CUT, answered=unknown_boot)).figures.downtime_s == 150.0


def test_after_a_silence_in_one_boot_all_pods_are_in_sight_though_only_one_was_seen_anew() -> None:
    seen = (
        *(containers(1, "first"), containers(1, "x", pod="other")),
        *(containers(95, "second"), containers(1, uid="uid-2", pod="third")),
    )
    silent = answered((0, True, "b"), (90, False, "b"), (96, True, "b"))
    recording = altered(CUT, container_seen=seen, answered=silent)
    assert judged(recording, pods=("edge-lab/other",)).figures.downtime_s == 6.0


def test_what_a_node_said_last_is_not_taken_for_an_answer_after_it_fell_silent() -> None:
    silent = altered(
        POWER,
        faults=(fault(1, Reboot(node=NODE, orderly=True), 60, 64, None, 100),),
        container_seen=(containers(1, "first"), containers(64, "x"), containers(110, "second")),
    )
    assert judged(silent).figures.downtime_s == 46.0


def test_an_orderly_reboot_is_down_from_when_its_containers_were_seen_to_stop() -> None:
    rebooted = altered(
        POWER,
        faults=(fault(1, Reboot(node=NODE, orderly=True), 60, 64, None, 100),),
        container_seen=(containers(1, "first"), containers(63, "second"), containers(110, "x")),
        answered=answered((0, True, "boot-1"), (65, False, ""), (98, True, "boot-2")),
    )
    assert judged(rebooted).figures.downtime_s == 45.0


def test_a_boot_between_two_looks_puts_all_containers_out_of_sight() -> None:
    unseen = altered(
        POWER,
        faults=(fault(1, Reboot(node=NODE, orderly=True), 60, 64, None, 100),),
        answered=answered((0, True, "boot-1"), (98, True, "boot-2")),
    )
    assert judged(unseen).figures.downtime_s == 12.0


def test_the_verdict_names_what_it_rests_on() -> None:
    text = str(judge_autonomy(POWER, NODE, expect=REBOOT_MAY))
    assert text.startswith("edge-arm with kubernetes+kubelet passed: detected 41.0 s; downtime")
    for line in (
        "fault 1 (edge-arm without power): asked for +0.0 s, seen +2.0 s, healed +40.0 s",
        "Ready=Unknown at +43.0 s, by fault 1",
        f"edge-lab/{POD} did not run +0.0 s to +50.0 s",
        f"edge-lab/{POD}: restart count up by 1, 1 containers replaced by second",
        "Ready=True at +55.0 s, to the end",
        "at most 6 samples waited, at +52.0 s",
    ):
        assert line in text


def test_without_detection_there_is_no_figure_and_the_evidence_says_so() -> None:
    verdict = judged(altered(CUT, node_seen=ready((1, "True"))))
    assert verdict.passed, verdict
    assert verdict.figures.detect_s is None
    assert verdict.figures.ready_after_s == 0.0
    assert f"{NODE} was shown as Ready all the time" in verdict.evidence


def test_of_several_faults_the_one_in_force_is_what_was_detected() -> None:
    faults = (
        fault(1, Cut(link="arm-cloud"), 20, 21, 25, 26),
        fault(2, Cut(link="arm-cloud"), 60, 61, 150, 152),
    )
    assert judged(altered(CUT, faults=faults)).figures.detect_s == 40.0


def test_what_is_detected_after_the_heal_counts_from_the_fault_and_the_return_is_later() -> None:
    late = altered(CUT, node_seen=ready((1, "True"), (155, "Unknown"), (170, "True")))
    figures = judged(late).figures
    assert (figures.detect_s, figures.ready_after_s) == (94.0, 18.0)


def test_of_several_heals_the_last_counts() -> None:
    faults = (
        fault(1, Cut(link="arm-cloud"), 60, 61, 150, 155),
        fault(2, Cut(link="server-cloud"), 80, 81, 120, 130),
    )
    figures = judged(altered(CUT, faults=faults)).figures
    assert (figures.ready_after_s, figures.backlog_after_s) == (7.0, 15.0)


def test_what_is_detected_between_faults_is_the_last_ones_doing() -> None:
    faults = (
        fault(1, Cut(link="arm-cloud"), 60, 61, 70, 71),
        fault(2, Cut(link="arm-cloud"), 80, 81, 90, 91),
    )
    assert judged(altered(CUT, faults=faults)).figures.detect_s == 20.0
    later = (faults[0], fault(2, Cut(link="arm-cloud"), 110, 111, 150, 152))
    assert judged(altered(CUT, faults=later)).figures.detect_s == 40.0
    unproved = fault(1, Cut(link="arm-cloud"), 60, None, 150, 152)
    assert judged(altered(CUT, faults=(unproved, faults[1]))).figures.detect_s == 20.0


def test_what_happened_before_the_first_fault_is_no_doing_of_it() -> None:
    """A node that had been away, a pod that had been restarted, its first container."""
    earlier = altered(
        CUT,
        node_seen=ready((1, "True"), (10, "Unknown"), (20, "True")),
        pod_seen=(pod(1), pod(30, restarts=2)),
        container_seen=(containers(1, "zeroth"), containers(25), containers(30, "first")),
    )
    verdict = judged(earlier, downtime_s=0)
    assert verdict.passed, verdict
    figures = verdict.figures
    assert (figures.detect_s, figures.restarts, figures.replaced) == (None, 0, 0)
    assert f"edge-lab/{POD} ran all the time" in verdict.evidence
    again = altered(earlier, pod_seen=(pod(1), pod(30, restarts=2), pod(90, restarts=3)))
    assert judged(again).figures.restarts == 1


def test_of_two_pods_before_the_fuller_one_is_what_must_run_on() -> None:
    two = (
        containers(1, "a", "b"),
        containers(1, "c", uid="uid-2"),
        containers(90, "a"),
    )
    assert judged(altered(CUT, container_seen=two)).figures.downtime_s == 150.0


def test_downtime_is_the_sum_of_its_stretches_of_all_pods_together() -> None:
    seen = (
        *(containers(1, "first"), containers(1, "x", pod="other")),
        *(containers(80), containers(85, pod="other"), containers(90, "second")),
        *(containers(95, "y", pod="other"), containers(120), containers(150, "third")),
    )
    other = pod(1, "uid-o").model_copy(update={"name": "other"})
    recording = altered(CUT, container_seen=seen, pod_seen=(pod(1), other))
    figures = judged(recording).figures
    assert (figures.downtime_s, figures.longest_s, figures.replaced) == (45.0, 30.0, 3)
    one = judged(recording, pods=("edge-lab/other",), may_restart=1, downtime_s=10)
    assert one.passed, one
    assert one.figures.downtime_s == 10.0


def test_two_devices_may_have_twice_as_many_samples_waiting() -> None:
    other = replace(
        CUT.samples[0],
        device="boiler",
        collected=[
            each.model_copy(update={"device": "boiler"}) for each in CUT.samples[0].collected
        ],
    )
    four = altered(
        CUT,
        waiting_seen=waiting([(2, 1), (160, 60), (170, 4), (230, 4)]),
        samples=(CUT.samples[0], other),
    )
    assert judged(four).figures.backlog_after_s == 18.0
    assert judged(altered(four, samples=CUT.samples)).figures.backlog_after_s is None


def test_a_boot_that_becomes_known_only_later_is_no_reboot() -> None:
    late = altered(CUT, answered=answered((0, True, ""), (90, True, "boot-1")))
    assert judged(late, downtime_s=0).passed


def test_a_stopped_server_does_not_make_a_short_silence_of_a_node_downtime() -> None:
    silent = altered(
        CUT,
        faults=(fault(1, PowerOff(node="server"), 60, 61, 150, 152),),
        answered=answered((0, True, "b"), (90, False, ""), (100, True, "b")),
    )
    assert judged(silent, downtime_s=0).passed


# -- one alteration turns it red -------------------------------------------------------------


def _with_samples(**change: Any) -> Recording:
    return altered(CUT, samples=(replace(CUT.samples[0], **change),))


LESS = [each for each in CUT.samples[0].collected if each.number != 77]
WRONG = [
    each.model_copy(update={"values": {"force": 1.0, "parts": 9}}) if each.number == 9 else each
    for each in CUT.samples[0].collected
]
NEW_UID = pod(170, "uid-2")
OVERLAP = (containers(1, "first"), containers(165, "other", uid="uid-2"))


@pytest.mark.parametrize(
    ("recording", "expect", "sentence"),
    [
        (_with_samples(collected=LESS), {}, "press: 1 lost: 77"),
        (
            _with_samples(collected=[*CUT.samples[0].collected, LESS[3]]),
            {},
            "press: 1 repeated: 4",
        ),
        (_with_samples(collected=WRONG), {}, "press: sample 9 (step 9) is wrong"),
        (
            altered(CUT, pod_seen=(pod(1), NEW_UID)),
            {},
            "was recreated at +110.0 s by the API server's view: uid-2",
        ),
        (
            altered(
                CUT,
                container_seen=(
                    containers(1, "first"),
                    containers(165),
                    containers(166, "other", uid="uid-2"),
                ),
            ),
            {},
            "was recreated at +106.0 s by the node's own view: uid-2",
        ),
        (
            altered(CUT, pod_seen=(pod(1), pod(170, deleting=True))),
            {},
            "was marked for deletion: uid-1",
        ),
        (
            altered(CUT, container_seen=OVERLAP),
            {"may_recreate": True},
            "two pods edge-lab/sampler-edge-arm ran at once +105.0 s to +180.0 s: uid-1, uid-2",
        ),
        (
            altered(CUT, pod_seen=(pod(1), pod(170, gone=True))),
            {"may_recreate": True},
            "is gone, and no other has taken its place",
        ),
        (
            altered(CUT, container_seen=(containers(1, "first"), containers(165))),
            {"downtime_s": None},
            "did not run at the end",
        ),
        (
            altered(CUT, node_seen=ready((1, "True"), (101, "Unknown"))),
            {},
            "edge-arm never came back: Ready=Unknown at the end",
        ),
        (
            altered(CUT, node_seen=ready((1, "True"), (101, "Unknown"), (162, "True"), (235, "F"))),
            {},
            "edge-arm never came back: Ready=F at the end",
        ),
        (
            altered(CUT, waiting_seen=waiting([(2, 1), (100, 50), (239, 90)])),
            {},
            "the backlog never arrived: 90 samples wait on edge-arm at the end, 2 are usual",
        ),
        (
            altered(CUT, waiting_seen=waiting([(2, 1), (160, 2), (239, 90)])),
            {},
            "the backlog never arrived: 90",
        ),
        (
            altered(CUT, pod_seen=(pod(1, restarts=3), pod(170, restarts=5))),
            {"may_restart": 1},
            "was restarted: restart count up by 2, 0 containers replaced; 1 may be",
        ),
        (
            altered(CUT, container_seen=(containers(1, "first"), containers(90, "second"))),
            {},
            "was restarted: restart count up by 0, 1 containers replaced; 0 may be",
        ),
        (POWER, {"may_restart": 1, "downtime_s": 49.9}, "50.0 s of downtime; 49.9 s may be"),
        (
            POWER,
            {"may_restart": 1, "downtime_s": None, "up_at_heal": True},
            "sampler-edge-arm did not run before the last heal",
        ),
        (
            altered(CUT, answered=answered((0, True, "b"), (90, False, ""), (121, True, "b"))),
            {},
            "31.0 s of downtime; 5 s may be",
        ),
        (
            altered(CUT, node_seen=ready((1, "True"))),
            {"must_detect": True},
            "the API server never showed that edge-arm was gone",
        ),
        (CUT, {"ready_s": 9}, "the return of edge-arm took 10.0 s; 9 s may be"),
        (CUT, {"backlog_s": 17.5}, "the backlog took 18.0 s; 17.5 s may be"),
        (
            altered(CUT, node_seen=ready((1, "False"), (162, "True"))),
            {},
            "edge-arm was Ready=False before the first fault",
        ),
        (
            altered(CUT, faults=(fault(1, Cut(link="arm-cloud"), 60, 61),)),
            {},
            "fault 1 (cut on arm-cloud) was never healed",
        ),
    ],
)
def test_one_flaw_alone_fails(recording: Recording, expect: dict[str, Any], sentence: str) -> None:
    says(judged(recording, **expect), sentence)


def test_duplicates_are_counted_by_name() -> None:
    assert judged(altered(CUT, container_seen=OVERLAP)).figures.duplicates == 1


def test_what_may_be_is_no_problem_and_is_counted_all_the_same() -> None:
    """The controls above with what they complain of allowed."""
    recreated = altered(
        CUT,
        pod_seen=(pod(1), pod(165, gone=True), NEW_UID),
        container_seen=(
            containers(1, "first"),
            containers(164),
            containers(166, "other", uid="uid-2"),
        ),
    )
    verdict = judged(recreated, may_recreate=True)
    assert verdict.passed, verdict
    assert (verdict.figures.recreated, verdict.figures.replaced) == (1, 0)
    never = altered(CUT, faults=(fault(1, Cut(link="arm-cloud"), 60, 61),))
    left_cut = altered(never, node_seen=ready((1, "True"), (101, "Unknown")))
    verdict = judged(left_cut, must_return=False)
    assert verdict.passed, verdict
    assert verdict.figures.ready_after_s is verdict.figures.backlog_after_s is None


# -- no evidence is no pass ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "expect", "sentence"),
    [
        ({"faults": ()}, {}, "no fault that concerns edge-arm was injected"),
        (
            {"faults": (fault(1, Cut(link="arm-cloud"), 60, None, 150, 152),)},
            {},
            "fault 1 (cut on arm-cloud) was never proved",
        ),
        ({"nodes": ("other",)}, {}, "edge-arm was not looked at"),
        ({"node_seen": ()}, {}, "the API server did not show edge-arm before"),
        ({"pod_seen": ()}, {}, f"the API server did not show edge-lab/{POD} before"),
        ({"pod_seen": (pod(61),)}, {}, f"the API server did not show edge-lab/{POD} before"),
        ({"container_seen": ()}, {}, "no containers were seen on edge-arm"),
        ({"container_seen": (containers(61, "x"),)}, {}, "nothing ran on edge-arm before"),
        ({"container_seen": (containers(1),)}, {}, "nothing ran on edge-arm before"),
        ({}, {"pods": ("edge-lab/other",)}, "edge-lab/other did not run on edge-arm before"),
        ({"answered": ()}, {}, "whether edge-arm answered before"),
        (
            {"answered": answered((0, True, "b"), node="other")},
            {},
            "whether edge-arm answered before",
        ),
        ({"waiting_seen": ()}, {}, "how many samples wait on edge-arm"),
        ({"waiting_seen": waiting([(2, 1)])}, {}, "samples wait on edge-arm after the last heal"),
        ({"api_seen": ()}, {}, "whether the API server answered before the first fault"),
        ({"api_seen": api((61, True))}, {}, "whether the API server answered before"),
        (
            {"api_seen": api((0, True), (100, False), (110, True))},
            {},
            "the API server was out of sight +40.0 s to +50.0 s, without a fault on it",
        ),
        ({"samples": ()}, {}, "no samples of edge-arm were recorded"),
        ({}, {"devices": ("boiler", "press")}, "no samples of boiler on edge-arm"),
        ({"samples": (replace(CUT.samples[0], counts=None),)}, {}, "could not be asked"),
        ({"ended": at(165)}, {}, "edge-arm was seen Ready for only 3.0 s at the end"),
    ],
)
def test_without_evidence_nothing_passes(
    change: dict[str, Any], expect: dict[str, Any], sentence: str
) -> None:
    verdict = judged(altered(CUT, **change), **expect)
    assert not verdict.passed
    problems = [each for each in verdict.problems if sentence in each]
    assert problems, verdict
    assert "no evidence" in problems[0]


def test_an_empty_recording_fails_with_every_reason_but_invents_no_figure() -> None:
    empty = Recording(
        began=at(0), ended=at(100), runtime="k3s+kubeedge", nodes=(), faults=CUT.faults
    )
    verdict = judged(empty)
    assert set(astuple(verdict.figures)) == {None}
    assert len(verdict.problems) >= 6


def test_a_view_of_the_api_server_that_ends_early_shows_no_return() -> None:
    blind = altered(CUT, api_seen=api((0, True), (155, False)))
    verdict = judged(blind)
    assert verdict.figures.ready_after_s is None
    assert f"{NODE} never came back: out of sight at the end" in verdict.problems


def test_a_fault_on_the_server_explains_that_the_api_server_is_out_of_sight() -> None:
    served = altered(
        CUT,
        faults=(fault(1, Kill(node="server", service="k3s"), 60, 61, 62, 80),),
        api_seen=api((0, True), (60, False), (79, True)),
        node_seen=ready((1, "True")),
    )
    verdict = judged(served)
    assert verdict.passed, verdict
    assert "API server out of sight +0.0 s to +19.0 s, by fault 1" in verdict.evidence
    left = fault(1, Kill(node="server", service="k3s"), 60, 61)
    dead = altered(served, faults=(left,), api_seen=api((0, True), (60, False)))
    assert judged(dead, must_return=False).passed


def test_after_a_fault_on_the_server_a_node_is_back_only_when_it_was_seen_again() -> None:
    served = altered(
        CUT,
        faults=(fault(1, Kill(node="server", service="k3s"), 60, 61, 62, 80),),
        api_seen=api((0, True), (60, False), (95, True)),
        node_seen=ready((1, "True")),
    )
    assert judged(served).figures.ready_after_s == 15.0


# -- which faults concern a node -------------------------------------------------------------


def test_faults_elsewhere_do_not_concern_a_node(default_topology: Topology) -> None:
    node = default_topology.edges[0].name
    own = default_topology.cluster_link(node).name
    others = default_topology.cluster_link(default_topology.edges[1].name).name
    concern = concern_of(default_topology, node)
    assert {node, own, default_topology.server.name} <= concern
    assert others not in concern
    elsewhere = altered(CUT, faults=(fault(1, Cut(link=others), 60, 61, 150, 152),))
    says(judged(elsewhere, concern=concern), "no fault that concerns")


def test_a_fault_on_a_device_concerns_a_node_only_if_it_is_said_so() -> None:
    device = OnDevice(device="press", does=Gone())
    recording = altered(CUT, faults=(fault(1, device, 60, 61, 150, 152),))
    says(judged(recording), "no fault that concerns")
    assert judged(recording, concern=frozenset({"press"})).passed


# -- whatever was recorded -------------------------------------------------------------------

seconds = st.integers(0, 240)
node_views = st.lists(st.tuples(seconds, st.sampled_from(["True", "False", "Unknown", "Absent"])))
pods = st.lists(
    st.builds(
        pod,
        seconds,
        st.sampled_from(["uid-1", "uid-2"]),
        st.integers(0, 3),
        gone=st.booleans(),
        deleting=st.booleans(),
    ),
    max_size=6,
)
runs = st.lists(
    st.builds(
        lambda time, ids, uid, name: containers(time, *sorted(ids), uid=uid, pod=name),
        seconds,
        st.sets(st.sampled_from(["a", "b", "c"]), max_size=2),
        st.sampled_from(["uid-1", "uid-2"]),
        st.sampled_from([POD, "other"]),
    ),
    max_size=8,
)
answers = st.lists(
    st.tuples(seconds, st.booleans(), st.sampled_from(["", "boot-1", "boot-2"])), max_size=6
)
backlogs = st.lists(st.tuples(seconds, st.integers(0, 9)), max_size=6)
apis = st.lists(st.tuples(seconds, st.booleans()), max_size=4)
KINDS: list[Fault] = [
    Cut(link="arm-cloud"),
    PowerOff(node=NODE),
    Pause(node=NODE),
    Reboot(node=NODE),
    Reboot(node=NODE, orderly=True),
    Kill(node="server", service="k3s"),
]
kinds = st.sampled_from(KINDS)
times = st.tuples(seconds, seconds, seconds, seconds).map(sorted)


@st.composite
def faults(draw: st.DrawFn) -> Any:
    found = []
    for number in range(draw(st.integers(0, 3))):
        began, *rest = draw(times)
        known = draw(st.integers(0, 3))
        later = [*rest[:known], *[None] * (3 - known)]
        found.append(fault(number + 1, draw(kinds), began, *later))
    return tuple(found)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    def ordered(found: Any) -> Any:
        return tuple(sorted(found, key=lambda each: each.time))

    return Recording(
        began=at(0),
        ended=at(draw(seconds)),
        runtime="k3s+kubeedge",
        nodes=(NODE,),
        faults=draw(faults()),
        node_seen=ordered(ready(*draw(node_views))),
        pod_seen=ordered(draw(pods)),
        container_seen=ordered(draw(runs)),
        answered=ordered(answered(*draw(answers))),
        waiting_seen=ordered(waiting(draw(backlogs))),
        api_seen=ordered(api(*draw(apis))),
        samples=draw(st.sampled_from([(), (samples(20),)])),
    )


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


@settings(deadline=None)
@given(recordings())
def test_no_figure_is_negative_and_nothing_exceeds_the_recording(recording: Recording) -> None:
    figures = judged(recording).figures
    assert all(value is None or value >= 0 for value in astuple(figures))
    if figures.downtime_s is not None and figures.longest_s is not None:
        assert figures.longest_s <= figures.downtime_s <= 240


@settings(deadline=None)
@given(recordings(), st.integers(-(10**15), 10**15))
def test_the_hour_of_day_changes_nothing(recording: Recording, by: int) -> None:
    here, there = judged(recording), judged(moved(recording, by))
    assert (here.figures, here.problems, here.evidence) == (
        there.figures,
        there.problems,
        there.evidence,
    )


@settings(deadline=None)
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


@settings(deadline=None)
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


def test_a_recording_is_read_as_it_was_written(tmp_path: Any) -> None:
    POWER.write(tmp_path / "recording.json")
    read = Recording.read(tmp_path / "recording.json")
    assert isinstance(read.samples[0].truth[0], TruthStep)
    assert judge_autonomy(read, NODE, expect=REBOOT_MAY) == judge_autonomy(
        POWER, NODE, expect=REBOOT_MAY
    )


# -- figures as text -------------------------------------------------------------------------


def test_figures_read_as_a_row() -> None:
    row = judge_autonomy(POWER, NODE, expect=REBOOT_MAY).figures.row()
    assert row == {
        "detected": "41.0 s",
        "downtime": "50.0 s",
        "restarts": "1 restarted",
        "samples": "0 lost",
        "ready again": "15.0 s",
        "backlog in": "18.0 s",
    }
    assert set(Figures().row().values()) == {"–"}


def test_several_runs_are_shown_from_least_to_most() -> None:
    runs = [
        Figures(detect_s=41.2, downtime_s=10.0, longest_s=8.0, replaced=1, lost=0, late=3),
        Figures(detect_s=120.0, downtime_s=12.0, longest_s=8.0, replaced=0, restarts=2, lost=0),
        Figures(downtime_s=12.0, longest_s=9.0, replaced=0, recreated=1, lost=2),
    ]
    shown = spread(runs)
    assert shown["detected"] == "41.2–120 s (– in 1 of 3)"
    assert shown["downtime"] == "10.0–12.0 s, longest 8.0–9.0 s"
    assert shown["restarts"] == "0–2 restarted, 1 (– in 2 of 3) recreated"
    assert shown["samples"] == "0–2 lost, 3 (– in 2 of 3) late"
