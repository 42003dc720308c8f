"""The autonomy oracle on good runs: it passes them, with the figures that they have."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from edge_lab.devices.truth import TruthStep
from edge_lab.evidence.recording import Recording
from edge_lab.faults.kinds import Cut
from edge_lab.oracles.autonomy import judge_autonomy
from edge_lab.oracles.figures import Figures
from tests.oracles.recordings import NODE, POD, answered, containers, fault, pod, ready, waiting
from tests.oracles.verdicts import CUT, POWER, REBOOT_MAY, altered, judged, says


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


def test_the_verdict_names_what_it_rests_on() -> None:
    text = str(judge_autonomy(POWER, NODE, expect=REBOOT_MAY))
    assert text.startswith("edge-arm with kubernetes+kubelet passed: detected 41.0 s; downtime")
    for line in (
        "fault 1 (edge-arm without power): requested +0.0 s, seen +2.0 s, healed +40.0 s",
        "Ready=Unknown at +43.0 s, by fault 1",
        f"edge-lab/{POD} did not run +0.0 s to +50.0 s",
        f"edge-lab/{POD}: restart count up by 1, 1 containers replaced by second",
        "Ready=True at +55.0 s, to the end",
        "at most 6 samples were buffered, at +52.0 s",
    ):
        assert line in text


def test_without_detection_there_is_no_figure_and_the_evidence_says_so() -> None:
    verdict = judged(altered(CUT, node_seen=ready((1, "True"))))
    assert verdict.passed, verdict
    assert verdict.figures.detect_s is None
    assert verdict.figures.ready_after_s == 0.0
    assert f"{NODE} was Ready all the time" in verdict.evidence


def test_of_several_faults_the_one_active_is_what_was_detected() -> None:
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


def test_a_recording_is_read_as_it_was_written(tmp_path: Any) -> None:
    POWER.write(tmp_path / "recording.json")
    read = Recording.read(tmp_path / "recording.json")
    assert isinstance(read.samples[0].truth[0], TruthStep)
    assert judge_autonomy(read, NODE, expect=REBOOT_MAY) == judge_autonomy(
        POWER, NODE, expect=REBOOT_MAY
    )
