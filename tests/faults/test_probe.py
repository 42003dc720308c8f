"""Probes over a wire: what is asked, by whom, and what the answers mean."""

from __future__ import annotations

import socket
import subprocess

import pytest

from edge_lab.core.errors import LabError
from edge_lab.faults.probe import Burst, Question, WireProbe, parse_connect, parse_ping
from edge_lab.topology import Topology
from tests.ports import closed_port


def test_a_wire_is_asked_by_its_own_node_and_a_devices_by_a_neighbour(
    default_topology: Topology,
) -> None:
    def over(name: str) -> WireProbe:
        return WireProbe.over(default_topology, default_topology.link(name))

    assert over("arm-cloud") == WireProbe("edge-arm", "10.77.0.1")
    assert over("server-cloud") == WireProbe("server", "10.77.0.11")
    assert over("arm-plant") == WireProbe("edge-arm", "10.78.0.12")
    assert over("boiler-plant") == WireProbe("edge-arm", "10.78.0.101")


@pytest.mark.parametrize(
    ("output", "burst"),
    [
        (
            "3 packets transmitted, 3 received, 0% packet loss, time 401ms\n"
            "rtt min/avg/max/mdev = 1.500/2.000/40.000/0.100 ms\n",
            Burst(3, 3, 0.0015, 0.04),
        ),
        (
            "5 packets transmitted, 5 received, +2 duplicates, 0% packet loss, time 4005ms\n"
            "rtt min/avg/max/mdev = 1.000/2.000/3.000/0.100 ms\n",
            Burst(5, 5, 0.001, 0.003, 2),
        ),
        ("3 packets transmitted, 0 received, 100% packet loss, time 2042ms\n", Burst(3, 0)),
        (
            "3 packets transmitted, 2 packets received, 33% packet loss\n"
            "round-trip min/avg/max = 1.0/2.0/3.0 ms\n",
            Burst(3, 2, 0.001, 0.003),
        ),
        (
            "3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2039ms\npipe 3",
            Burst(3, 0),
        ),
        ("ping: connect: Network is unreachable\n", Burst(1, 0)),
    ],
)
def test_pings_summary_is_read(output: str, burst: Burst) -> None:
    assert parse_ping(output) == burst


def test_a_probe_that_says_nothing_is_a_lab_error_not_a_lost_frame() -> None:
    with pytest.raises(LabError):
        parse_ping("")
    for nothing in ("", "bash: no such thing\n"):
        with pytest.raises(LabError, match="unexpected output"):
            parse_connect(nothing)


def test_a_connection_is_seen_by_a_real_shell_and_so_is_a_refusal() -> None:
    probe = WireProbe("n", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert parse_connect(in_a_shell(probe.connect(port)))
    # A refusal has crossed the wire: it must never pass for a lost frame.
    with closed_port() as port:
        assert in_a_shell(probe.connect(port)).strip() == "refused"
    assert parse_connect("refused")
    assert not parse_connect("lost")


def in_a_shell(command: str) -> str:
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True).stdout


def test_ping_is_asked_for_whole_packets_of_a_size() -> None:
    question = Question(count=5, interval=0.01, packet=1400, wait=2)
    assert WireProbe("n", "10.0.0.1").ping(question) == (
        "ping -n -M do -c 5 -i 0.01 -W 2 -s 1372 10.0.0.1 2>&1"
    )


def test_a_burst_at_once_waits_for_no_answer_between_two_pings() -> None:
    question = Question(count=20, packet=1400, wait=2, at_once=True)
    assert WireProbe("n", "10.0.0.1").ping(question) == (
        "ping -n -M do -c 20 -l 20 -W 2 -s 1372 10.0.0.1 2>&1"
    )


def test_only_a_packet_that_is_longer_than_a_frame_goes_in_fragments() -> None:
    probe = WireProbe("n", "10.0.0.1")
    assert "-M do" in probe.ping(Question(packet=1500))
    assert "-M do" not in probe.ping(Question(packet=1501))


def test_a_ping_goes_on_for_a_while_and_tells_of_each_that_is_not_answered() -> None:
    assert WireProbe("n", "10.0.0.1").ping_on(0.05, 180.4) == (
        "exec ping -n -D -O -M do -i 0.05 -w 180 10.0.0.1 2>&1"
    )
