"""What has stopped a bomb, and that it was what is declared: anything else is told apart."""

from __future__ import annotations

from typing import Any

import pytest

from edge_lab.addons.hostile.settings import Setting
from edge_lab.oracles.memory.kernellog import KernelKill, parse_kernel_log
from edge_lab.oracles.sandbox.bombs import (
    BOMBS,
    BY_SIGNAL,
    EVICTED,
    KILLED,
    OWN_LIMIT,
    KillEvidence,
    bomb_problems,
    end_of,
    is_final,
    memory_problems,
)
from edge_lab.oracles.sandbox.records import BombProgress

UID = "0f3b5a52-8f6d-4b57-9f0a-1a2b3c4d5e6f"
OTHER = "aaaaaaaa-8f6d-4b57-9f0a-1a2b3c4d5e6f"


def log_of(uid: str, limit_uid: str) -> tuple[KernelKill, ...]:
    """As the kernel writes of a sandbox's process in the control group of a pod."""
    group = f"/kubepods/burstable/pod{uid}"
    limit = f"/kubepods/burstable/pod{limit_uid}"
    return parse_kernel_log(
        [
            "1767000000.100000 node kernel: oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),"
            f"cpuset=x,mems_allowed=0,oom_memcg={limit},task_memcg={group}/abc,task=exe,pid=77,"
            "uid=0",
            "1767000000.100001 node kernel: Memory cgroup out of memory: Killed process 77 (exe) "
            "total-vm:9000kB, anon-rss:8000kB, file-rss:10kB, shmem-rss:0kB, UID:0 "
            "pgtables:10kB oom_score_adj:997",
        ]
    )


KILL = log_of(UID, UID)


def problems(
    code: int | None = KILLED,
    reached: int = 176,
    done: bool = False,
    kills: tuple[KernelKill, ...] = KILL,
    counted: int = 1,
    **more: Any,
) -> int:
    ended = {"terminated": {"exitCode": code}} if code is not None else {}
    pod = {"metadata": {"uid": UID}, "status": {"containerStatuses": [{"state": ended}], **more}}
    progress = BombProgress(bomb="memory", limit=512, reached=reached, done=done)
    return len(memory_problems(pod, progress, 192, 64, KillEvidence(kills, counted)))


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
        {"kills": ()},
        {"kills": log_of(OTHER, OTHER)},
        {"kills": log_of(UID, OTHER)},
        {"counted": 0},
    ],
    ids=str,
)
def test_any_other_end_is_a_problem(flaw: dict[str, Any]) -> None:
    assert problems(**flaw) == 1


# -- all other bombs ---------------------------------------------------------------------------


def ended(code: int | None = None, *, done: bool = False, errno: str = "", reason: str = "") -> str:
    state = {"terminated": {"exitCode": code}} if code is not None else {"running": {}}
    pod = {"status": {"reason": reason, "containerStatuses": [{"state": state}]}}
    said = BombProgress(bomb="fork", limit=9, reached=5, done=done, errno=errno)
    return end_of(pod, said)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (ended(), ""),
        (ended(done=True), OWN_LIMIT),
        (ended(0, done=True), OWN_LIMIT),
        (ended(done=True, errno="EAGAIN"), "EAGAIN"),
        (ended(0, done=True, errno="EAGAIN"), "EAGAIN"),
        (ended(137), BY_SIGNAL),
        (ended(137, done=True), BY_SIGNAL),
        (ended(2), "exit 2"),
        (ended(137, done=True, reason="Evicted"), EVICTED),
        (end_of({}, None), ""),
    ],
)
def test_what_has_stopped_a_bomb_has_one_word(found: str, word: str) -> None:
    assert found == word


def test_who_is_to_be_evicted_is_waited_for_beyond_its_own_end() -> None:
    assert is_final(EVICTED, frozenset({EVICTED}))
    assert is_final(OWN_LIMIT, frozenset({OWN_LIMIT}))
    assert is_final(BY_SIGNAL, frozenset({EVICTED}))
    assert not is_final(OWN_LIMIT, frozenset({EVICTED}))
    assert not is_final("", frozenset({OWN_LIMIT}))


@pytest.mark.parametrize("setting", [Setting.RUNC_DEFAULT, Setting.GVISOR_DEFAULT], ids=str)
@pytest.mark.parametrize("kind", BOMBS)
def test_each_bomb_is_stopped_by_what_is_declared_alone(kind: str, setting: Setting) -> None:
    said = BombProgress(bomb=kind, limit=9, reached=5, done=False)
    expected = BOMBS[kind].stops(setting)
    for word in expected:
        assert bomb_problems(kind, setting, word, said) == []
    for word in {"", OWN_LIMIT, EVICTED, BY_SIGNAL, "EAGAIN", "exit 1"} - expected:
        assert len(bomb_problems(kind, setting, word, said)) == 1


@pytest.mark.parametrize("kind", BOMBS)
def test_a_limit_of_the_pod_is_between_the_control_and_the_bomb(kind: str) -> None:
    row = BOMBS[kind]
    assert row.harmless < row.limit
    scale = {"MiB": 1, "KiB": 1024}.get(row.unit)
    if scale and row.storage_mib:
        assert row.harmless < row.storage_mib * scale < row.limit


def test_a_bomb_that_has_taken_nothing_shows_nothing() -> None:
    said = BombProgress(bomb="fork", limit=9, reached=0, done=True, errno="EAGAIN")
    assert len(bomb_problems("fork", Setting.RUNC_DEFAULT, "EAGAIN", said)) == 1
    assert len(bomb_problems("fork", Setting.RUNC_DEFAULT, "EAGAIN", None)) == 1
