"""What a node's journal tells of a pod's start, in the stamps of the programs themselves."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.core.errors import LabError
from edge_lab.observe.scheduling.nodejournal import (
    NodeJournal,
    container_id,
    journal_command,
    started_at,
    state_command,
)
from edge_lab.oracles.scheduling.stages import Moment
from tests.budget import examples
from tests.observe.scheduling.journal_lines import (
    ASKED,
    CONTAINER,
    KUBELET,
    LINES,
    OTHER,
    SANDBOX_MADE,
    UID,
)

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126)


def stamp(text: str, nanoseconds: int) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9 + nanoseconds


def test_each_moment_has_the_stamp_of_its_program() -> None:
    assert NodeJournal.of(LINES).of_pod(UID) == {
        Moment.NODE_SAW: stamp("2026-11-29T01:44:19", 261_946_000),
        Moment.SANDBOX_READY: stamp("2026-11-29T01:46:10", 589_729_936),
        Moment.IMAGE_READY: stamp("2026-11-29T01:46:15", 367_771_744),
    }


def test_what_is_not_in_the_journal_is_not_told() -> None:
    without = [line for line in LINES if line not in (SANDBOX_MADE,)]
    assert set(NodeJournal.of(without).of_pod(UID)) == {Moment.NODE_SAW}
    assert NodeJournal.of(LINES).of_pod("somebody else") == {}


def test_a_pod_without_a_volume_is_seen_when_its_sandbox_is_asked_for() -> None:
    seen = NodeJournal.of(LINES).of_pod(OTHER)
    assert seen == {Moment.NODE_SAW: stamp("2026-11-29T01:44:33", 993_740_544)}
    assert Moment.NODE_SAW in NodeJournal.of([ASKED]).of_pod(UID)


def test_a_sandbox_that_is_made_again_counts_the_first_time() -> None:
    later = SANDBOX_MADE.replace("01:46:10", "01:47:10")
    assert NodeJournal.of([SANDBOX_MADE, later]).of_pod(UID)[Moment.SANDBOX_READY] == stamp(
        "2026-11-29T01:46:10", 589_729_936
    )


def test_the_year_of_a_kubelet_s_line_is_journald_s() -> None:
    line = KUBELET.replace("I1129 01:44:19.261946", "I1231 23:59:59.900000").replace(
        "1795916659.262493", "1798761600.100000"
    )
    assert NodeJournal.of([line]).of_pod(UID)[Moment.NODE_SAW] == stamp(
        "2026-12-31T23:59:59", 900_000_000
    )
    with pytest.raises(LabError):
        NodeJournal.of([KUBELET.replace("I1129", "I0301")])


@settings(max_examples=examples(60))
@given(st.lists(st.one_of(st.text(PRINTABLE, max_size=80), st.sampled_from(LINES)), max_size=8))
def test_any_lines_are_read_or_passed_over(lines: list[str]) -> None:
    for moments in NodeJournal.of(lines).moments.values():
        assert set(moments) <= set(Moment)


def test_a_container_s_start_is_the_runtime_s_own() -> None:
    state = '{"Version":"v1","CreatedAt":1795916775367771744,"StartedAt":1795916777000000001}'
    never = state.replace("1795916777000000001", "0")
    assert started_at(f"{CONTAINER} {state}\nabc \ndef {never}\n") == {
        CONTAINER: 1795916777000000001
    }
    with pytest.raises(LabError):
        started_at(f"{CONTAINER} not found\n")


def test_the_container_is_known_by_the_pod_s_status() -> None:
    pod = {"status": {"containerStatuses": [{"containerID": f"containerd://{CONTAINER}"}]}}
    assert container_id(pod) == CONTAINER
    assert container_id({"status": {"containerStatuses": [{}]}}) == ""
    assert container_id({}) == ""


def test_commands_ask_for_no_more_than_is_needed() -> None:
    assert "--since=@1795916659 " in journal_command(1_795_916_659_999_999_999)
    assert CONTAINER in state_command([CONTAINER])
