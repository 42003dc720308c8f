"""Proofs of faults of links: the probe before the fault, and what it must show afterwards.

A probe that would have failed without the fault proves nothing, so each proof also probes the
link before the fault is set.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from edge_lab.core.errors import InputError, LabError
from edge_lab.fabric import DirectionState, Reason
from edge_lab.fabric.counters import LinkCounters
from edge_lab.fabric.state import Match
from edge_lab.faults import reach
from edge_lab.faults.counters import CounterDelta
from edge_lab.faults.families.link.kinds import (
    Cut,
    Drop,
    Flap,
    HalfOpen,
    Impair,
    LinkFault,
    Profile,
)
from edge_lab.faults.families.link.symptoms import PLAIN, Symptom, symptoms_of
from edge_lab.faults.family import for_kind
from edge_lab.faults.fault import Fault
from edge_lab.faults.linkprober import LinkProber
from edge_lab.faults.reach import Service
from edge_lab.faults.runningping import RunningPing
from edge_lab.topology import Link


class Proof(Protocol):
    def before(self) -> AbstractContextManager[None]:
        """Probes the link before the fault is set within the block.

        Raises:
            InputError: the fault could not be distinguished from the link without it.
            LabError: the link is dead.
        """
        ...

    def seen(self, counters: LinkCounters) -> str:
        """Waits for the effect, and describes it; LabError if there is none.

        `counters` are those of the link just before the fault was set.
        """
        ...


@dataclass(frozen=True)
class ProofSubject:
    """What is to be proved, on which link, and from where it is probed."""

    prober: LinkProber
    fault: LinkFault
    link: Link

    def counted(self, before: LinkCounters) -> CounterDelta:
        """The fabric's counters in the directions of the fault since `before`."""
        return self.prober.counted(self.link, self.fault.directions, before)

    def prove(self, seen: Callable[[], str], asker: object, more: float = 0.0) -> str:
        """Waits until `seen` returns a description, and returns it; LabError if it never does."""
        return self.prober.prove(f"{self.fault.title}, asked from {asker}", seen, more)


def proof_of(
    subject: ProofSubject, own: list[DirectionState], other: list[DirectionState]
) -> Proof:
    """The proof of a fault which sets the states `own` and leaves `other` as they are.

    Raises:
        InputError: there is none for that kind of fault, or no probe for it in that lab.
    """
    return for_kind(PROOFS, subject.fault)(subject, own, other)


class SilenceProof:
    """Pings that were answered before are no longer answered."""

    def __init__(self, subject: ProofSubject, *, drops: bool) -> None:
        """`drops`: the fabric counts the frames, and must have counted some."""
        self._subject = subject
        self._drops = drops
        self._probe = subject.prober.probe(subject.link)
        self._ping: RunningPing | None = None

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        # Uses one ping before and after: starting another takes an emulated node a second.
        prober = self._subject.prober
        with prober.pinging(self._probe) as self._ping:
            prober.answered(self._ping, self._subject.link.name)
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
            if not self._drops:
                return text
            dropped = self._subject.counted(counters).dropped(Reason.DROP)
            return f"{text}; {dropped} frames dropped" if dropped else ""

        return self._subject.prove(look, self._probe)


class SymptomProof:
    """Observes each symptom of the fault, one after the other."""

    def __init__(self, subject: ProofSubject, symptoms: Sequence[Symptom]) -> None:
        self._subject = subject
        self._probe = subject.prober.probe(subject.link)
        self._symptoms = symptoms

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        prober, link, title = self._subject.prober, self._subject.link, self._subject.fault.title
        if not self._symptoms:
            raise InputError(f"{title} has no effect on a link")
        burst = prober.settled(self._probe, PLAIN, link.name)
        asked = PLAIN
        telling: list[Symptom] = []
        for symptom in self._symptoms:
            if symptom.usual is not None and symptom.question != asked:
                burst = prober.settled(self._probe, symptom.question, link.name)
                asked = symptom.question
            if symptom.usual is None or not symptom.usual(burst):
                telling.append(symptom)
        if not telling:
            raise InputError(
                f"{title} cannot be distinguished from the link's normal behavior: {burst}",
                remedy="Use a stronger impairment.",
            )
        # In a combination, an impairment that is too weak to be observed is accepted unproved.
        self._symptoms = telling
        yield

    def seen(self, counters: LinkCounters) -> str:
        return "; ".join(self._see(symptom, counters) for symptom in self._symptoms)

    def _see(self, symptom: Symptom, counters: LinkCounters) -> str:
        def look() -> str:
            burst = self._subject.prober.ask(self._probe, symptom.question)
            seen = symptom.seen(burst, self._subject.counted(counters))
            return f"{symptom.what}: {burst}" if seen else ""

        return self._subject.prove(look, self._probe, more=symptom.question.lasts)


class MatchProof:
    """Matching frames are dropped, and others pass."""

    def __init__(self, subject: ProofSubject, frames: Match) -> None:
        self._subject = subject
        self._frames = frames
        topology, link = subject.prober.topology, subject.link
        self._probe = reach.probe_of(topology, link, frames)
        self._asked: Service | None = None
        self._sent: Service | None = None
        if frames.protocol == "udp":
            self._sent = reach.datagram(topology, link, frames, subject.fault.directions)

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        self._subject.prober.settled(self._probe, PLAIN, self._subject.link.name)
        if reach.is_seen_by_tcp(self._frames):
            self._asked = self._reachable()
        yield

    def _reachable(self) -> Service:
        prober, link = self._subject.prober, self._subject.link
        for service in reach.services(prober.topology, link, self._frames):
            if prober.reached(service):
                return service
        raise LabError(
            f"{self._subject.fault.title}: nothing answered at these ports before the "
            "fault, so its effect could not be seen"
        )

    def seen(self, counters: LinkCounters) -> str:
        return self._subject.prove(lambda: self._look(counters), self._probe)

    def _look(self, counters: LinkCounters) -> str:
        spared = self._frames.protocol in ("tcp", "udp") or bool(self._frames.ports)
        prober = self._subject.prober
        felt = ""
        if self._asked is not None:
            if prober.reached(self._asked):
                return ""
            felt = f"no connection from {self._asked}"
        elif self._sent is not None:
            prober.send(self._sent)
            felt = f"a datagram was sent from {self._sent}"
        burst = prober.ask(self._probe, PLAIN)
        dropped = self._subject.counted(counters).dropped(Reason.DROP)
        if not dropped or (burst.all_lost if spared else not burst.all_lost):
            return ""
        return "; ".join(part for part in (felt, f"{dropped} frames dropped", str(burst)) if part)


class HalfOpenProof:
    """Frames of established connections are dropped, and a new connection succeeds."""

    def __init__(self, subject: ProofSubject) -> None:
        self._subject = subject
        self._service = subject.prober.service(subject.link)

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        self._subject.prober.connectable(self._service)
        yield

    def seen(self, counters: LinkCounters) -> str:
        def look() -> str:
            died = self._subject.counted(counters).dropped(Reason.HALF_OPEN)
            if not died or not self._subject.prober.reached(self._service):
                return ""
            return (
                f"{died} frames of established connections dropped; a new one from {self._service}"
            )

        return self._subject.prove(look, self._service)


class FlapProof:
    """Of continuous pings that began before the link flapped, some are lost and some answered."""

    def __init__(self, subject: ProofSubject, period_s: float) -> None:
        self._subject = subject
        self._probe = subject.prober.probe(subject.link)
        self._more = 2 * period_s
        """The maximum length of the first period."""
        self._ping: RunningPing | None = None
        self._missed = 0

    @contextlib.contextmanager
    def before(self) -> Iterator[None]:
        # It may have ended before a ping could be started.
        prober = self._subject.prober
        with prober.pinging(self._probe, self._more) as self._ping:
            prober.answered(self._ping, self._subject.link.name)
            self._missed = self._ping.missed
            yield

    def seen(self, counters: LinkCounters) -> str:
        ping = self._ping
        assert ping is not None, "asked outside of before()"

        def look() -> str:
            ping.check()
            lost = ping.missed - self._missed
            dropped = self._subject.counted(counters).dropped(Reason.FLAP)
            if not dropped or not lost or not ping.answers_again:
                return ""
            return f"{lost} pings lost, then answers again; {dropped} frames dropped"

        return self._subject.prove(look, self._probe, more=self._more)


# -- which fault is proved how -------------------------------------------------------------------

States = list[DirectionState]


def _of_drop(subject: ProofSubject, own: States, other: States) -> Proof:
    frames = subject.fault.dropped_frames
    return MatchProof(subject, frames) if frames else SilenceProof(subject, drops=True)


def _of_flap(subject: ProofSubject, own: States, other: States) -> Proof:
    periods = [state.flap.period_ms / 1000 for state in own if state.flap is not None]
    return FlapProof(subject, max(periods))


def _of_impairment(subject: ProofSubject, own: States, other: States) -> Proof:
    return SymptomProof(subject, symptoms_of(own, other))


PROOFS: Mapping[type[Fault], Callable[[ProofSubject, States, States], Proof]] = {
    Cut: lambda subject, own, other: SilenceProof(subject, drops=False),
    Drop: _of_drop,
    HalfOpen: lambda subject, own, other: HalfOpenProof(subject),
    Impair: _of_impairment,
    Profile: _of_impairment,
    Flap: _of_flap,
}
"""By kind: makes the proof from the states that the fault sets and those that it keeps."""
