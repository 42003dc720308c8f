"""What an OPC UA client gets from a device with a fault, and once it is well."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.devices import DeviceFault, DeviceStatus, TruthStep
from edge_lab.devices.faults import (
    Exceptions,
    Gone,
    Junk,
    Late,
    SessionDrop,
    Slow,
    Split,
    Untrusted,
)
from edge_lab.pki import Authority, KeyKind
from tests.devices.plant_site import (
    HERE,
    Site,
    assert_failing_reads_leave_nothing_open,
    certificate,
    press_spec,
    require_namespaces,
    start_site,
    store,
)
from tests.devices.raw_peer import TRIES, RawPeer, raw_peer

pytestmark = pytest.mark.slow(reason="an OPC UA device and its clients as processes")


URL = b"opc.tcp://10.78.0.102:4840"
HELLO = struct.pack("<4s6I", b"HELF", 32 + len(URL), 0, 65_535, 65_535, 0, 0) + (
    struct.pack("<I", len(URL)) + URL
)
ACKNOWLEDGE = struct.pack("<4sI", b"ACKF", 28)
Scenario = Callable[[DeviceFault], dict[str, Any]]


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    store(folder, "client", authority.issue(certificate("sampler")))
    site = start_site(press_spec(folder, authority))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.fixture(scope="module")
def peer(press: Site) -> Iterator[RawPeer]:
    with raw_peer(press) as peer:
        yield peer


@pytest.fixture
def seen(press: Site, peer: RawPeer) -> Scenario:
    """Runs a client that reads before, under and after a fault; what was right is checked."""

    def run(fault: DeviceFault) -> dict[str, Any]:
        words = (fault.model_dump_json(), press.spec.folder.parent, press.spec.folder)
        try:
            found = peer.run(HERE / "opcua_fault_client.py", *map(str, words))
        except Exception:
            press.client.set_fault(None)  # else the next test finds it broken
            raise
        for name in ("status", "status later", "well"):
            found[name] = DeviceStatus.model_validate(found[name])
        assert found["status"].fault == fault
        assert_right(press, found["before"])
        assert_right(press, found["anew after"])
        assert found["well"].reachable
        assert (found["well"].fault, found["well"].affected) == (None, 0)
        return dict(found)

    return run


def assert_right(site: Site, reading: Any) -> None:
    """It is one step of the truth."""
    assert isinstance(reading, list), reading
    values, times, statuses, _ = reading
    assert statuses == ["Good"]
    step = {step.seq: step for step in site.client.steps()}[values["sequence"]]
    assert {name: values[name] for name in step.values} == step.values
    assert times == [step.time]


# -- as a client sees it -----------------------------------------------------------------


def test_values_of_a_failing_device_are_bad(seen: Scenario, press: Site) -> None:
    found = seen(Exceptions())
    assert not found["status"].reachable
    assert "BadDeviceFailure" in found["status"].trouble
    for reading in (found["standing"], found["anew"]):
        values, _, statuses, _ = reading
        assert statuses == ["BadDeviceFailure"]
        assert set(values.values()) == {None}
    # Two times six values and a sequence number, and those that the device has read itself.
    assert found["status later"].affected >= 2 * 7 + 2
    assert "BadDeviceFailure" in found["subscribed"]
    assert "Good" in found["subscribed after"]
    assert_right(press, found["standing after"])


def test_no_client_gets_in_where_none_is_trusted_but_the_device_itself(seen: Scenario) -> None:
    found = seen(Untrusted())
    assert found["status"].reachable
    assert found["status"].affected == 1
    assert found["standing"] == "ConnectionError"
    assert found["anew"] == "BadCertificateUntrusted"
    assert found["status later"].reachable
    assert found["status later"].refused == found["status"].refused + 1
    assert found["status later"].affected == 2


def test_a_dropped_session_can_be_made_again(seen: Scenario, press: Site) -> None:
    found = seen(SessionDrop())
    assert found["status"].affected == 1
    assert found["standing"] == "ConnectionError"
    assert_right(press, found["anew"])


def test_a_slow_session_is_a_right_one(seen: Scenario, press: Site) -> None:
    found = seen(Slow(delay_ms=100))
    assert found["status"].reachable
    assert found["status"].answer_ms is not None
    assert found["status"].answer_ms > 5 * 100
    assert found["standing"][-1] >= 0.1
    assert_right(press, found["standing"])
    assert_right(press, found["standing after"])


def test_a_library_puts_split_answers_together(seen: Scenario, press: Site) -> None:
    found = seen(Split(pieces=5, gap_ms=20))
    assert found["standing"][-1] >= 0.08
    assert_right(press, found["standing"])
    assert_right(press, found["standing after"])


def test_junk_ends_a_session(seen: Scenario) -> None:
    found = seen(Junk())
    assert not found["status"].reachable
    assert found["status"].affected > 0
    assert found["standing"] in ("ConnectionError", "TimeoutError")
    assert found["anew"] in ("ConnectionError", "TimeoutError")


def test_a_device_that_is_gone_comes_back(seen: Scenario) -> None:
    found = seen(Gone(how="refused"))
    assert not found["status"].reachable
    assert (found["standing"], found["anew"]) == ("ConnectionError", "ConnectionRefusedError")


def test_a_silent_device_comes_back(seen: Scenario) -> None:
    found = seen(Gone())
    assert not found["status"].reachable
    assert (found["standing"], found["anew"]) == ("TimeoutError", "TimeoutError")
    assert found["status later"].frames_out == found["status"].frames_out


# -- as it is on the wire ----------------------------------------------------------------


def test_answers_are_late_split_and_junk_on_the_wire_too(press: Site, peer: RawPeer) -> None:
    def hear(fault: DeviceFault | None, tries: int = 1) -> tuple[list[bytes], list[float]]:
        press.client.set_fault(fault, Deadline.after(0.3))
        try:
            for _ in range(tries):
                with peer.line() as line:
                    heard = line.answer(HELLO)
                    while len(heard.bytes) < 28 and not heard.ended:
                        heard = heard.with_more(line.hear())
                if len(heard.portions) == 4:
                    break
            return list(heard.portions), list(heard.times)
        finally:
            assert press.client.set_fault(None).reachable

    (right,), (soon,) = hear(None)
    assert right.startswith(ACKNOWLEDGE)
    assert len(right) == 28
    limit = Deadline.after(60)
    limit.wait_for("an answer that is not late", lambda: soon < 0.4 or hear(None)[1][0] < 0.4)
    (late,), (when,) = hear(Slow(delay_ms=400))
    assert late == right
    assert when >= 0.4
    pieces, times = hear(Split(pieces=4, gap_ms=150), TRIES)
    assert [len(piece) for piece in pieces] == [7, 7, 7, 7]
    assert b"".join(pieces) == right
    assert times[-1] - times[0] >= 0.4
    (odd,), _ = hear(Junk())
    assert len(odd) == len(right)
    assert not odd[:3].isalpha()
    assert hear(None)[0] == [right]


def test_connections_are_dropped_again_each_period_until_it_is_well(
    press: Site, peer: RawPeer
) -> None:
    press.client.set_fault(SessionDrop(period_s=0.2), Deadline.after(1.0))
    for _ in range(2):
        with peer.line() as line:
            assert line.hear().ended == "closed"
    assert press.client.status().affected >= 2
    press.client.set_fault(None)
    with peer.line() as line:
        assert line.is_silent()


def test_the_steps_that_cannot_be_read_are_those_of_the_seed(press: Site) -> None:
    press.client.set_fault(Exceptions(probability=0.5, seed=4))
    try:
        met: set[bool] = set()
        began = time.monotonic()
        while len(met) < 2 and time.monotonic() - began < 60:
            met.add(press.client.status().reachable)
        assert met == {True, False}
    finally:
        press.client.set_fault(None)


# -- the rest ----------------------------------------------------------------------------


def test_reads_of_itself_that_fail_leave_nothing_open(press: Site) -> None:
    assert_failing_reads_leave_nothing_open(press)


def test_a_kind_of_modbus_is_refused(press: Site) -> None:
    with pytest.raises(InputError, match="'late' does not exist on opcua") as caught:
        press.client.set_fault(Late())
    assert "modbus-tcp" in str(caught.value)
    assert press.client.status().fault is None


def test_the_truth_and_the_log_are_in_order_when_all_is_over(press: Site) -> None:
    steps = [record for record in press.client.truth() if isinstance(record, TruthStep)]
    assert [step.seq for step in steps] == list(range(1, len(steps) + 1))
    assert None not in {value for step in steps for value in step.values.values()}
    assert "Traceback" not in press.log.read_text()
