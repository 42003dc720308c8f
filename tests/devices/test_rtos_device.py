"""A device that is firmware on an emulated board, as its clients and the lab see it."""

from __future__ import annotations

import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices import TruthRecord, TruthStep, TruthWrite, restore_device
from edge_lab.devices.points import read_block
from tests.devices.modbus_site import read_request, reads_right
from tests.devices.plant_site import (
    HERE,
    Site,
    as_client,
    boiler_spec,
    require_namespaces,
    start_site,
)
from tests.devices.raw_peer import raw_peer
from tests.devices.rtos_site import rtos_spec

pytestmark = pytest.mark.slow(reason="firmware on an emulated board, asked on a wire of its own")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    site = start_site(rtos_spec(tmp_path_factory.mktemp("d")))
    yield site
    assert site.end() == 0, site.log.read_text()


def test_a_client_reads_what_the_ground_truth_has(site: Site) -> None:
    blocks = as_client([site], HERE / "modbus_client.py", "read")
    truth = {step.seq: step for step in site.client.steps()}
    assert len({tuple(block) for block in blocks}) > 5
    for block in blocks:
        seq, raw = read_block(site.spec.model.points, block)
        assert raw == truth[seq].values


def test_an_altered_value_would_be_found(site: Site) -> None:
    """The negative control: one wrong bit in a block."""
    block = as_client([site], HERE / "modbus_client.py", "read")[0]
    seq, raw = read_block(site.spec.model.points, [*block[:2], block[2] ^ 1, *block[3:]])
    assert raw != {step.seq: step for step in site.client.steps()}[seq].values


@pytest.mark.parametrize("what", ["write", "tables"])
def test_it_does_and_refuses_what_a_simulated_device_does(
    site: Site, tmp_path: Path, what: str
) -> None:
    simulated = start_site(boiler_spec(tmp_path))
    try:
        theirs = as_client([simulated], HERE / "modbus_client.py", what)
    finally:
        assert simulated.end() == 0
    ours = as_client([site], HERE / "modbus_client.py", what)
    assert without_samples(ours) == without_samples(theirs)


def without_samples(said: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != "samples"}


def frame(unit: int, pdu: bytes, number: int = 5, protocol: int = 0) -> bytes:
    return struct.pack(">HHHB", number, protocol, len(pdu) + 1, unit) + pdu


def answers_to(peer_site: Site, requests: list[bytes]) -> list[bytes]:
    with raw_peer(peer_site) as peer, peer.line() as line:
        return [line.ask(request) for request in requests]


REQUESTS = [
    # exceptions by function: quantities, addresses, values
    *(frame(1, bytes((function,)) + bytes(4)) for function in (1, 2, 3, 4)),
    *(frame(1, bytes((function, 0, 0, 0xFF, 0xFF))) for function in (1, 2, 3, 4)),
    *(frame(1, bytes((function, 0, 12, 0, 9))) for function in (1, 2, 3, 4)),
    frame(1, bytes((5, 0, 3, 0x12, 0x34))),
    frame(1, bytes((5, 0, 16, 0xFF, 0))),
    frame(1, bytes((15, 0, 0, 0, 9, 1, 255))),
    frame(1, bytes((15, 0, 0, 0, 9, 2, 0, 0))),
    frame(1, bytes((16, 0, 100, 0, 1, 2, 0x02, 0xBC))),
    frame(1, bytes((16, 0, 100, 0, 2, 4, 2, 0xBC, 0, 0))),
    frame(1, bytes((22, 0, 100, 0xFF, 0xFF, 0, 0))),
    frame(1, bytes((22, 0, 2, 0xFF, 0xFF, 0, 0))),
    frame(1, bytes((23, 0, 100, 0, 1, 0, 100, 0, 1, 2, 0x02, 0xBC))),
    frame(1, bytes((23, 0, 200, 0, 1, 0, 100, 0, 1, 2, 0x03, 0x20))),
    frame(1, bytes((3, 0, 100, 0, 1))),
    frame(1, bytes((8, 0, 0, 0xA5, 0x37, 1, 2))),
    frame(1, bytes((8, 0, 4, 0, 0))),
    frame(1, bytes((43, 14, 4, 0))),
    frame(1, bytes((43, 14, 4, 9))),
    frame(1, bytes((43, 13, 1, 0))),
    *(frame(1, bytes((function,))) for function in (0, 3, 6, 7, 20, 24, 43, 99, 200)),
    # units
    *(frame(unit, bytes((3, 0, 100, 0, 1))) for unit in (0, 255, 7)),
]


def test_each_request_gets_the_answer_of_a_simulated_device(site: Site, tmp_path: Path) -> None:
    simulated = start_site(boiler_spec(tmp_path))
    try:
        theirs = answers_to(simulated, REQUESTS)
    finally:
        assert simulated.end() == 0
    ours = answers_to(site, REQUESTS)
    for request, our_answer, their_answer in zip(REQUESTS, ours, theirs, strict=True):
        assert our_answer.hex(" ") == their_answer.hex(" "), request.hex(" ")


def test_requests_in_one_segment_and_in_pieces_are_answered_each_once(site: Site) -> None:
    with raw_peer(site) as peer, peer.line() as line:
        line.say(b"".join(read_request(number) for number in range(16)))
        answers = line.hear().bytes
        assert len(answers) == 16 * (9 + 20)
        numbers = [struct.unpack_from(">H", answers, 29 * place)[0] for place in range(16)]
        assert numbers == list(range(16))
        request = read_request(99)
        for place in range(len(request)):
            line.say(request[place : place + 1])
        assert line.hear().bytes[:2] == b"\0\x63"


@pytest.mark.parametrize("header", [b"\0\1\0\1\0\6", b"\0\1\0\0\0\1", b"\0\1\0\0\1\0"])
def test_a_header_that_is_none_ends_the_connection(site: Site, header: bytes) -> None:
    with raw_peer(site) as peer, peer.line() as line:
        line.say(header)
        assert line.hear().ended


def test_a_request_that_does_not_end_ends_the_connection(site: Site) -> None:
    with raw_peer(site) as peer, peer.line() as line:
        line.say(read_request(1)[:9])
        assert line.hear(patience=30).ended


def test_its_own_limit_of_connections_holds(tmp_path: Path) -> None:
    site = start_site(rtos_spec(tmp_path, connections=2))
    try:
        with raw_peer(site) as peer, peer.line() as first, peer.line() as second:
            reads_right(site, first)
            reads_right(site, second)
            with peer.connect().socket as third:
                assert third.recv(1) == b""
            assert site.client.status().reachable, "its own read is no client"
            Deadline.after(20).wait_for("two clients", lambda: site.client.status().clients == 2)
    finally:
        assert site.end() == 0


def test_while_it_is_paused_it_answers_and_stands_still(site: Site) -> None:
    with raw_peer(site) as peer, peer.line() as line:
        snapshot = site.client.pause()
        status = site.client.status()
        assert (status.running, status.reachable) == (False, True)
        reads_right(site, line)
        assert site.client.snapshot().seq == snapshot.seq
        site.client.resume()
        Deadline.after(20).wait_for("steps", lambda: site.client.status().seq > snapshot.seq + 3)
        reads_right(site, line)
    numbers = [step.seq for step in site.client.steps()]
    assert numbers == sorted(set(numbers))


def test_a_checkpoint_holds_memory_connections_and_truth(tmp_path: Path) -> None:
    site = start_site(rtos_spec(tmp_path))
    try:
        with raw_peer(site) as peer, peer.line() as line:
            reads_right(site, line)
            line.ask(struct.pack(">HHHBBHH", 1, 0, 6, 1, 6, 100, 777))
            snapshot = site.client.pause()
            assert not site.client.status(Deadline.after(1)).running
            assert site.client.save(tmp_path / "saved").seq == snapshot.seq
            assert site.end() == 0
            assert (tmp_path / "saved/memory").stat().st_size > 10_000
            restore_device(tmp_path / "saved", site.spec.folder)
            site.restart()
            # The connection is part of what was saved, as the guests' ends of theirs are.
            reads_right(site, line, 4)
            answer = line.ask(struct.pack(">HHHBBHH", 5, 0, 6, 1, 3, 100, 1))
            assert answer[-2:] == struct.pack(">H", 777)
        Deadline.after(60).wait_for(
            "the next step", lambda: site.client.steps()[-1].seq > snapshot.seq
        )
        numbers = [step.seq for step in site.client.steps()]
        assert numbers == list(range(1, len(numbers) + 1))
        assert numbers[-1] > snapshot.seq
    finally:
        assert site.end() == 0


def test_after_the_end_of_its_process_the_steps_are_counted_on(tmp_path: Path) -> None:
    site = start_site(rtos_spec(tmp_path))
    try:
        before = site.client.steps()
        os.kill(site.process.pid, signal.SIGKILL)
        site.process.wait()
        site.restart()
        Deadline.after(30).wait_for("more", lambda: len(site.client.steps()) > len(before) + 3)
        numbers = [step.seq for step in site.client.steps()]
        assert numbers == sorted(set(numbers))
        assert numbers[: len(before)] == [step.seq for step in before]
    finally:
        assert site.end() == 0


def test_the_emulator_ends_with_its_device(tmp_path: Path) -> None:
    site = start_site(rtos_spec(tmp_path))
    (child,) = (
        Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    )
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()
    Deadline.after(20).wait_for(
        "the emulator has ended",
        lambda: (
            not Path(f"/proc/{child}").exists()
            or Path(f"/proc/{child}/stat").read_text().split(") ")[1].startswith("Z")
        ),
    )


def test_an_emulator_that_has_ended_is_an_error_of_the_lab(tmp_path: Path) -> None:
    site = start_site(rtos_spec(tmp_path))
    (child,) = (
        Path(f"/proc/{site.process.pid}/task/{site.process.pid}/children").read_text().split()
    )
    os.kill(int(child), signal.SIGKILL)
    assert site.process.wait(20) != 0
    assert "the emulator of boiler has ended" in site.log.read_text()


def test_what_is_written_is_in_the_truth_before_it_is_shown(site: Site) -> None:
    as_client([site], HERE / "modbus_client.py", "write")
    Deadline.after(20).wait_for(
        "a step with it", lambda: site.client.steps()[-1].values["setpoint"] == 655
    )
    records = list(site.client.truth())
    written = [place for place, each in enumerate(records) if is_setpoint(each)]
    shown = [place for place, each in enumerate(records) if shows(each, 655)]
    assert written[0] < shown[0]


def is_setpoint(record: TruthRecord) -> bool:
    return isinstance(record, TruthWrite) and (record.address, record.value) == ("100", 655)


def shows(record: TruthRecord, raw: int) -> bool:
    return isinstance(record, TruthStep) and record.values["setpoint"] == raw
