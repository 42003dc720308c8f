"""What is known of a lab at any time, and since when it is not."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edge_lab.addons.workload import ArrivedCounts, SampleCounts
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.faults.journal import FaultJournal
from edge_lab.faults.shorthand import parse_fault
from edge_lab.handle.linkstate import LinkState
from edge_lab.live import lab as live_module
from edge_lab.live.lab import LiveLab
from edge_lab.live.poll import Poll
from edge_lab.live.snapshot import ActionState, FaultSeen, LabSnapshot, Stage
from edge_lab.live.source import sample_row, tail_of
from tests.live.conftest import Until
from tests.live.standin import Somewhere, StandIn


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_EVERY", 0.02)


def all_known(seen: LabSnapshot) -> bool:
    parts = (*seen.parts, seen.twins)
    return bool(seen.devices) and all(part.is_known for part in parts)


def test_each_part_of_a_lab_is_known(until: Until, lab: StandIn) -> None:
    seen = until("all parts", all_known)
    assert seen.condition.stage is Stage.UP
    assert [node.name for node in seen.nodes.value or ()] == ["server", "edge-arm", "edge-riscv"]
    assert {link.state for link in seen.links.value or ()} == {LinkState.UP}
    assert set(seen.devices) == {"boiler", "press"}
    assert set(seen.samples) == {"edge-arm", "edge-riscv"}
    assert LabSnapshot.model_validate_json(seen.model_dump_json()) == seen


def test_a_silent_part_is_unknown_since_then_and_the_others_are_known(
    until: Until, lab: StandIn
) -> None:
    until("all parts", all_known)
    lab.silent.add("nodes")
    seen = until("nodes unknown", lambda now: now.nodes.unknown_since is not None)
    assert seen.nodes.value is not None  # as it was when it was last known
    assert seen.nodes.seen is not None
    assert seen.nodes.unknown_since is not None
    assert "do not answer" in seen.nodes.trouble
    assert seen.links.is_known
    later = until("asked again", lambda now: now.now > seen.now + 50_000_000)
    assert later.nodes.unknown_since == seen.nodes.unknown_since
    lab.silent.clear()
    until("nodes known again", lambda now: now.nodes.is_known)


def test_a_device_that_is_silent_leaves_the_other_one_known(until: Until, lab: StandIn) -> None:
    until("all parts", all_known)
    lab.silent.add("device boiler")
    seen = until("boiler unknown", lambda now: not now.devices["boiler"].is_known)
    assert seen.devices["press"].is_known


def test_a_poll_that_hangs_blocks_nothing_and_is_unknown_after_its_deadline() -> None:
    free = threading.Event()
    answers = iter(["first"])

    def ask(deadline: Deadline) -> str:
        for answer in answers:
            return answer
        free.wait(30)
        return "late"

    poll = Poll("slow", ask, every=0.01, within=0.1)
    poll.start()
    try:
        Deadline.after(20).wait_for("overdue", lambda: poll.part.unknown_since is not None)
        assert poll.part.value == "first"
        assert poll.part.trouble.startswith("no answer within")
        free.set()
        Deadline.after(20).wait_for("answered after all", lambda: poll.part.is_known)
    finally:
        free.set()
        poll.stop()


def test_a_lab_that_nobody_looks_at_is_asked_nothing(
    until: Until, live: LiveLab, lab: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    until("all parts", all_known)
    monkeypatch.setattr(live_module, "UNWATCHED_SECONDS", 0.0)
    polls = live._polls
    assert polls is not None
    wait = Deadline.after(30)
    wait.wait_for("all rest", lambda: all(poll.part.unknown_since for poll in polls.all()))
    monkeypatch.setattr(live_module, "UNWATCHED_SECONDS", 20.0)
    live._looked -= 100
    until("all parts again", all_known)


def test_an_error_that_nobody_has_thought_of_is_shown_and_asked_again() -> None:
    def ask(deadline: Deadline) -> int:
        return [][0]

    poll: Poll[int] = Poll("broken", ask, every=1, within=1)
    poll.once()
    assert poll.part.unknown_since is not None
    assert "IndexError" in poll.part.trouble


def test_a_lab_that_is_not_there_is_said_to_be_so_and_found_when_it_is_up(
    until: Until, place: Somewhere, lab: StandIn
) -> None:
    place.lab = None
    until("not up", lambda now: now.condition.stage is Stage.NOT_UP and bool(now.condition.remedy))
    place.lab = lab
    until("up", all_known)


def test_a_lab_that_is_coming_up_is_shown_as_far_as_it_is_and_not_broken(
    until: Until, place: Somewhere, lab: StandIn, live: LiveLab
) -> None:
    place.starting = LabError("lab 'default' is starting: boot server")
    lab.silent |= {"nodes", "pods", "twins"}
    seen = until(
        "starting", lambda now: now.condition.stage is Stage.STARTING and now.links.is_known
    )
    assert "boot server" in seen.condition.message
    assert live.source.picture()
    with pytest.raises(LabError):
        live.actions.inject(["cut", "link=arm-cloud"])
    with pytest.raises(LabError):
        live.actions.heal([])
    place.starting = LabError("lab 'default' is starting: nodes")
    until("it goes on", lambda now: now.condition.message.endswith("nodes"))
    place.starting = None
    lab.silent.clear()
    seen = until("up", lambda now: now.condition.stage is Stage.UP and all_known(now))
    assert seen.condition.message == ""


def test_what_is_known_of_a_lab_that_goes_stays_but_counts_no_more(
    until: Until, place: Somewhere, live: LiveLab
) -> None:
    up = until("all parts", all_known)
    place.lab = None
    gone = until("gone", lambda now: now.condition.stage is Stage.NOT_UP)
    assert gone.nodes.value == up.nodes.value
    assert gone.nodes.unknown_since is not None
    assert gone.condition.since <= gone.now
    with pytest.raises(LabError):
        _ = live.source
    with pytest.raises(LabError):
        live.actions.inject(["cut", "link=arm-cloud"])


def test_a_lab_that_cannot_be_reached_at_all_is_no_crash(
    until: Until, place: Somewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Somewhere) -> StandIn:
        raise RuntimeError("libvirt: gone")

    monkeypatch.setattr(Somewhere, "open", broken)
    place.lab = StandIn(Path("nowhere"))
    seen = until("trouble", lambda now: "libvirt" in now.condition.message)
    assert seen.condition.stage is Stage.NOT_UP


# -- actions -----------------------------------------------------------------------------


def test_a_cut_is_injected_proved_and_healed(until: Until, live: LiveLab, lab: StandIn) -> None:
    until("all parts", all_known)
    action = live.actions.inject(["cut", "link=arm-cloud"])
    assert action.command == "lab fault add --lab default cut link=arm-cloud"
    seen = until("seen", lambda now: now.actions[0].state is ActionState.SEEN)
    assert seen.actions[0].text.startswith("no ping answered")
    seen = until("link is cut", lambda now: state_of(now, "arm-cloud") is LinkState.CUT)
    (fault,) = until("in the journal", lambda now: bool(now.faults.value)).faults.value or ()
    assert fault.parts == ("arm-cloud",)
    assert fault.command == "lab fault heal --lab default 1"
    live.actions.heal([1])
    until("healed", lambda now: state_of(now, "arm-cloud") is LinkState.UP)
    until("in the journal", lambda now: all(each.healed for each in now.faults.value or ()))


def test_faults_of_long_ago_are_not_shown_and_active_ones_are(
    until: Until, live: LiveLab, lab: StandIn
) -> None:
    journal = FaultJournal(lab.folder)
    hours_ago = time.time_ns() - 3 * 3600 * 10**9
    old = journal.open(parse_fault(["cut", "link=arm-cloud"]), hours_ago)
    journal.enter(old.model_copy(update={"seen": hours_ago, "healed": hours_ago}))
    journal.open(parse_fault(["cut", "link=riscv-cloud"]), hours_ago)
    # A snapshot can be older than the records.
    until("faults", lambda now: [fault.id for fault in now.faults.value or ()] == [2])


def test_an_action_under_way_is_shown_and_waited_for_at_the_end(
    until: Until, live: LiveLab, lab: StandIn
) -> None:
    until("all parts", all_known)
    lab.hold.clear()
    live.actions.inject(["cut", "link=arm-cloud"])
    assert live.snapshot().actions[0].state is ActionState.RUNNING
    assert not live.finish(Deadline.after(0.01))
    lab.hold.set()
    assert live.finish(Deadline.after(20))
    assert live.snapshot().actions[0].state is ActionState.SEEN


def test_a_fault_without_effect_is_a_failed_action(
    until: Until, live: LiveLab, lab: StandIn
) -> None:
    until("all parts", all_known)
    lab.no_effect = True
    live.actions.inject(["cut", "link=arm-cloud"])
    seen = until("failed", lambda now: now.actions[0].state is ActionState.FAILED)
    assert seen.actions[0].remedy
    assert state_of(seen, "arm-cloud") is LinkState.UP


def test_a_momentary_fault_is_healed_with_its_injection(until: Until, live: LiveLab) -> None:
    until("all parts", all_known)
    live.actions.inject(["reboot", "node=edge-arm"])
    seen = until("over", lambda now: now.actions[0].state is ActionState.SEEN)
    assert seen.actions[0].text.count("ping") == 2
    until("healed", lambda now: [*map(is_healed, now.faults.value or ())] == [True])


@pytest.mark.parametrize(
    "words", [["cut"], ["cut", "link=nowhere"], ["cuts", "link=arm-cloud"], ["cut", "; rm -rf /"]]
)
def test_what_is_not_possible_is_refused_at_once(
    words: list[str], until: Until, live: LiveLab
) -> None:
    until("all parts", all_known)
    with pytest.raises(InputError):
        live.actions.inject(words)
    assert live.snapshot().actions == ()


def test_words_are_quoted_for_a_shell(until: Until, live: LiveLab) -> None:
    until("all parts", all_known)
    action = live.actions.inject(["drop", "link=arm-cloud", "match.ports=[80, 443]"])
    assert action.command.endswith("drop link=arm-cloud 'match.ports=[80, 443]'")


def is_healed(fault: FaultSeen) -> bool:
    return fault.healed is not None


def state_of(seen: LabSnapshot, link: str) -> LinkState:
    return next(each.state for each in seen.links.value or () if each.name == link)


# -- parts of the real source ------------------------------------------------------------


def counts(**given: int) -> SampleCounts:
    known: dict[str, int] = {
        "sampled": 100,
        "acknowledged": 0,
        "waiting": 10,
        "sent": 0,
        "last_seq": 0,
        "read_errors": 0,
        **given,
    }
    return SampleCounts(connected=True, last_error="", **known)


def arrived(number: int) -> dict[str, ArrivedCounts]:
    found = ArrivedCounts(
        node="edge", device="boiler", arrived=number, first=1, last=100, repeated=3, conflicts=0
    )
    return {"boiler": found}


def test_samples_that_are_nowhere_are_lost() -> None:
    assert sample_row("edge", "boiler", counts(), arrived(90)).lost == 0
    assert sample_row("edge", "boiler", counts(), arrived(95)).lost == 0  # came in between
    assert sample_row("edge", "boiler", counts(), arrived(87)).lost == 3
    assert sample_row("edge", "boiler", counts(), {}).lost == 90


def test_without_the_collector_nothing_is_known_to_be_lost() -> None:
    row = sample_row("edge", "boiler", counts(), None)
    assert (row.arrived, row.lost, row.repeated) == (None, None, None)
    assert row.waiting == 10


def test_the_end_of_a_log_begins_with_a_whole_line(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert tail_of(log) == ""
    log.write_text("one\ntwo\nthree\n")
    assert tail_of(log) == "one\ntwo\nthree\n"
    assert tail_of(log, 8) == "three\n"
    log.write_bytes(b"\x1b[31mred\x1b[0m \xff\r\n")
    assert tail_of(log) == "red �\n"
