"""A Modbus device that is gone: refusing, silent, and back again."""

from __future__ import annotations

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.devices.faults import Gone
from tests.devices.modbus_site import boiler, fault, peer, read_request, reads_right
from tests.devices.plant_site import Site
from tests.devices.raw_peer import Heard, RawPeer

pytestmark = pytest.mark.slow(reason="a device as a process, asked on a wire of its own")

__all__ = ["boiler", "peer"]


def test_a_device_that_refuses_closes_what_stands_and_comes_back(
    boiler: Site, peer: RawPeer
) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Gone(how="refused")) as status:
            assert not status.reachable
            assert status.affected == 1
            assert status.clients == 0
            assert line.hear().ended
            with pytest.raises(ConnectionRefusedError):
                peer.connect()
            assert "52:54:00:ed:00:06" in peer.neighbours()
    with peer.line() as line:
        reads_right(boiler, line)


def test_a_silent_device_is_not_on_the_wire_any_more(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        peer.forget()
        reads_right(boiler, line)
        assert "52:54:00:ed:00:06" in peer.neighbours()
        with fault(boiler, Gone()) as status:
            assert not status.reachable
            assert status.answer_ms is None
            assert (status.affected, status.clients) == (1, 0)
            line.say(read_request(1))
            assert line.is_silent()
            peer.forget()
            with pytest.raises(OSError, match=r"timed out|No route"):
                peer.connect(seconds=1.0)
            assert "52:54:00:ed:00:06" not in peer.neighbours()
            assert boiler.client.status().frames_out == status.frames_out
        # As of a device that was switched on again: it does not know this connection. The kernel
        # may have repeated the first request already, and got the answer to that.
        try:
            line.say(read_request(2))
            assert line.hear().ended == "reset"
        except ConnectionResetError:
            pass
    with peer.line() as line:
        reads_right(boiler, line)


def test_a_device_without_power_for_a_moment_takes_no_leave(boiler: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        reads_right(boiler, line)
        with fault(boiler, Gone()):
            pass
        # The kernel would repeat a farewell that was lost, within a fraction of a second.
        assert line.hear(patience=1.0) == Heard()
        line.say(read_request(1))
        assert line.hear().ended == "reset"


def test_steps_go_on_while_a_device_is_gone(boiler: Site) -> None:
    with fault(boiler, Gone()):
        before = boiler.client.snapshot().seq
        Deadline.after(60).wait_for("steps", lambda: boiler.client.snapshot().seq > before + 3)
