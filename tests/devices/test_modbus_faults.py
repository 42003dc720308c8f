"""What a Modbus client gets from a device with a fault, byte by byte, and once it is well."""

from __future__ import annotations

import contextlib
import json
import select
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.devices import DeviceFault, TruthStep, TruthWrite
from edge_lab.devices.control import SOCKET
from edge_lab.devices.faults import (
    Busy,
    Exceptions,
    Gone,
    Junk,
    Late,
    SessionDrop,
    Slow,
    Split,
    Untrusted,
)
from edge_lab.devices.points import read_block
from tests.devices.modbus_site import (
    REGISTERS,
    assert_right,
    boiler,
    fault,
    peer,
    read_request,
    reads_right,
    write_request,
)
from tests.devices.plant_site import (
    HERE,
    PATIENCE,
    Site,
    assert_failing_reads_leave_nothing_open,
    boiler_spec,
    start_site,
)
from tests.devices.raw_peer import RawPeer

pytestmark = pytest.mark.slow(reason="a device as a process, asked on a wire of its own")


__all__ = ["boiler", "peer"]


def test_a_slow_device_answers_late_and_then_at_once(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Slow(delay_ms=300)) as status:
            assert status.reachable
            assert status.answer_ms is not None
            assert status.answer_ms >= 300
            assert status.affected == 1
            line.say(read_request(1))
            heard = line.hear(quiet=0.1)
            assert heard.times[0] >= 0.3
            assert_right(boiler, heard.bytes, 1)
            assert boiler.client.status().affected == 3
        reads_right(boiler, line)


def test_an_answer_that_a_slow_device_still_owes_comes_when_it_is_well(
    boiler: Site, peer: RawPeer
) -> None:
    with peer.line() as line:
        with fault(boiler, Slow(delay_ms=60_000)) as status:
            assert not status.reachable
            assert "no answer within" in status.trouble
            assert status.answer_ms is None
            line.say(read_request(1))
            assert line.is_silent()
        assert_right(boiler, line.hear().bytes, 1)
        reads_right(boiler, line)


def test_control_requests_do_not_wait_for_a_fault(boiler: Site) -> None:
    with fault(boiler, Gone()):
        boiler.client.set_fault(Slow(delay_ms=60_000), Deadline.after(0.5))
        for _ in range(5):  # on a busy machine, what takes no time may take that of the read
            with requested(boiler, {"op": "status"}) as line:
                seq = boiler.client.snapshot().seq
                boiler.client.pause()
                boiler.client.resume()
                waits = not select.select([line], [], [], 0)[0]
                status = answered(line)["result"]
            if waits:
                break
        assert waits
        assert isinstance(status, dict)
        assert not status["reachable"]
        steps = Deadline.after(PATIENCE)
        steps.wait_for("steps", lambda: boiler.client.snapshot().seq > seq)


def test_a_split_answer_comes_in_so_many_pieces(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Split(pieces=4, gap_ms=150)) as status:
            assert status.answer_ms is not None
            assert status.answer_ms >= 450
            heard = line.answer(read_request(2), sizes=[7, 7, 7, 8])
            assert [len(portion) for portion in heard.portions] == [7, 7, 7, 8]
            assert heard.times[-1] - heard.times[0] >= 0.4
            assert_right(boiler, heard.bytes, 2)
        reads_right(boiler, line)


def test_junk_is_no_modbus_and_ends_with_the_fault(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Junk()) as status:
            assert not status.reachable
            assert status.affected == 1
            line.say(read_request(3))
            heard = line.hear()
            assert len(heard.bytes) == 9 + 2 * REGISTERS
            assert heard.bytes[2:4] != b"\0\0"
            assert heard.bytes[:2] != read_request(3)[:2]
        reads_right(boiler, line)


def struck(boiler: Site, peer: RawPeer, fault_: DeviceFault, number: int = 24) -> list[bytes]:
    """Answers to so many reads, values left out."""
    with peer.line() as line, fault(boiler, fault_):
        answers = []
        for each in range(number):
            answer = line.ask(read_request(each))
            # A right answer is told by its head; in junk every byte counts.
            answers.append(answer[:9] if answer[2:4] == b"\0\0" else answer)
            if each % 8 == 0:
                boiler.client.snapshot()
        return answers


def test_a_seed_strikes_the_same_answers_again(boiler: Site, peer: RawPeer) -> None:
    first = struck(boiler, peer, Junk(probability=0.4, seed=5))
    right = [answer for answer in first if answer[2:4] == b"\0\0"]
    assert 0 < len(right) < len(first)
    assert struck(boiler, peer, Junk(probability=0.4, seed=5)) == first
    assert struck(boiler, peer, Junk(probability=0.4, seed=6)) != first


def test_a_late_answer_is_that_to_the_request_before(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Late()) as status:
            assert not status.reachable
            line.say(read_request(11))
            assert line.is_silent()
            line.say(read_request(12))
            heard = line.hear()
            assert len(heard.portions) == 1
            assert_right(boiler, heard.bytes, 11)
            line.say(read_request(13))
            assert_right(boiler, line.hear().bytes, 12)
        # The answer to 13 does not come any more, and puts no later answer out of step.
        assert line.is_silent()
        reads_right(boiler, line, 14)


@pytest.mark.parametrize("code", [4, 6, 11])
def test_requests_are_answered_with_that_exception(boiler: Site, peer: RawPeer, code: int) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Exceptions(code=code)) as status:
            assert not status.reachable
            assert line.ask(read_request(4)) == bytes((0, 4, 0, 0, 0, 3, 1, 0x83, code))
        reads_right(boiler, line)


def test_a_write_that_is_refused_is_not_carried_out(boiler: Site, peer: RawPeer) -> None:
    def writes() -> int:
        return sum(isinstance(record, TruthWrite) for record in boiler.client.truth())

    before = writes()
    with peer.line() as line:
        with fault(boiler, Exceptions(code=6)):
            assert line.ask(write_request(5, 655)) == bytes((0, 5, 0, 0, 0, 3, 1, 0x86, 6))
        assert writes() == before
        assert line.ask(write_request(6, 655)) == write_request(6, 655)
        assert writes() == before + 1


def test_a_part_of_the_requests_is_refused_by_its_seed(boiler: Site, peer: RawPeer) -> None:
    some = Exceptions(probability=0.5, seed=3)
    first = struck(boiler, peer, some)
    assert {answer[7] for answer in first} == {0x03, 0x83}
    assert struck(boiler, peer, some) == first


def test_a_busy_device_closes_what_it_has_no_socket_for(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Busy(connections=1)) as status:
            # Two sockets that the device has tried by itself, and then its read.
            assert status.affected == 3
            assert (status.clients, status.reachable) == (1, False)
            # Told at once, not when the read's time is up.
            assert "TimeoutError" not in status.trouble
            for _ in range(2):
                with peer.line() as further:
                    assert further.hear().ended
                reads_right(boiler, line)
            line.socket.close()
            Deadline.after(PATIENCE).wait_for(
                "a socket", lambda: boiler.client.status().clients == 0
            )
            assert boiler.client.status().reachable
            with peer.line() as next_one:
                reads_right(boiler, next_one)
        with peer.line() as first, peer.line() as second:
            reads_right(boiler, first)
            reads_right(boiler, second)


def test_a_fault_takes_the_place_of_the_one_before(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line, fault(boiler, Gone(how="refused")):
        assert line.hear().ended
        boiler.client.set_fault(Split(pieces=2, gap_ms=50))
        with peer.line() as again:
            assert len(again.answer(read_request(1), sizes=[14, 15]).portions) == 2
        boiler.client.set_fault(Gone())
        boiler.client.set_fault(Exceptions())
        with peer.line() as again:
            assert again.ask(read_request(1))[7] == 0x83
        for away in (Gone(), Gone(how="refused")):
            boiler.client.set_fault(away, Deadline.after(1.0))
            assert boiler.client.set_fault(Busy(connections=2)).affected == 1
            with peer.line() as again:
                reads_right(boiler, again)


@pytest.mark.parametrize("wrong", [SessionDrop(), Untrusted()])
def test_kinds_of_the_other_protocol_are_refused(boiler: Site, wrong: DeviceFault) -> None:
    with pytest.raises(InputError, match=rf"'{wrong.kind}' does not exist on modbus-tcp"):
        boiler.client.set_fault(wrong)
    answer = control(boiler, {"op": "fault", "fault": wrong.model_dump()})
    assert not answer["ok"]
    assert "does not exist on modbus-tcp" in str(answer["error"])
    assert boiler.client.status().fault is None


def test_reads_of_itself_that_fail_leave_nothing_open(boiler: Site) -> None:
    assert_failing_reads_leave_nothing_open(boiler)


def test_what_is_no_fault_is_refused_and_changes_nothing(boiler: Site) -> None:
    for bad in ({"kind": "on fire"}, {"kind": "slow"}, {"kind": "gone", "now": 1}, 3):
        assert not control(boiler, {"op": "fault", "fault": bad})["ok"]
    assert boiler.client.status().reachable


def test_a_device_that_starts_anew_has_no_fault(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path))
    try:
        assert not site.client.set_fault(Gone()).reachable
        site.process.kill()
        site.process.wait()
        site.restart()
        status = site.client.status()
        assert (status.reachable, status.fault) == (True, None)
        site.client.set_fault(Slow(delay_ms=60_000), Deadline.after(0.5))
        assert site.end() == 0
    finally:
        site.process.kill()
        site.process.wait()


def test_a_modbus_library_reads_right_when_all_is_over(boiler: Site, peer: RawPeer) -> None:
    with fault(boiler, Gone()):
        pass
    for block in peer.run(HERE / "modbus_client.py", "read"):
        seq, raw = read_block(boiler.spec.model.points, block)
        assert raw == {step.seq: step for step in boiler.client.steps()}[seq].values
    steps = [record for record in boiler.client.truth() if isinstance(record, TruthStep)]
    assert [step.seq for step in steps] == list(range(1, len(steps) + 1))
    log = boiler.log.read_text()
    assert "boiler gone" in log
    assert "boiler fault cleared" in log
    assert "Traceback" not in log


@contextlib.contextmanager
def requested(site: Site, request: object) -> Iterator[socket.socket]:
    """A connection to the control socket that has said so."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(PATIENCE)
        line.connect(str(site.spec.folder / SOCKET))
        line.sendall(json.dumps(request).encode() + b"\n")
        yield line


def answered(line: socket.socket) -> dict[str, object]:
    with line.makefile("rb") as answers:
        answer: dict[str, object] = json.loads(answers.readline())
    return answer


def control(site: Site, request: object) -> dict[str, object]:
    """An answer of the control socket, as it is."""
    with requested(site, request) as line:
        return answered(line)
