"""The fabric as a process, with real sockets on loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.fabric import (
    CLEAR,
    CUT,
    DirectionState,
    Mode,
    Reason,
)

from .started import LINKS, PATIENCE, Started, command
from .wires import ACK, BROADCAST, SYN, frame, tcp

slow = pytest.mark.slow(reason="a fabric as a process for it alone")


def silent(end: socket.socket, seconds: float = 0.1) -> bool:
    """Whether nothing comes."""
    end.settimeout(seconds)
    try:
        end.recv(65_536)
    except TimeoutError:
        return True
    finally:
        end.settimeout(PATIENCE)
    return False


def test_frames_of_all_lengths_pass_and_are_switched(fabric: Started) -> None:
    first, second, third = fabric.ends
    first.send(frame(0, BROADCAST))
    assert second.recv(99) == third.recv(99) == frame(0, BROADCAST)
    for length in (14, 60, 1514, 9000, 65_507):
        data = frame(1, 0).ljust(length, b"z")
        second.send(data)
        assert first.recv(65_536) == data
    assert silent(third)
    assert silent(second, 0.01)


@slow
def test_a_burst_of_mixed_lengths_arrives_in_order(fabric: Started) -> None:
    first, second, _ = fabric.ends
    second.send(frame(1, 0))
    first.recv(99)
    sent = [
        frame(0, 1, bytes([n])).ljust(length, b"q")
        for n, length in enumerate([60, 60, 1514, 1514, 1514, 700, 1514, 60, 9000, 9000, 61] * 4)
    ]
    for data in sent:
        first.send(data)
    assert [second.recv(65_536) for _ in sent] == sent


def test_a_cut_is_active_when_set_returns(fabric: Started) -> None:
    first, second, _ = fabric.ends
    for _ in range(20):
        assert fabric.client.set("l0", tx=CUT).tx == CUT
        first.send(frame(0, BROADCAST))
        second.send(frame(1, BROADCAST))
        assert first.recv(99) == frame(1, BROADCAST)
        fabric.client.heal("l0")
        first.send(frame(0, BROADCAST, b"healed"))
        assert second.recv(99) == frame(0, BROADCAST, b"healed")
    assert fabric.client.counters()["l0"].tx.dropped == {Reason.CUT: 20}


def test_delay_and_loss_are_felt_on_real_sockets(fabric: Started) -> None:
    first, second, _ = fabric.ends
    fabric.client.set("l0", tx=DirectionState(delay_ms=30))
    before = time.monotonic()
    first.send(frame(0, BROADCAST))
    second.recv(99)
    assert time.monotonic() - before >= 0.030
    fabric.client.set("l0", tx=DirectionState(loss=0.5))
    for _ in range(200):
        first.send(frame(0, BROADCAST))
    Deadline.after(PATIENCE).wait_for(
        "all have been seen", lambda: fabric.client.link("l0").counters.tx.frames == 201
    )
    assert 50 < fabric.client.link("l0").counters.tx.dropped[Reason.LOSS] < 150


@slow
def test_copies_and_flipped_bits_go_over_real_sockets(fabric: Started) -> None:
    first, second, third = fabric.ends
    fabric.client.set("l0", tx=DirectionState(duplicate=1))
    fabric.client.set("l1", rx=DirectionState(corrupt=1, delay_ms=1))
    sent = [frame(0, BROADCAST, bytes([n]) * (20 + n % 3)) for n in range(60)]
    for data in sent:
        first.send(data)
    twice = [data for data in sent for _ in range(2)]
    assert [third.recv(99) for _ in twice] == twice
    for data in twice:
        came = second.recv(99)
        assert len(came) == len(data)
        assert (int.from_bytes(came) ^ int.from_bytes(data)).bit_count() == 1
    counters = fabric.client.counters()
    assert (counters["l0"].tx.frames, counters["l0"].tx.copies) == (60, 60)
    assert counters["l1"].rx.corrupted == 120


@slow
def test_half_open_comes_back_from_a_snapshot_with_its_connections(fabric: Started) -> None:
    first, second, _ = fabric.ends
    fabric.client.set("l0", tx=DirectionState(mode=Mode.HALF_OPEN))
    first.send(tcp(SYN))
    assert second.recv(99) == tcp(SYN)
    snapshot = json.loads(json.dumps(fabric.client.snapshot()))
    fabric.client.heal()
    fabric.client.load(snapshot)
    first.send(tcp(ACK, 40_001))
    first.send(tcp(ACK))
    assert second.recv(99) == tcp(ACK)
    assert fabric.client.counters()["l0"].tx.dropped == {Reason.HALF_OPEN: 1}


@slow
def test_an_endpoint_that_is_not_up_costs_only_its_own_frames(fabric: Started) -> None:
    first, second, third = fabric.ends
    third.close()
    for n in range(50):
        first.send(frame(0, BROADCAST, bytes([n])))
        assert second.recv(99) == frame(0, BROADCAST, bytes([n]))
    refused = fabric.client.counters()["l2"].rx.dropped[Reason.UNREACHABLE]
    assert 49 <= refused <= 50  # the kernel tells of the first only after it was sent
    again = fabric.ends[2] = fabric.endpoint(2)
    first.send(frame(0, BROADCAST, b"hello"))
    assert again.recv(99) == frame(0, BROADCAST, b"hello")
    again.send(frame(2, BROADCAST))
    assert first.recv(99) == frame(2, BROADCAST)


@slow
def test_a_stranger_cannot_put_frames_on_a_wire(fabric: Started) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(frame(9, BROADCAST), ("127.0.0.1", fabric.pairs[0][0]))
    assert silent(fabric.ends[1])


@slow
def test_a_snapshot_is_json_and_comes_back(fabric: Started) -> None:
    slow = DirectionState(delay_ms=20, loss=0.01)
    fabric.client.set("l1", tx=slow, rx=CUT)
    snapshot = json.loads(json.dumps(fabric.client.snapshot()))
    fabric.client.heal()
    fabric.client.reseed(99)
    assert fabric.client.link("l1").tx == CLEAR
    fabric.client.load(snapshot)
    assert (fabric.client.link("l1").tx, fabric.client.link("l1").rx) == (slow, CUT)
    assert fabric.client.snapshot() == snapshot
    with pytest.raises(InputError, match="not a snapshot"):
        fabric.client.load({"seed": 1})


def test_errors_come_back_as_messages(fabric: Started) -> None:
    with pytest.raises(InputError, match="Available: l0, l1, l2"):
        fabric.client.set("nope", tx=CUT)
    with socket.socket(socket.AF_UNIX) as raw:
        raw.connect(str(fabric.client.socket_path))
        answers = raw.makefile("rb")
        for request, words in (
            (b"rubbish", "Invalid JSON"),
            (b'{"op": "explode"}', "explode"),
            (b'{"op": "set", "link": "l0", "tx": {"loss": 2}}', "less than or equal to 1"),
            (b'{"op": "set", "link": "l0", "tx": {"delay_ms": -1}}', "greater than or equal"),
            (b'{"op": "set", "link": "l0", "tx": {"match": {}}}', "it needs mode drop, not pass"),
        ):
            raw.sendall(request + b"\n")
            trouble = json.loads(answers.readline())["trouble"]
            assert trouble["kind"] == "input"
            assert words in trouble["message"]
        answers.close()
    assert fabric.client.ping().links == LINKS


@slow
def test_many_threads_may_ask_at_once_while_frames_flow(fabric: Started) -> None:
    wrong: list[Exception] = []

    def ask() -> None:
        try:
            for _ in range(30):
                fabric.client.set("l2", rx=DirectionState(delay_ms=1))
                fabric.client.links()
        except Exception as trouble:  # noqa: BLE001 - told to the main thread
            wrong.append(trouble)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for n in range(200):
        fabric.ends[0].send(frame(0, BROADCAST, n.to_bytes(2, "big")))
    got = [fabric.ends[1].recv(99)[14:] for _ in range(200)]
    for thread in threads:
        thread.join(PATIENCE)
    assert wrong == []
    assert got == [n.to_bytes(2, "big") for n in range(200)]


@slow
def test_it_sleeps_when_nothing_happens(fabric: Started) -> None:
    fabric.client.set("l0", tx=DirectionState(delay_ms=5))
    fabric.ends[0].send(frame(0, BROADCAST))
    fabric.ends[1].recv(99)
    stat = Path(f"/proc/{fabric.process.pid}/stat")

    def ticks() -> int:
        return sum(map(int, stat.read_text().rpartition(")")[2].split()[11:13]))

    before = ticks()
    time.sleep(0.5)
    assert ticks() - before <= 2


@slow
def test_ending_it_removes_the_socket(fabric: Started) -> None:
    fabric.process.send_signal(signal.SIGTERM)
    assert fabric.process.wait(PATIENCE) == 0
    assert not fabric.client.socket_path.exists()
    with pytest.raises(LabError, match="no fabric answers"):
        fabric.client.links()
    with pytest.raises(DeadlineExceeded, match="no fabric answers"):
        fabric.client.wait_ready(Deadline.after(0.1))


@slow
def test_a_killed_fabric_leaves_nothing_in_the_way_of_the_next(fabric: Started) -> None:
    fabric.process.kill()
    fabric.process.wait(PATIENCE)
    assert fabric.client.socket_path.exists()
    if fabric.process.stderr:
        fabric.process.stderr.close()
    fabric.process = fabric.start()
    assert fabric.client.wait_ready(Deadline.after(PATIENCE)).pid == fabric.process.pid


@slow
def test_a_busy_port_is_named_with_what_to_do(fabric: Started) -> None:
    other = subprocess.run(
        command(fabric.config, fabric.folder / "other"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert other.returncode == 3
    port = fabric.pairs[0][0]
    assert f"UDP port {port} on 127.0.0.1" in other.stderr
    assert f"ss -ulpn sport = :{port}" in other.stderr
    assert "Traceback" not in other.stderr
    assert not (fabric.folder / "other").exists()


@slow
def test_a_second_fabric_does_not_take_the_socket_of_the_first(
    fabric: Started, tmp_path: Path
) -> None:
    config = tmp_path / "none.json"
    config.write_text('{"networks": [], "links": []}')
    other = subprocess.run(
        command(config, fabric.client.socket_path),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert other.returncode == 3
    assert "another fabric listens" in other.stderr
    assert fabric.client.ping().pid == fabric.process.pid


@slow
def test_a_wrong_configuration_ends_it_with_code_2(tmp_path: Path) -> None:
    config = tmp_path / "fabric.json"
    config.write_text("{}")
    done = subprocess.run(
        command(config, tmp_path / "control"),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert f"{config}: networks: Field required" in done.stderr
