"""Forwards frames from link to link. Independent of sockets, clocks and the control protocol.

The path of a frame: its sender's wire, its sender's link `tx`, the switch of the network,
the receiver's link `rx`, the receiver's wire.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from edge_lab.core.errors import InputError, named
from edge_lab.fabric.config import FabricConfig, LinkConfig
from edge_lab.fabric.counters import LinkCounters, Reason
from edge_lab.fabric.feed import CaptureFeed
from edge_lab.fabric.framebuffer import (
    SHORTEST,
    FrameBuffer,
    FrameBufferPool,
    Run,
    count,
    join,
    slots,
)
from edge_lab.fabric.pcapng import packets
from edge_lab.fabric.pipe import Pipe
from edge_lab.fabric.snapshots import FabricSnapshot, LinkSnapshot
from edge_lab.fabric.stages import TICK_NS, Clipboard, Flight
from edge_lab.fabric.state import CLEAR, Direction, DirectionState, Mode
from edge_lab.fabric.status import LinkStatus
from edge_lab.fabric.switch import Switch
from edge_lab.fabric.timerqueue import TimerQueue
from edge_lab.fabric.wire import Wire

_LEAST_ROOM = 16
"""A buffer with fewer free slots is not worth another system call."""


class Port:
    """The port at which a link is connected to the switch of its network."""

    __slots__ = (
        "buffer",
        "captures",
        "config",
        "index",
        "rx",
        "switch",
        "tx",
        "wire",
    )

    def __init__(
        self,
        index: int,
        config: LinkConfig,
        wire: Wire,
        buffer: FrameBuffer,
        seed: int,
        clipboard: Clipboard,
    ) -> None:
        self.index = index
        self.config = config
        self.wire = wire
        self.buffer = buffer
        self.switch: Switch
        self.tx = Pipe(config.name, Direction.TX, seed, clipboard)
        self.rx = Pipe(config.name, Direction.RX, seed, clipboard)
        self.captures: tuple[CaptureFeed, ...] = ()

    def status(self) -> LinkStatus:
        return LinkStatus(
            name=self.config.name,
            network=self.config.network,
            tx=self.tx.state,
            rx=self.rx.state,
            counters=LinkCounters(tx=self.tx.tally.counters(), rx=self.rx.tally.counters()),
            captures=tuple(capture.status() for capture in self.captures),
        )


class _Waiting(NamedTuple):
    """Queued frames: they leave `pipe` of `port` when they are due."""

    port: Port
    pipe: Pipe
    buffer: FrameBuffer
    runs: list[Run]


class _Latest(NamedTuple):
    """The last entry queued for a pipe: more frames for the same tick join it."""

    due: int
    buffer: FrameBuffer
    runs: list[Run]


class Forwarder:
    """All links and networks of one fabric. Times are monotonic nanoseconds."""

    def __init__(
        self,
        config: FabricConfig,
        wires: Mapping[str, Wire],
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`clock` is used for checkpoints only; frames come with their time."""
        self._seed = config.seed
        self._clock = clock
        self._pool = FrameBufferPool()
        clipboard = Clipboard(self._pool)
        self._timers: TimerQueue[_Waiting] = TimerQueue()
        self._latest: dict[Pipe, _Latest] = {}
        self._ports = [
            Port(index, link, wires[link.name], self._pool.take(), config.seed, clipboard)
            for index, link in enumerate(config.links)
        ]
        self._by_name = {port.config.name: port for port in self._ports}
        for network in config.networks:
            members = [port for port in self._ports if port.config.network == network]
            switch = Switch(tuple(port.index for port in members))
            for port in members:
                port.switch = switch

    # -- frames ----------------------------------------------------------------------------

    @property
    def next_due(self) -> int | None:
        """When `run_due` must be called next; None if nothing is queued."""
        return self._timers.next_due

    def receive(self, index: int, now: int) -> int:
        """Receives a batch from the wire of link number `index`; returns the number of frames."""
        port = self._ports[index]
        buffer = port.buffer
        run = port.wire.receive(buffer)
        if run is None:
            return 0
        start, stop = run
        frames = stop - start
        pipe = port.tx
        lengths = buffer.lengths[start:stop]
        tally = pipe.tally
        tally.frames += frames
        tally.octets += sum(lengths)
        runs = [run]
        if min(lengths) < SHORTEST:
            runs = _without_runts(runs, buffer.lengths)
            tally.drop(Reason.RUNT, frames - count(runs))
        if port.captures:
            self._capture(port, Direction.TX, buffer, runs)
        if pipe.clear:
            tally.forwarded += count(runs)
            self._switch(port, buffer, runs, now)
        else:
            self._enter(port, pipe, buffer, runs, now)
        if not buffer.held:
            buffer.reset()
        elif buffer.free < _LEAST_ROOM:
            buffer.filling = False
            port.buffer = self._pool.take()
        return frames

    def run_due(self, now: int) -> None:
        """Forwards the frames that are due at `now`."""
        for port, pipe, buffer, runs in self._timers.due(now):
            self._go_on(port, pipe, buffer, runs, now)
            self._let_go(buffer)

    def _go_on(
        self, port: Port, pipe: Pipe, buffer: FrameBuffer, runs: list[Run], now: int
    ) -> None:
        released = pipe.release(buffer, runs)
        if released:
            self._leave(port, pipe, buffer, released, now)

    def _enter(
        self, port: Port, pipe: Pipe, buffer: FrameBuffer, runs: list[Run], now: int
    ) -> None:
        if not runs:
            return
        for flight in pipe.admit(buffer, runs, now):
            if flight.due <= now:
                self._leave(port, pipe, flight.buffer, flight.runs, now)
            elif not self._pool.can_give:
                pipe.tally.drop(Reason.OVERFLOW, count(flight.runs))
            else:
                self._wait(port, pipe, flight)
            if flight.holds:
                self._let_go(flight.buffer)

    def _wait(self, port: Port, pipe: Pipe, flight: Flight) -> None:
        runs = pipe.enqueue(flight)
        if not runs:
            return
        buffer = flight.buffer
        due = -(-flight.due // TICK_NS) * TICK_NS
        latest = self._latest.get(pipe)
        if latest is not None and latest.due == due and latest.buffer is buffer:
            join(latest.runs, runs)
            return
        runs = list(runs)
        buffer.held += 1
        self._timers.add(due, _Waiting(port, pipe, buffer, runs))
        self._latest[pipe] = _Latest(due, buffer, runs)

    def _leave(
        self, port: Port, pipe: Pipe, buffer: FrameBuffer, runs: list[Run], now: int
    ) -> None:
        if pipe is port.tx:
            pipe.tally.forwarded += count(runs)
            self._switch(port, buffer, runs, now)
        else:
            self._deliver(port, buffer, runs)

    def _switch(self, port: Port, buffer: FrameBuffer, runs: list[Run], now: int) -> None:
        for index, routed in port.switch.route(port.index, buffer, runs).items():
            target = self._ports[index]
            pipe = target.rx
            pipe.tally.frames += count(routed)
            pipe.tally.octets += buffer.octets(routed)
            if pipe.clear:
                self._deliver(target, buffer, routed)
            else:
                self._enter(target, pipe, buffer, routed, now)

    def _deliver(self, port: Port, buffer: FrameBuffer, runs: list[Run]) -> None:
        if not runs:
            return
        if port.captures:
            self._capture(port, Direction.RX, buffer, runs)
        sent = port.wire.send(buffer, runs)
        tally = port.rx.tally
        tally.forwarded += sent.frames
        if sent.refused:
            tally.drop(sent.reason, sent.refused)

    def _let_go(self, buffer: FrameBuffer) -> None:
        buffer.held -= 1
        if not buffer.held and not buffer.filling:
            self._pool.give_back(buffer)

    # -- state -----------------------------------------------------------------------------

    def port(self, link: str) -> Port:
        """The port of that link; InputError with the known names if there is none."""
        return named("link", link, self._by_name)

    def status(self) -> tuple[LinkStatus, ...]:
        return tuple(port.status() for port in self._ports)

    def set(self, link: str, tx: DirectionState | None, rx: DirectionState | None) -> LinkStatus:
        """Sets the states that are given."""
        port = self.port(link)
        self._change(
            {pipe: state for pipe, state in ((port.tx, tx), (port.rx, rx)) if state is not None}
        )
        if Mode.CUT in (port.tx.state.mode, port.rx.state.mode):
            port.switch.forget(port.index)
        return port.status()

    def heal(self, link: str | None) -> None:
        """Clears one link, or all."""
        ports = [self.port(link)] if link is not None else self._ports
        self._change({pipe: CLEAR for port in ports for pipe in (port.tx, port.rx)})

    def _change(self, states: Mapping[Pipe, DirectionState]) -> None:
        """Sets states, and forwards the frames in flight that they no longer delay."""
        now = self._clock()
        changed = {pipe for pipe, state in states.items() if state != pipe.state}
        for pipe, state in states.items():
            pipe.set(state, now)
        if not changed:
            return
        under_way = self._timers.take(lambda waiting: waiting.pipe in changed)
        # Frames on their way to an endpoint have already crossed the network: they are first.
        under_way.sort(key=lambda entry: entry[1].pipe.direction is Direction.TX)
        for pipe in changed:
            self._latest.pop(pipe, None)
        for due, (port, pipe, buffer, runs) in under_way:
            for flight in pipe.sooner(Flight(due, buffer, runs), now):
                if flight.due > now:
                    pipe.tally.in_flight -= count(flight.runs)
                    self._wait(port, pipe, flight)
                else:
                    self._go_on(port, pipe, buffer, flight.runs, now)
            self._let_go(buffer)

    def reseed(self, seed: int) -> None:
        """Restarts all random streams from the new seed; states are kept."""
        self._seed = seed
        for port in self._ports:
            for pipe in (port.tx, port.rx):
                pipe.reseed(seed)
                pipe.set(pipe.state, self._clock())

    def snapshot(self) -> FabricSnapshot:
        """The state that determines what happens to future frames, without those in flight."""
        now = self._clock()
        return FabricSnapshot(
            seed=self._seed,
            links={
                port.config.name: LinkSnapshot(tx=port.tx.snapshot(now), rx=port.rx.snapshot(now))
                for port in self._ports
            },
        )

    def load(self, snapshot: FabricSnapshot) -> None:
        """Restores the state of `snapshot`; frames in flight are dropped as flushed."""
        if set(snapshot.links) != set(self._by_name):
            raise InputError(
                "the snapshot was taken of a fabric with different links: "
                + ", ".join(sorted(set(snapshot.links) ^ set(self._by_name))),
                remedy="Load it into a fabric that was started with the same configuration.",
            )
        for _, pipe, buffer, runs in self._timers.clear():
            pipe.tally.in_flight -= count(runs)
            pipe.tally.drop(Reason.FLUSHED, count(runs))
            self._let_go(buffer)
        self._latest.clear()
        self._seed = snapshot.seed
        now = self._clock()
        for name, link in snapshot.links.items():
            port = self._by_name[name]
            for pipe, saved in ((port.tx, link.tx), (port.rx, link.rx)):
                pipe.reseed(snapshot.seed)
                pipe.restore(saved, now)

    # -- captures --------------------------------------------------------------------------

    def capture_start(self, capture: CaptureFeed) -> None:
        """Feeds `capture` with each frame that the endpoint of its link sends or receives.

        As seen at the endpoint's interface: frames that it sends before any fault, frames that
        it receives after all faults.
        """
        port = self.port(capture.link)
        port.captures = (*port.captures, capture)

    def capture_end(self, capture: CaptureFeed) -> None:
        """Stops feeding `capture`; has no effect if it has ended already."""
        port = self.port(capture.link)
        port.captures = tuple(other for other in port.captures if other is not capture)
        capture.finish()

    def capture_stop(self, link: str) -> tuple[str, ...]:
        """Stops all captures of the link; returns their destinations."""
        captures = self.port(link).captures
        if not captures:
            raise InputError(f"link {link} is not being captured")
        for capture in captures:
            self.capture_end(capture)
        return tuple(capture.to for capture in captures)

    def close(self) -> None:
        """Stops all captures."""
        for port in self._ports:
            for capture in port.captures:
                self.capture_end(capture)

    def _capture(
        self, port: Port, direction: Direction, buffer: FrameBuffer, runs: list[Run]
    ) -> None:
        frames = [buffer.frame(slot) for slot in slots(runs)]
        if frames:
            blocks = packets(direction, time.time_ns(), frames)
            for capture in port.captures:
                capture.put(len(frames), blocks)


def _without_runts(runs: list[Run], lengths: list[int]) -> list[Run]:
    kept: list[Run] = []
    for slot in slots(runs):
        if lengths[slot] >= SHORTEST:
            join(kept, [(slot, slot + 1)])
    return kept
