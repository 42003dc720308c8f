"""How a fault on a wire is proved: what is asked before, and what must be seen after.

A probe that would have failed without the fault proves nothing, so each proof looks at the
wire before the fault is set, too.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from edge_lab.core.errors import InputError, LabError
from edge_lab.fabric import DirectionState, Reason
from edge_lab.fabric.state import LinkCounters, Match
from edge_lab.faults import reach
from edge_lab.faults.kinds import Cut, Drop, Flap, HalfOpen, WireFault
from edge_lab.faults.overwire import OverWire
from edge_lab.faults.reach import Service
from edge_lab.faults.runningping import RunningPing
from edge_lab.faults.signs import PLAIN, Sign, signs_of
from edge_lab.topology import Link


class Proof(Protocol):
    def before(self) -> AbstractContextManager[None]:
        """Looks at the wire as it is, before the fault is set within the block.

        Raises:
            InputError: the fault could not be told from the wire as it is.
            LabError: the wire is dead.
        """
        ...

    def seen(self, counters: LinkCounters) -> str:
        """Waits for the effect, and says what it was; LabError if there is none.

        `counters` are the link's of the moment before the fault was set.
        """
        ...


def proof_of(
    tools: OverWire,
    fault: WireFault,
    link: Link,
    own: list[DirectionState],
    other: list[DirectionState],
) -> Proof:
    """The proof for `fault`, which sets the states `own` and leaves `other` as they are."""
    match fault:
        case HalfOpen():
            return HalfOpenProof(tools, fault, link)
        case Flap():
            return FlapProof(tools, fault, link)
        case Drop(match=Match() as frames):
            return MatchProof(tools, fault, link, frames)
        case Cut() | Drop():
            return SilenceProof(tools, fault, link)
        case _:
            return SignProof(tools, fault, link, signs_of(own, other))


class SilenceProof:
    """A ping that was answered is answered no more."""

    def __init__(self, tools: OverWire, fault: Cut | Drop, link: Link) -> None:
        self._tools = tools
        self._fault = fault
        self._link = link
        self._probe = tools.probe(link)
        self._ping: RunningPing | None = None

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        # The same ping before and after: starting another costs an emulated node a second.
        with self._tools.pinging(self._probe) as self._ping:
            self._tools.answered(self._ping, self._link.name)
            yield

    def seen(self, counters: LinkCounters) -> str:
        ping = self._ping
        assert ping is not None, "asked outside of before()"
        patience = ping.patience

        def look() -> str:
            ping.check()
            silence = ping.silence
            if silence < patience:
                return ""
            text = f"no ping is answered for {silence:.1f} s"
            if isinstance(self._fault, Cut):
                return text
            dropped = self._tools.grown(self._fault, counters).dropped(Reason.DROP)
            return f"{text}; {dropped} frames dropped" if dropped else ""

        return self._tools.prove(f"{self._fault.title}, asked from {self._probe}", look)


class SignProof:
    """Each sign of the fault, one after the other."""

    def __init__(
        self, tools: OverWire, fault: WireFault, link: Link, signs: Sequence[Sign]
    ) -> None:
        self._tools = tools
        self._fault = fault
        self._link = link
        self._probe = tools.probe(link)
        self._signs = signs

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        if not self._signs:
            raise InputError(f"{self._fault.title}: that does nothing to a wire")
        burst = self._tools.settled(self._probe, PLAIN, self._link.name)
        asked = PLAIN
        telling: list[Sign] = []
        for sign in self._signs:
            if sign.usual is not None and sign.question != asked:
                burst = self._tools.settled(self._probe, sign.question, self._link.name)
                asked = sign.question
            if sign.usual is None or not sign.usual(burst):
                telling.append(sign)
        if not telling:
            raise InputError(
                f"{self._fault.title} cannot be told from the wire as it is: {burst}",
                remedy="Use a stronger one.",
            )
        # Of a mixture, what is too weak to be seen is taken on trust with the rest.
        self._signs = telling
        yield

    def seen(self, counters: LinkCounters) -> str:
        return "; ".join(self._see(sign, counters) for sign in self._signs)

    def _see(self, sign: Sign, counters: LinkCounters) -> str:
        def look() -> str:
            burst = self._tools.ask(self._probe, sign.question)
            seen = sign.seen(burst, self._tools.grown(self._fault, counters))
            return f"{sign.what}: {burst}" if seen else ""

        return self._tools.prove(
            f"{self._fault.title}, asked from {self._probe}", look, more=sign.question.lasts
        )


class MatchProof:
    """What is described vanishes, and the rest passes."""

    def __init__(self, tools: OverWire, fault: Drop, link: Link, frames: Match) -> None:
        self._tools = tools
        self._fault = fault
        self._frames = frames
        self._link = link
        self._probe = reach.probe_of(tools.topology, link, frames)
        self._asked: Service | None = None
        self._sent: Service | None = None
        if frames.protocol == "udp":
            self._sent = reach.datagram(tools.topology, link, frames, fault.ways)

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        self._tools.settled(self._probe, PLAIN, self._link.name)
        if reach.is_seen_by_tcp(self._frames):
            self._asked = self._reachable()
        yield

    def _reachable(self) -> Service:
        for service in reach.services(self._tools.topology, self._link, self._frames):
            if self._tools.reached(service):
                return service
        raise LabError(
            f"{self._fault.title}: nothing could be reached at these ports before the fault, so "
            "that its effect could not be seen"
        )

    def seen(self, counters: LinkCounters) -> str:
        return self._tools.prove(
            f"{self._fault.title}, asked from {self._probe}", lambda: self._look(counters)
        )

    def _look(self, counters: LinkCounters) -> str:
        spared = self._frames.protocol in ("tcp", "udp") or bool(self._frames.ports)
        felt = ""
        if self._asked is not None:
            if self._tools.reached(self._asked):
                return ""
            felt = f"no connection from {self._asked}"
        elif self._sent is not None:
            self._tools.send(self._sent)
            felt = f"a datagram was sent from {self._sent}"
        burst = self._tools.ask(self._probe, PLAIN)
        dropped = self._tools.grown(self._fault, counters).dropped(Reason.DROP)
        if not dropped or (burst.all_lost if spared else not burst.all_lost):
            return ""
        return "; ".join(part for part in (felt, f"{dropped} frames dropped", str(burst)) if part)


class HalfOpenProof:
    """Frames of standing connections vanish, and a new connection gets through."""

    def __init__(self, tools: OverWire, fault: HalfOpen, link: Link) -> None:
        self._tools = tools
        self._fault = fault
        self._link = link
        self._service = tools.service(link)

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        self._tools.connectable(self._service)
        yield

    def seen(self, counters: LinkCounters) -> str:
        def look() -> str:
            died = self._tools.grown(self._fault, counters).dropped(Reason.HALF_OPEN)
            if not died or not self._tools.reached(self._service):
                return ""
            return f"{died} frames of standing connections dropped; a new one from {self._service}"

        return self._tools.prove(f"{self._fault.title}, asked from {self._service}", look)


class FlapProof:
    """Of pings that went on before the link began to flap some are lost, and some come through."""

    def __init__(self, tools: OverWire, fault: Flap, link: Link) -> None:
        self._tools = tools
        self._fault = fault
        self._link = link
        self._probe = tools.probe(link)
        self._more = 2 * fault.period_s
        """The first period may be as long as that."""
        self._ping: RunningPing | None = None
        self._missed = 0

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        # It may be over sooner than a ping could be started.
        with self._tools.pinging(self._probe, self._more) as self._ping:
            self._tools.answered(self._ping, self._link.name)
            self._missed = self._ping.missed
            yield

    def seen(self, counters: LinkCounters) -> str:
        ping = self._ping
        assert ping is not None, "asked outside of before()"

        def look() -> str:
            ping.check()
            lost = ping.missed - self._missed
            dropped = self._tools.grown(self._fault, counters).dropped(Reason.FLAP)
            if not dropped or not lost or not ping.answers_again:
                return ""
            return f"{lost} pings lost, then answers again; {dropped} frames dropped"

        return self._tools.prove(
            f"{self._fault.title}, asked from {self._probe}", look, more=self._more
        )
