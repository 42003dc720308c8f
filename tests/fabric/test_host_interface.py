"""A real port on a wire: a stack behind a cable, and everything that is done with links."""

from __future__ import annotations

import contextlib
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.points import read_block
from edge_lab.fabric import CLEAR, DirectionState, LinkConfig
from edge_lab.fabric.capture import Capture
from edge_lab.fabric.config import FabricConfig
from edge_lab.fabric.counters import Reason
from edge_lab.fabric.offload import ones_complement_sum
from tests.fabric.captured import frames_of
from tests.fabric.host_site import (
    BOILER,
    HEAR,
    NODE,
    NODE_LINK,
    NODE_NIC,
    PORT,
    READ,
    RECEIVE,
    SAY,
    SEND,
    STATION,
    STATION_LINK,
    STATION_NIC,
    HostSite,
)
from tests.namespaces import Namespace, connect, new_namespace

SENDER, UNKNOWN = b"\x02\0\0\0\0\x77", b"\x02\0\0\0\0\x99"
PLAIN = b"\xff" * 6 + SENDER + b"\x88\xb5" + bytes(46)
TAGGED = PLAIN[:12] + b"\x81\x00\x60\x07" + PLAIN[12:]
"""In the VLAN 7, with priority 3."""

pytestmark = pytest.mark.slow(reason="a fabric, a device and two network stacks as processes")


@contextlib.contextmanager
def captured(port_site: HostSite, file: Path) -> Iterator[list[bytes]]:
    """The frames of the station's link: after the block, in the list."""
    frames: list[bytes] = []
    with Capture.to(port_site.fabric, STATION_LINK, str(file)) as capture:
        yield frames
    capture.end().check()
    frames += frames_of(file)


def pings(place: Namespace, address: str, *options: str) -> bool:
    words = ("ping", "-n", "-c", "2", "-i", "0.2", "-W", "2", *options, address)
    return place.try_run(*words).returncode == 0


def answers(place: Namespace, address: str, *options: str) -> bool:
    """Whether it is answered in the end, on a host that may be busy."""
    Deadline.after(60).wait_for("an answer", lambda: pings(place, address, *options), every=0.1)
    return True


def is_tcp(frame: bytes) -> bool:
    return frame[12:14] == b"\x08\x00" and frame[23] == 6


def tcp_checksum_fits(frame: bytes) -> bool:
    length = int.from_bytes(frame[16:18], "big")
    segment = frame[34 : 14 + length]
    pseudo = frame[26:34] + struct.pack(">HH", 6, len(segment))
    return ones_complement_sum(pseudo + segment) == 0xFFFF


def test_it_pings_and_is_pinged(port_site: HostSite) -> None:
    assert answers(port_site.station, BOILER)
    assert answers(port_site.station, NODE)
    assert answers(port_site.node, STATION)


def test_the_host_itself_has_no_part_in_it(port_site: HostSite) -> None:
    assert not pings(port_site.outer, STATION)


def test_it_reads_what_a_device_shows(port_site: HostSite) -> None:
    words = [int(word) for word in port_site.station.python(READ, BOILER).split()]
    seq, raw = read_block(PLANTS["boiler"].points, words)
    assert raw == {step.seq: step for step in port_site.boiler.steps()}[seq].values


@pytest.mark.parametrize("to_port", [True, False])
def test_a_transfer_with_offloads_arrives_as_it_was_sent(
    port_site: HostSite, tmp_path: Path, to_port: bool
) -> None:
    source, target, address = (
        (port_site.node, port_site.station, STATION)
        if to_port
        else (port_site.station, port_site.node, NODE)
    )
    with (
        captured(port_site, tmp_path / "transfer.pcapng") as frames,
        target.running(sys.executable, "-c", RECEIVE, address) as receiver,
    ):
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        sent = source.python(SEND, address, str(4_000_000))
        assert receiver.stdout.readline() == sent
    assert max(map(len, frames)) == 1514
    wrong = [frame for frame in frames if is_tcp(frame) and not tcp_checksum_fits(frame)]
    assert not wrong


@pytest.mark.parametrize("to_port", [True, False])
def test_a_tagged_frame_keeps_its_tag(port_site: HostSite, tmp_path: Path, to_port: bool) -> None:
    source, nic = (port_site.node, NODE_NIC) if to_port else (port_site.station, STATION_NIC)
    target, other = (port_site.station, STATION_NIC) if to_port else (port_site.node, NODE_NIC)
    with (
        captured(port_site, tmp_path / "tagged.pcapng") as frames,
        target.running(sys.executable, "-c", HEAR, other) as hearer,
    ):
        assert hearer.stdout is not None
        assert hearer.stdout.readline() == "ready\n"
        source.python(SAY, nic, TAGGED.hex(), PLAIN.hex())
        heard = [hearer.stdout.readline().strip() for _ in range(2)]
    assert heard == ["7 3", "none"]
    assert [frame for frame in frames if frame[6:12] == TAGGED[6:12]] == [TAGGED, PLAIN]


def test_a_frame_that_is_too_long_for_the_port_is_counted(port_site: HostSite) -> None:
    def dropped() -> int:
        return port_site.fabric.link(STATION_LINK).counters.rx.dropped.get(Reason.MTU, 0)

    before = dropped()
    port_site.node.run("ip", "link", "set", NODE_NIC, "mtu", "9000")
    try:
        assert not pings(port_site.node, STATION, "-M", "do", "-s", "8000")
        refused = dropped()
        assert refused > before
        for place, nic in ((port_site.outer, PORT), (port_site.station, STATION_NIC)):
            place.run("ip", "link", "set", nic, "mtu", "9000")
        assert answers(port_site.node, STATION, "-M", "do", "-s", "8000")
        assert dropped() == refused
    finally:
        for place, nic in (
            (port_site.node, NODE_NIC),
            (port_site.outer, PORT),
            (port_site.station, STATION_NIC),
        ):
            place.run("ip", "link", "set", nic, "mtu", "1500")


def test_a_port_that_goes_down_and_comes_again_goes_on(port_site: HostSite) -> None:
    assert answers(port_site.node, STATION)
    port_site.outer.run("ip", "link", "set", PORT, "down")
    try:
        assert not pings(port_site.node, STATION)
    finally:
        port_site.outer.run("ip", "link", "set", PORT, "up")
    assert answers(port_site.node, STATION)


def test_frames_of_others_are_taken_too(port_site: HostSite) -> None:
    """What a bridge or a gateway behind the port forwards has other source addresses."""
    before = port_site.fabric.link(NODE_LINK).counters.rx.frames
    port_site.station.python(SAY, STATION_NIC, PLAIN.hex(), (UNKNOWN + PLAIN[6:]).hex())
    assert answers(port_site.station, NODE)
    assert port_site.fabric.link(NODE_LINK).counters.rx.frames >= before + 2


def test_a_state_of_the_link_acts_on_it(port_site: HostSite) -> None:
    port_site.fabric.set(STATION_LINK, tx=DirectionState(loss=1))
    try:
        assert not pings(port_site.station, BOILER)
    finally:
        port_site.fabric.set(STATION_LINK, tx=CLEAR)
    assert answers(port_site.station, BOILER)


# -- what is refused ---------------------------------------------------------------------


def start(outer: Namespace, folder: Path, *before: str) -> tuple[int, str]:
    """Exit code and error of a fabric that cannot start."""
    config = folder / "refused.json"
    link = LinkConfig(name="x", network="plant", interface=PORT)
    FabricConfig(networks=("plant",), links=(link,)).write(config)
    words = (sys.executable, "-m", "edge_lab.fabric", "--config", str(config))
    done = outer.try_run(*before, *words, "--socket", str(folder / "s"))
    return done.returncode, done.stderr


@pytest.fixture
def port(tmp_path: Path) -> Iterator[Namespace]:
    """A namespace with a port that nobody uses yet."""
    with new_namespace() as outer, new_namespace(outer) as far:
        connect(outer, PORT, far, STATION_NIC)
        yield outer


def test_an_interface_that_the_host_uses_is_refused(port: Namespace, tmp_path: Path) -> None:
    port.run("ip", "address", "add", "10.9.9.9/24", "dev", PORT)
    code, error = start(port, tmp_path)
    assert code == 2
    assert "10.9.9.9/24" in error


def test_without_the_capability_it_says_how_to_get_it(port: Namespace, tmp_path: Path) -> None:
    code, error = start(port, tmp_path, "setpriv", "--bounding-set=-net_raw", "--")
    assert code == 3
    assert "CAP_NET_RAW" in error
    assert "setpriv" in error
