"""The same faults on a simulated device and on one that is firmware: what a client meets.

Each is a row of one table: the fault, what becomes of a connection that stands, what the next one
meets, and by what the device says that it started again.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices.control import DeviceStatus
from edge_lab.devices.faults import AnyFault, BrownOut, Busy, Gone, Hang, Reset, SlowClock
from edge_lab.devices.points import COILS
from edge_lab.devices.truth import TruthWrite
from edge_lab.faults.families.device.kinds import STEPS_FOR_A_CLOCK
from edge_lab.faults.families.device.proofs import proof_of
from tests.devices.modbus_site import assert_right, read_request, reads_right, write_request
from tests.devices.plant_site import Site, boiler_spec, require_namespaces, start_site
from tests.devices.raw_peer import QUIET, Heard, Line, RawPeer, raw_peer
from tests.devices.rtos_site import rtos_spec

pytestmark = pytest.mark.slow(reason="devices as processes, one with an emulated board")

SECONDS = 30.0
"""For a device to have started again, on a busy machine; the firmware takes one."""
PERIOD_MS = 100


@pytest.fixture(scope="module", params=["simulated", "firmware"])
def device(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    spec = rtos_spec if request.param == "firmware" else boiler_spec
    site = start_site(spec(folder, PERIOD_MS))
    yield site
    assert site.end() == 0, site.log.read_text()


@pytest.fixture(scope="module")
def peer(device: Site) -> Iterator[RawPeer]:
    with raw_peer(device) as peer:
        yield peer


def seen(site: Site, fault: AnyFault, before: DeviceStatus) -> DeviceStatus:
    """The status that proves the fault, as the injector looks for it."""
    proof = proof_of(fault)

    def shows() -> DeviceStatus | None:
        now = site.client.status(Deadline.after(SECONDS))
        if proof.away:
            return None if now.reachable else now
        return now if now.affected and proof.met(fault, now, before) else None

    return Deadline.after(SECONDS).wait_for(f"{fault} is seen", shows)


@contextlib.contextmanager
def fault(site: Site, does: AnyFault) -> Iterator[DeviceStatus]:
    """The device does it; the status is from before."""
    before = site.client.status()
    assert site.client.set_fault(does).fault == does
    try:
        yield before
    finally:
        site.client.set_fault(None)
        site.ready()


def connect(peer: RawPeer) -> Line:
    """A connection with the device as soon as it takes one again."""
    return Deadline.after(SECONDS).wait_for(
        "a connection", lambda: peer.connect(2.0), transient=(OSError,)
    )


def is_forgotten(line: Line) -> bool:
    """Whether the device does not know the connection any more: what is sent is answered by a
    reset. A reset says nothing of when it happened."""
    try:
        line.say(read_request(77))
        return line.hear().ended == "reset"
    except (ConnectionResetError, BrokenPipeError):
        return True


def sequence(site: Site) -> list[int]:
    return [step.seq for step in site.client.steps()]


@dataclass(frozen=True)
class Row:
    does: AnyFault
    forgets: bool
    """Whether connections are forgotten."""
    starts: bool
    """Whether the device starts again by itself."""
    factory: bool = False
    """Whether its setpoint and coils are lost."""


TABLE = [
    Row(Reset(), forgets=True, starts=True),
    Row(BrownOut(off_ms=300), forgets=True, starts=True, factory=True),
    Row(Hang(), forgets=True, starts=True),
    Row(SlowClock(rate=0.4), forgets=False, starts=False),
    Row(Busy(connections=1), forgets=False, starts=False),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.does.kind)
def test_a_fault_is_proved_and_the_device_is_well_afterwards(
    device: Site, peer: RawPeer, row: Row
) -> None:
    with peer.line() as line:
        line.ask(write_request(1, 655))
        line.ask(struct.pack(">HHHBBHH", 2, 0, 6, 1, 5, COILS - 1, 0xFF00))
        reads_right(device, line)
        with fault(device, row.does) as before:
            after = seen(device, row.does, before)
            assert (after.boots > before.boots) == row.starts
            if row.forgets:
                assert is_forgotten(line)
            else:
                reads_right(device, line, 10)
    with connect(peer).socket as again:
        line = Line(again)
        reads_right(device, line, 11)
        setpoint = line.ask(struct.pack(">HHHBBHH", 12, 0, 6, 1, 3, 100, 1))
        coils = line.ask(struct.pack(">HHHBBHH", 13, 0, 6, 1, 1, 0, COILS))
    assert struct.unpack(">H", setpoint[-2:]) == (700 if row.factory else 655,)
    assert coils[-2:] == (b"\0\0" if row.factory else b"\0\x80")
    numbers = sequence(device)
    assert numbers == sorted(set(numbers)), "no step is shown twice"


def test_without_a_fault_nothing_of_it_is_seen(device: Site, peer: RawPeer) -> None:
    """The negative control of the table: the same looks at a device that is well."""
    before = device.client.status()
    with peer.line() as line:
        reads_right(device, line)
        Deadline.after(SECONDS).wait_for(
            "steps",
            lambda: device.client.status().seq > before.seq + STEPS_FOR_A_CLOCK,
        )
        now = device.client.status()
        assert now.affected == 0
        # Nor would it be enough if something were counted.
        counting = now.model_copy(update={"affected": 99})
        for row in TABLE:
            if row.starts or isinstance(row.does, SlowClock):
                assert not proof_of(row.does).met(row.does, counting, before)
        assert not is_forgotten(line)


def test_a_reset_strikes_between_a_request_and_its_answer(device: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(device, line)
        # The device's own read would be struck by it: so none is made until the client's was.
        with fault(device, Reset(period_s=0.5)) as before:
            heard = Heard()
            for number in range(100):
                try:
                    line.say(read_request(number))
                    heard = line.hear(patience=1.0)
                except ConnectionError:
                    heard = Heard(ended="reset")
                if heard.ended or not heard.portions:
                    break
                assert_right(device, heard.bytes, number)
            assert not heard.portions
            seen(device, Reset(), before)


def test_who_hangs_takes_connections_and_answers_nothing(device: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(device, line)
        with fault(device, Hang()) as before:
            line.say(read_request(1))
            with peer.connect(2.0).socket as fresh:
                Line(fresh).say(read_request(2))
                assert not Line(fresh).hear(patience=QUIET).portions
            assert not line.hear(patience=QUIET).portions
            assert seen(device, Hang(), before).boots == before.boots + 1


def test_a_device_without_power_is_not_on_the_wire(device: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(device, line)
        with fault(device, Gone()) as before:
            seen(device, Gone(), before)
            line.say(read_request(1))
            assert line.is_silent()
            peer.forget()
            with pytest.raises(OSError, match=r"timed out|No route"):
                peer.connect(1.0)
    with connect(peer).socket as again:
        reads_right(device, Line(again))


def test_a_device_that_refuses_closes_what_stands(device: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(device, line)
        with fault(device, Gone(how="refused")) as before:
            assert seen(device, Gone(how="refused"), before)
            assert line.hear().ended
            with pytest.raises(ConnectionRefusedError):
                peer.connect()


def test_more_clients_than_allowed_are_closed_and_the_others_served(
    device: Site, peer: RawPeer
) -> None:
    with peer.line() as first:
        reads_right(device, first)
        with fault(device, Busy(connections=1)):
            with peer.connect().socket as second:
                assert Line(second).hear().ended
            reads_right(device, first)
    with peer.line() as first, peer.line() as second:
        reads_right(device, first)
        reads_right(device, second)


def test_a_write_that_a_reset_leaves_open_is_in_the_ground_truth_or_not_done(
    device: Site, peer: RawPeer
) -> None:
    """A client cannot know; the ground truth does."""
    with connect(peer).socket as plain:
        Line(plain).ask(write_request(1, 700))
    with connect(peer).socket as plain, fault(device, Reset()) as before:
        with contextlib.suppress(ConnectionError):
            Line(plain).say(write_request(2, 811))
        seen(device, Reset(), before)
    written = [each.value for each in device.client.truth() if isinstance(each, TruthWrite)]
    with connect(peer).socket as plain:
        answer = Line(plain).ask(struct.pack(">HHHBBHH", 12, 0, 6, 1, 3, 100, 1))
        Line(plain).ask(write_request(3, 700))
    (setpoint,) = struct.unpack(">H", answer[-2:])
    assert (setpoint == 811) == (811 in written)
