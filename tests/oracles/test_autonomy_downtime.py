"""When a node and its pods count as down: what was not seen to run is not taken for running."""

from __future__ import annotations

from edge_lab.faults.kinds import Pause, PowerOff, Reboot
from edge_lab.oracles.autonomy import judge_autonomy
from tests.oracles.recordings import NODE, POD, answered, containers, fault, pod
from tests.oracles.verdicts import CUT, POWER, REBOOT_MAY, altered, judged


def test_what_ran_all_the_time_ran_before_the_heal() -> None:
    assert judged(CUT, up_at_heal=True).passed


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
    verdict = judged(recording, pods=("edge-lab/other",), may_restart=1, downtime_s=10)
    assert verdict.passed, verdict
    assert verdict.figures.downtime_s == 10.0


def test_a_stopped_server_does_not_make_a_short_silence_of_a_node_downtime() -> None:
    silent = altered(
        CUT,
        faults=(fault(1, PowerOff(node="server"), 60, 61, 150, 152),),
        answered=answered((0, True, "b"), (90, False, ""), (100, True, "b")),
    )
    assert judged(silent, downtime_s=0).passed
