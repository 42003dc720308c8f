"""What can be asked of a line, what cannot, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from edge_lab.fabric import (
    CLEAR,
    CUT,
    DROP,
    DirectionState,
    GilbertElliott,
    Impairment,
    Match,
    Mode,
)
from edge_lab.fabric.snapshots import FabricSnapshot, PipeSnapshot

BURSTS = GilbertElliott(p=0.01, r=0.25)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"delay_ms": -1}, "greater than or equal to 0"),
        ({"delay_ms": 60_001}, "less than or equal to 60000"),
        ({"delay_ms": float("nan")}, "finite"),
        ({"jitter_ms": float("inf")}, "finite"),
        ({"jitter_ms": -0.1}, "greater than or equal to 0"),
        ({"loss": 1.01}, "less than or equal to 1"),
        ({"duplicate": -0.01}, "greater than or equal to 0"),
        ({"corrupt": float("nan")}, "finite"),
        ({"reorder": 2, "delay_ms": 1}, "less than or equal to 1"),
        ({"rate_kbit": 0}, "greater than or equal to 1"),
        ({"rate_kbit": float("inf")}, "finite"),
        ({"rate_kbit": 2e7}, "less than or equal to 10000000"),
        ({"rate_kbit": 8, "burst_bytes": -1}, "greater than or equal to 0"),
        ({"rate_kbit": 8, "queue_frames": 0}, "greater than or equal to 1"),
        ({"rate_kbit": 8, "queue_frames": 40_000}, "less than or equal to 32768"),
        ({"mtu": 67}, "greater than or equal to 68"),
        ({"mtu": 65_494}, "less than or equal to 65493"),
        ({"distribution": "gamma", "jitter_ms": 1}, "uniform"),
        ({"burst_loss": {"p": 0, "r": 0.5}}, "greater than 0"),
        ({"burst_loss": {"p": 0.5, "r": float("nan")}}, "finite"),
        ({"burst_loss": {"p": 0.1, "r": 0.5, "bad": 0.2, "good": 0.3}}, "must be less than"),
        ({"loss": 0.1, "burst_loss": BURSTS}, "not both"),
        ({"reorder": 0.1}, "`reorder` needs `delay_ms`"),
        ({"reorder": 0.1, "jitter_ms": 5}, "`reorder` needs `delay_ms`"),
        ({"distribution": "normal", "delay_ms": 5}, "needs `jitter_ms`"),
        ({"burst_bytes": 100}, "`burst_bytes` needs `rate_kbit`"),
        ({"queue_frames": 100}, "`queue_frames` needs `rate_kbit`"),
        ({"colour": "red"}, "Extra inputs"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_in_words(asked: dict[str, Any], words: str) -> None:
    for kind in (Impairment, DirectionState):
        with pytest.raises(ValidationError, match=words):
            kind.model_validate(asked)


@pytest.mark.parametrize("mode", [Mode.PASS, Mode.CUT, Mode.HALF_OPEN])
def test_a_match_goes_with_drop_only(mode: Mode) -> None:
    with pytest.raises(ValueError, match=f"it needs mode drop, not {mode.value}"):
        DirectionState(mode=mode, match=Match())
    assert DirectionState(mode=Mode.DROP, match=Match()).match == Match()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"protocol": "icmp", "ports": [80]}, "icmp has no ports"),
        ({"ports": [0]}, "greater than or equal to 1"),
        ({"ports": [65_536]}, "less than or equal to 65535"),
        ({"protocol": "sctp"}, "tcp"),
        ({"peer": "fe80::1"}, "IPv4"),
    ],
    ids=str,
)
def test_a_match_that_fits_nothing_is_refused(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Match.model_validate(asked)


@pytest.mark.parametrize(
    ("impairment", "words"),
    [
        (Impairment(), "no impairment"),
        (Impairment(delay_ms=20, loss=0.01), "delay 20 ms, loss 1 %"),
        (
            Impairment(
                delay_ms=150, jitter_ms=20, distribution="normal", loss=0.01, rate_kbit=1600
            ),
            "delay 150 ms ± 20 ms normal, loss 1 %, 1600 kbit/s",
        ),
        (Impairment(jitter_ms=5), "delay 0 ms ± 5 ms"),
        (Impairment(burst_loss=BURSTS), "burst loss p 1 % r 25 %"),
        (
            Impairment(burst_loss=GilbertElliott(p=0.01, r=0.3, bad=0.8, good=0.001)),
            "burst loss p 1 % r 30 % bad 80 % good 0.1 %",
        ),
        (
            Impairment(delay_ms=1, duplicate=0.5, reorder=0.25, corrupt=0.07),
            "delay 1 ms, duplicate 50 %, reorder 25 %, corrupt 7 %",
        ),
        (
            Impairment(rate_kbit=1_500_000.5, burst_bytes=3000, queue_frames=50, mtu=1280),
            "1500000.5 kbit/s burst 3000 bytes queue 50 frames, mtu 1280",
        ),
    ],
)
def test_an_impairment_says_all_that_is_set(impairment: Impairment, words: str) -> None:
    assert str(impairment) == words
    state = DirectionState(**dict(impairment))
    assert str(state) == ("up" if impairment.is_clear else words)
    assert state.is_clear == impairment.is_clear


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (CLEAR, "up"),
        (CUT, "cut"),
        (DROP, "drop"),
        (DirectionState(mode=Mode.HALF_OPEN), "half-open"),
        (DirectionState(mode=Mode.HALF_OPEN, delay_ms=5), "half-open, delay 5 ms"),
        (DirectionState(mode=Mode.DROP, match=Match()), "drop ipv4"),
        (
            DirectionState(
                mode=Mode.DROP,
                match=Match.model_validate(
                    {"protocol": "tcp", "ports": [443, 6443], "peer": "10.0.0.1"}
                ),
                loss=0.1,
            ),
            "drop tcp 443 6443 10.0.0.1, loss 10 %",
        ),
    ],
)
def test_a_direction_says_its_mode_and_its_match(state: DirectionState, words: str) -> None:
    assert str(state) == words
    assert state.is_clear == (state == CLEAR)


def test_each_setting_alone_is_an_impairment_and_survives_json() -> None:
    settings: list[dict[str, Any]] = [
        {"delay_ms": 1},
        {"jitter_ms": 1},
        {"loss": 0.1},
        {"burst_loss": BURSTS},
        {"duplicate": 0.1},
        {"corrupt": 0.1},
        {"rate_kbit": 100},
        {"mtu": 1280},
    ]
    for each in settings:
        state = DirectionState.model_validate(each)
        assert not state.is_clear
        assert not Impairment.model_validate(each).is_clear
        assert DirectionState.model_validate_json(state.model_dump_json()) == state
    covered = {name for each in settings for name in each}
    # These four say more of one of the others.
    assert set(Impairment.model_fields) - covered == {
        "distribution",
        "reorder",
        "burst_bytes",
        "queue_frames",
    }


def test_a_snapshot_of_before_there_were_these_faults_can_still_be_loaded() -> None:
    old = {
        "seed": 3,
        "links": {
            "l0": {
                "tx": {
                    "state": {"mode": "pass", "delay_ms": 20.0, "loss": 0.01},
                    "positions": {"loss": 7},
                    "memory": {"loss": 41},
                },
                "rx": {"state": {"mode": "cut", "delay_ms": 0.0, "loss": 0.0}},
            }
        },
    }
    link = FabricSnapshot.model_validate(old).links["l0"]
    assert link.tx.state == DirectionState(delay_ms=20, loss=0.01)
    assert link.tx.memory == {"loss": 41}
    assert link.rx.state == CUT


def test_a_snapshot_with_a_connection_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="should match pattern"):
        PipeSnapshot.model_validate({"state": {}, "memory": {"half-open": ["no"]}})
