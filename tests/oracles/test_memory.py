"""The oracle of memory: each verdict, and the planted defect that turns it red."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.evidence.memory import MemoryEvidence, PodMemory
from edge_lab.oracles.memory import Cause, MemoryExpectation, MemoryVerdict, judge_memory
from edge_lab.oracles.memory.kernellog import parse_kernel_log
from edge_lab.oracles.memory.order import Rank, rank_of
from tests.oracles.memory_evidence import (
    CRITICAL,
    EATEN,
    EATER,
    FIRST,
    GUARANTEED,
    HOG,
    LAST,
    PODS,
    SAMPLER,
    at,
    at_limit,
    end,
    evicted,
    group_of,
    hog_killed,
    killed,
    line,
    look,
    moment,
    out_of_memory,
    pod,
    pressure,
    quiet,
)

EATS = MemoryExpectation(may_lose=frozenset({EATER}), must_lose=frozenset({EATER}))
HOGS = MemoryExpectation(may_lose=frozenset({HOG}), must_lose=frozenset({HOG}))
GOOD: dict[str, tuple[Callable[[], MemoryEvidence], MemoryExpectation, list[Cause]]] = {
    "nothing": (quiet, MemoryExpectation(), []),
    "own limit": (at_limit, EATS, [Cause.OWN_LIMIT]),
    "out of memory": (out_of_memory, EATS, [Cause.NODE]),
    "eviction": (evicted, EATS, [Cause.EVICTION]),
    "hog": (hog_killed, HOGS, [Cause.NODE]),
}


def problems(evidence: MemoryEvidence, expect: MemoryExpectation | None = None) -> list[str]:
    return list(judge_memory(evidence, expect).problems)


def value_of(verdict: MemoryVerdict, heading: str) -> float | None:
    return next(measure.value for measure in verdict.measures if measure.heading == heading)


@pytest.mark.parametrize("case", GOOD)
def test_a_good_run_passes_and_says_who_lost_by_what(case: str) -> None:
    evidence, expect, causes = GOOD[case]
    verdict = judge_memory(evidence(), expect)
    assert verdict.passed, str(verdict)
    assert [casualty.cause for casualty in verdict.casualties] == causes


def test_times_and_amounts_are_measured() -> None:
    verdict = judge_memory(evicted(), EATS)
    assert value_of(verdict, "MemoryPressure shown") == 20.0
    assert value_of(verdict, "taint shown") == 22.0
    assert value_of(verdict, "first loss") == 21.0
    assert value_of(verdict, "MemoryPressure over") == 100.0
    assert value_of(verdict, "lowest memory available") == 60.0
    assert value_of(verdict, "pods evicted for memory") == 1
    assert value_of(judge_memory(quiet()), "first loss") is None


def test_evidence_is_kept_as_a_file_and_judged_again() -> None:
    again = MemoryEvidence.model_validate_json(out_of_memory().model_dump_json())
    assert judge_memory(again, EATS) == judge_memory(out_of_memory(), EATS)


# -- no evidence ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lack",
    [
        {"kernel_log": ()},
        {"kernel_log": (line(0, FIRST),)},
        {"kernel_log": (line(0, "something"), line(120, LAST))},
        {"marks": ("", "")},
        {"pods_before": ()},
        {"pods_after": ()},
        {"events": None},
        {"pressure": ()},
        {"memory": ()},
        {"before": moment().model_copy(update={"units": {}})},
        {"before": moment().model_copy(update={"cgroup_kills": {}})},
    ],
    ids=lambda lack: next(iter(lack)),
)
@pytest.mark.parametrize("case", GOOD)
def test_no_evidence_is_no_verdict(case: str, lack: dict[str, object]) -> None:
    evidence, expect, _ = GOOD[case]
    with pytest.raises(LabError):
        judge_memory(evidence().altered(**lack), expect)


# -- planted defects -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", [SAMPLER, GUARANTEED, CRITICAL])
def test_an_unexpected_loss_by_the_kernel(name: str) -> None:
    """And while the one that grew lives on, out of order."""
    evidence = out_of_memory().altered(
        kernel_log=(line(0, FIRST), *killed(20, group_of(name)), line(120, LAST)),
        after=moment(1, **{"/kubepods": 1}),
        pods_after=tuple(
            pod.model_copy(update={"restarts": 1, "ends": (end(),)}) if pod.key == name else pod
            for pod in PODS
        ),
    )
    found = problems(evidence)
    assert any(text.startswith("lost unexpectedly") for text in found)
    assert any(text.startswith("wrong order") and EATER in text for text in found)
    may = MemoryExpectation(may_lose=frozenset({name}))
    assert {text.split(":")[0] for text in problems(evidence, may)} == {"wrong order"}


def test_a_wrong_victim_of_an_eviction() -> None:
    gone = pod(GUARANTEED, "Guaranteed", phase="Failed", reason="Evicted", ready=False)
    evidence = evicted().altered(
        pods_after=(PODS[0], PODS[1], gone, PODS[3]),
        events=tuple(
            event.model_copy(update={"name": GUARANTEED}) for event in evicted().events or ()
        ),
    )
    may = MemoryExpectation(may_lose=frozenset({GUARANTEED}))
    assert {text.split(":")[0] for text in problems(evidence, may)} == {"wrong order"}


def test_a_pod_that_came_later_should_have_gone_first_too() -> None:
    evidence = out_of_memory().altered(
        kernel_log=(line(0, FIRST), *killed(20, group_of(SAMPLER)), line(120, LAST)),
        after=moment(1, **{"/kubepods": 1}),
        pods_before=PODS[1:],
        pods_after=(
            PODS[0],
            PODS[1].model_copy(update={"restarts": 1, "ends": (end(),)}),
            *PODS[2:],
        ),
    )
    may = MemoryExpectation(may_lose=frozenset({SAMPLER}))
    assert [EATER in text for text in problems(evidence, may)] == [True]


def test_a_burstable_pod_goes_first_only_if_it_takes_more_than_it_asked_for() -> None:
    group = group_of(SAMPLER, "burstable")
    lost = tuple(
        pod.model_copy(update={"restarts": 1, "ends": (end(),)}) if pod.key == SAMPLER else pod
        for pod in PODS
    )
    evidence = out_of_memory().altered(
        kernel_log=(line(0, FIRST), *killed(20, group), line(120, LAST)),
        after=moment(1, **{"/kubepods": 1}),
        pods_after=lost,
        memory=(look(0, 1300.0), look(18, 60.0, sampler=EATEN), look(60, 1290.0)),
    )
    may = MemoryExpectation(may_lose=frozenset({SAMPLER}))
    assert problems(evidence, may) == []
    greedy = evidence.altered(
        memory=(look(0, 1300.0), look(18, 60.0, sampler=100, eater=EATEN), look(60, 1290.0)),
    )
    assert [text.split(":")[0] for text in problems(greedy, may)] == ["wrong order"]


@pytest.mark.parametrize("make", [at_limit, out_of_memory])
@pytest.mark.parametrize("ends", [(), (end("Error", 1),), (end("Completed", 0),)])
def test_a_kill_that_nobody_reported(make: Callable[[], MemoryEvidence], ends: object) -> None:
    good = make()
    silent = good.pods_after[0].model_copy(update={"ends": ends})
    evidence = good.altered(pods_after=(silent, *good.pods_after[1:]))
    assert [text.split(" by ")[0] for text in problems(evidence, EATS)] == ["not reported"]


def test_a_kill_that_is_not_in_the_log() -> None:
    evidence = at_limit().altered(kernel_log=(line(0, FIRST), line(120, LAST)))
    found = problems(evidence, EATS)
    assert any("counted 1 killed" in text for text in found)
    assert any(text.startswith("/kubepods counted 1") for text in found)
    assert any(text.startswith("none of") for text in found)


def test_a_kill_that_the_counters_do_not_know() -> None:
    assert any("counted 0" in text for text in problems(at_limit().altered(after=moment()), EATS))


def test_a_kill_at_a_limit_that_is_not_its_own() -> None:
    group = group_of(EATER)
    evidence = out_of_memory().altered(
        kernel_log=(line(0, FIRST), *killed(20, group, limit="/kubepods"), line(120, LAST))
    )
    assert [text.split(":")[0] for text in problems(evidence, EATS)] == [
        "killed at a limit that is not its own"
    ]


def test_a_cause_that_was_not_expected() -> None:
    limit_only = MemoryExpectation(may_lose=EATS.may_lose, causes=frozenset({Cause.OWN_LIMIT}))
    assert problems(at_limit(), limit_only) == []
    assert [text.split(":")[0] for text in problems(out_of_memory(), limit_only)] == ["wrong cause"]


@pytest.mark.parametrize("case", ["own limit", "out of memory", "eviction", "hog"])
def test_whoever_may_not_lose_is_lost_unexpectedly(case: str) -> None:
    assert any(text.startswith("lost unexpectedly") for text in problems(GOOD[case][0]()))


def test_nobody_lost_although_somebody_must() -> None:
    assert [text.split(" ")[0] for text in problems(quiet(), EATS)] == ["none"]


@pytest.mark.parametrize(
    "change", [{"restarts": 3}, {"uid": "other"}, {"ready": False}, {"reason": "Evicted"}]
)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_pod_that_was_to_be_spared_and_has_lost(place: int, change: dict[str, object]) -> None:
    pods: list[PodMemory] = list(PODS)
    pods[place] = pods[place].model_copy(update=change)
    assert any(pods[place].key in text for text in problems(quiet().altered(pods_after=pods)))


def test_a_pod_that_is_gone() -> None:
    assert problems(quiet().altered(pods_after=PODS[:-1]))


@pytest.mark.parametrize("state", ["301/1", "0/0", None])
def test_a_unit_of_the_stack_that_was_started_again_or_is_gone(state: str | None) -> None:
    units = {"containerd.service": "200/0"}
    if state is not None:
        units["kubelet.service"] = state
    after = moment().model_copy(update={"units": units})
    assert [text.split(" ")[0] for text in problems(quiet().altered(after=after))] == [
        "kubelet.service"
    ]


def test_a_node_that_has_booted() -> None:
    """Its log is another one, then."""
    after = moment().model_copy(update={"boot": "boot-2"})
    assert problems(quiet().altered(after=after, kernel_log=())) == ["the node rebooted meanwhile"]


def test_memory_that_does_not_come_back() -> None:
    after = moment().model_copy(update={"available_mib": 500.0})
    assert len(problems(quiet().altered(after=after))) == 1


def test_an_eviction_without_pressure() -> None:
    silent = evicted().altered(pressure=(pressure(0, "False", False),))
    assert len(problems(silent, EATS)) == 1
    must = MemoryExpectation(may_lose=EATS.may_lose, must_press=True)
    assert any("never showed" in text for text in problems(silent, must))
    assert problems(evicted(), must) == []


@pytest.mark.parametrize(
    "last",
    [pressure(110, "True", False), pressure(110, "False", True)],
    ids=["condition", "taint"],
)
def test_pressure_that_does_not_end(last: object) -> None:
    evidence = evicted().altered(pressure=(*evicted().pressure, last))
    assert len(problems(evidence, EATS)) == 1
    patient = MemoryExpectation(may_lose=EATS.may_lose, must_clear=False)
    assert problems(evidence, patient) == []


def test_a_node_that_is_not_ready_again() -> None:
    evidence = quiet().altered(pressure=(pressure(0, "False", False, ready="Unknown"),))
    assert len(problems(evidence)) == 1


def test_old_evictions_and_those_for_other_things_are_nobody_s_loss_now() -> None:
    event = (evicted().events or ())[0]
    old = event.model_copy(update={"time": at(-30)})
    disk = event.model_copy(update={"message": "The node was low on resource: ephemeral-storage."})
    before = pod(EATER, "BestEffort", reason="Evicted", phase="Failed", ready=False)
    evidence = quiet().altered(
        events=(old, disk), pods_before=(before, *PODS[1:]), pods_after=(before, *PODS[1:])
    )
    assert judge_memory(evidence).casualties == ()


def test_an_event_on_the_node_is_told_from_silence() -> None:
    assert any("an event on the node names" in line for line in judge_memory(hog_killed()).evidence)
    silent = hog_killed().altered(events=())
    assert any("no event on the node names" in line for line in judge_memory(silent).evidence)


def test_ranks() -> None:
    assert rank_of(PODS[0], None) is Rank.OVER_REQUEST
    assert rank_of(PODS[1], 20.0) is Rank.WITHIN_REQUEST
    assert rank_of(PODS[1], 40.0) is Rank.OVER_REQUEST
    assert rank_of(PODS[1], None) is Rank.WITHIN_REQUEST
    assert rank_of(PODS[2], 400.0) is Rank.GUARANTEED
    assert rank_of(PODS[3], 400.0) is Rank.CRITICAL


# -- the kernel's log ----------------------------------------------------------------------------


def test_a_group_that_is_killed_as_a_whole_is_known_for_each_of_its_processes() -> None:
    group = group_of(EATER)
    more = killed(20, group, pid=701, process="sh (a)")[-1]
    whole = line(20, f"Tasks in {group} are going to be killed due to memory.oom.group set")
    first, second = parse_kernel_log((*killed(20, group, limit=group), whole, more))
    assert (first.group, first.limit, first.by_limit) == (group, group, True)
    assert (second.group, second.process, second.pid) == (group, "sh (a)", 701)
    assert first.rss_mib == EATEN
    assert first.time == at(20)
    assert first.score_adj == 1000


REAL = """\
1700000020.760688 edge-arm kernel: Tasks state (memory values in pages):
1700000020.760698 edge-arm kernel: [  27499]     0 27499      834      436      256      180     \
    0    36864        0             0 busybox
1700000020.760703 edge-arm kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,\
mems_allowed=0,oom_memcg=/edge-lab-try,task_memcg=/edge-lab-try,task=busybox,pid=27500,uid=0
1700000020.760739 edge-arm kernel: Memory cgroup out of memory: Killed process 27500 (busybox) \
total-vm:21212kB, anon-rss:18944kB, file-rss:700kB, shmem-rss:0kB, UID:0 pgtables:80kB \
oom_score_adj:0
"""


def test_what_linux_6_18_has_written() -> None:
    (kill,) = parse_kernel_log(REAL.splitlines())
    assert (kill.pid, kill.process, kill.score_adj) == (27500, "busybox", 0)
    assert kill.group == kill.limit == "/edge-lab-try"
    assert round(kill.rss_mib, 1) == 19.2


def test_a_kill_whose_reason_was_left_out_is_of_no_group() -> None:
    (kill,) = parse_kernel_log(killed(20, group_of(EATER))[-1:])
    assert kill.group == ""
    bare = out_of_memory().altered(
        kernel_log=(line(0, FIRST), killed(20, group_of(EATER))[-1], line(120, LAST))
    )
    assert any("does not say" in text for text in problems(bare, EATS))


def test_reasons_of_one_kill_are_not_taken_for_the_next() -> None:
    both = (*killed(20, group_of(EATER)), killed(21, "", pid=999)[-1])
    assert [kill.group for kill in parse_kernel_log(both)] == [group_of(EATER), ""]


names = st.text(
    st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=15
)


@given(process=names, pid=st.integers(1, 2**22), seconds=st.integers(1, 10**6), own=st.booleans())
def test_any_kill_is_read_as_it_was_written(
    process: str, pid: int, seconds: int, own: bool
) -> None:
    group = group_of(EATER)
    lines = killed(seconds, group, pid=pid, process=process, limit=group if own else "")
    (kill,) = parse_kernel_log(lines)
    assert (kill.process, kill.pid, kill.group, kill.by_limit) == (process, pid, group, own)
    assert kill.time == at(seconds)


@given(st.lists(st.text()))
def test_any_log_is_read(lines: list[str]) -> None:
    parse_kernel_log(lines)


@given(
    cut=st.lists(st.integers(0, 200), max_size=4),
    which=st.sampled_from([at_limit, out_of_memory, hog_killed]),
)
def test_any_damaged_log_gives_a_verdict_and_none_passes_by_it(
    cut: list[int], which: Callable[[], MemoryEvidence]
) -> None:
    """Lines between the marks are cut short; what is judged stays judged."""
    good = which()
    lines = list(good.kernel_log)
    for number, length in enumerate(cut, 1):
        if number < len(lines) - 1:
            lines[number] = lines[number][:length]
    judge_memory(good.altered(kernel_log=tuple(lines)), EATS)
