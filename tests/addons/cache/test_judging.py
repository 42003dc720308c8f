"""The suite's verdicts, and for each a planted defect that turns it red."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from suites.cache.judging import (
    MIB,
    Filled,
    Full,
    Read,
    Refused,
    Resumed,
    Start,
    wrong_collection,
    wrong_eviction,
    wrong_full_disk,
    wrong_reads,
    wrong_refusal,
    wrong_resumption,
    wrong_sharing,
    wrong_starts,
)

SAID = 'failed to pull image "registry.edge-lab.local/absent:1": 504 Gateway Time-out'
GOOD = {
    "cached": Start(True, 12.0),
    "always": Start(True, 15.0),
    "absent": Start(False, 90.0, SAID),
    "direct": Start(False, 90.0, "dial tcp 10.77.0.1:5000: i/o timeout"),
}
SHALL = ("cached", "always")


def test_starts_as_they_shall_be() -> None:
    assert wrong_starts(GOOD, SHALL) == {}


@pytest.mark.parametrize(
    ("pod", "seen"),
    [
        ("cached", Start(False, 150.0, SAID)),
        ("absent", Start(True, 20.0)),
        ("absent", Start(False, 90.0)),
        ("direct", Start(False, 90.0, "back-off restarting failed container")),
        # A registry that answers that it has no such image was reached.
        ("absent", Start(False, 90.0, "not found")),
    ],
)
def test_a_wrong_start_is_told_with_its_pod(pod: str, seen: Start) -> None:
    assert set(wrong_starts({**GOOD, pod: seen}, SHALL)) == {pod}


def test_a_pod_that_nobody_watched_is_no_pass() -> None:
    without = {pod: start for pod, start in GOOD.items() if pod != "always"}
    assert set(wrong_starts(without, SHALL)) == {"always"}


RESUMED = Resumed(before=10 * MIB, after=11 * MIB, whole=20 * MIB)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, False),
        ({"after": 21 * MIB}, True),  # it began anew
        ({"after": 2 * MIB}, True),  # the rest was there, whatever was cut
        ({"before": MIB, "after": 20 * MIB}, True),  # it was not half-way
        ({"before": 22 * MIB, "after": 0}, True),  # it had ended
    ],
)
def test_a_pull_goes_on_where_it_was(changed: dict[str, int], wrong: bool) -> None:
    assert bool(wrong_resumption(replace(RESUMED, **changed))) is wrong


@pytest.mark.parametrize(
    ("uplink", "shared", "wrong"),
    [(0, 21 * MIB, False), (21 * MIB, 0, True), (0, MIB, True), (8 * MIB, 20 * MIB, True)],
)
def test_what_is_shared_comes_by_the_site_s_network(uplink: int, shared: int, wrong: bool) -> None:
    assert bool(wrong_sharing(uplink, shared, 20 * MIB)) is wrong


FILLED = Filled(60 * MIB, 47 * MIB, 48 * MIB, restarted=False, starts_again=True, evicted=True)


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, False),
        ({"held": 60 * MIB}, True),
        ({"held": MIB}, True),
        ({"restarted": True}, True),
        ({"starts_again": False}, True),
        ({"evicted": False}, True),
        ({"asked": 40 * MIB, "held": 40 * MIB}, True),
    ],
)
def test_a_cache_evicts_within_its_limit(changed: dict[str, Any], wrong: bool) -> None:
    assert bool(wrong_eviction(replace(FILLED, **changed))) is wrong


POISONED = Refused("poisoned", MIB, 200, MIB, False, "unexpected commit digest sha256:1")
TRUNCATED = Refused("truncated", MIB, 200, MIB // 2, False, "exit 124")


@pytest.mark.parametrize(
    ("seen", "change", "told"),
    [
        (POISONED, {}, ""),
        (POISONED, {"said": ""}, "was accepted"),
        (POISONED, {"said": "exit 124"}, "another reason"),
        (POISONED, {"unchanged": True}, "no evidence"),
        (POISONED, {"status": 502, "sent": 0}, "no evidence"),
        (TRUNCATED, {}, ""),
        (TRUNCATED, {"said": "unexpected EOF"}, ""),
        (TRUNCATED, {"said": ""}, "was accepted"),
        (TRUNCATED, {"said": "dial tcp 127.0.0.1:5001: connect: connection refused"}, "another"),
        (TRUNCATED, {"said": "dial tcp 10.77.0.1:5000: i/o timeout"}, "another reason"),
        (TRUNCATED, {"status": 504, "sent": 0}, "no evidence"),
        (TRUNCATED, {"sent": MIB, "unchanged": True}, "no evidence"),
    ],
)
def test_a_damaged_layer_is_refused_for_what_it_is(
    seen: Refused, change: dict[str, Any], told: str
) -> None:
    found = wrong_refusal(replace(seen, **change))
    assert told in found if told else found == ""


HITS = [Read("right", 900.0, "MISS"), *(Read("right", 3.0, "HIT") for _ in range(5))]


@pytest.mark.parametrize(
    ("reads", "wrong"),
    [
        (HITS, False),
        ([*HITS, Read("other", 3.0, "HIT")], True),
        ([*HITS, Read("right", 900.0, "MISS")], True),
        (HITS[:1], True),
    ],
)
def test_data_is_read_from_the_cache(reads: list[Read], wrong: bool) -> None:
    assert bool(wrong_reads(reads, "right", hits_after=1)) is wrong


@pytest.mark.parametrize(
    ("after", "wrong"),
    [(["pinned"], False), (["pinned", "other"], True), ([], True), (["other"], True)],
)
def test_a_pinned_image_is_kept_and_another_collected(after: list[str], wrong: bool) -> None:
    assert bool(wrong_collection(["pinned", "other"], after, "pinned", "other")) is wrong


def test_what_was_not_there_before_is_no_evidence() -> None:
    assert wrong_collection(["pinned"], ["pinned"], "pinned", "other")


FULL = Full(
    pulled=False,
    said='Failed: Failed to pull image "registry.edge-lab.local/large-2:1": failed to copy: '
    "write /var/lib/containerd/x: no space left on device",
    served=True,
    cached=Start(True, 14.0),
    fetched=True,
    again=Start(True, 80.0),
)


def test_a_full_disk_that_cost_nothing_passes() -> None:
    assert wrong_full_disk(FULL) == ""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"pulled": True}, "no evidence"),
        ({"said": ""}, "no message names the full disk"),
        ({"said": "unexpected EOF"}, "no message names the full disk"),
        ({"served": False}, "cached content was not served"),
        ({"cached": Start(False, 150.0)}, "the cached image was not started within 150 s"),
        ({"fetched": False}, "without a pull"),
        ({"again": Start(False, 420.0)}, "the pulled image was not started within 420 s"),
        ({"damaged": ["large-2"]}, "does not serve unchanged: large-2"),
    ],
)
def test_a_full_disk_with_a_defect_is_told(change: dict[str, Any], told: str) -> None:
    assert told in wrong_full_disk(replace(FULL, **change))
