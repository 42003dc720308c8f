"""Faults of links: set at the fabric, observed by probes that cross the link."""

from __future__ import annotations

from edge_lab.core.errors import named
from edge_lab.fabric import CLEAR, CUT
from edge_lab.fabric.state import Direction
from edge_lab.faults import reach
from edge_lab.faults.carrier import Carriers
from edge_lab.faults.families.link.kinds import LinkFault
from edge_lab.faults.families.link.proofs import ProofSubject, proof_of
from edge_lab.faults.families.link.symptoms import PLAIN
from edge_lab.faults.family import Injector
from edge_lab.faults.linkprober import LinkProber
from edge_lab.faults.probe import Question
from edge_lab.faults.undo import undoing
from edge_lab.topology import Link

LEAST_DELAY = 0.05
"""Seconds: a shorter delay may be caused by a busy machine."""


class LinkInjector(Injector[LinkFault]):
    """Injects and heals faults on the links of a lab."""

    def __init__(self, prober: LinkProber, carriers: Carriers) -> None:
        self._prober = prober
        self._carriers = carriers

    def inject(self, fault: LinkFault) -> str:
        """Sets it, and returns its observed effect.

        Raises:
            InputError: there is no such link, or no probe that could observe the fault.
            LabError: the link was dead before, or no effect was seen; the fault is cleared.
        """
        link = self._link(fault.link)
        wanted = fault.states
        now = self._prober.fabric.link(link.name)
        left = {Direction.TX: now.tx, Direction.RX: now.rx}
        other = [state for direction, state in left.items() if direction not in wanted]
        subject = ProofSubject(self._prober, fault, link)
        proof = proof_of(subject, list(wanted.values()), other)
        with proof.before():
            counters = self._prober.fabric.link(link.name).counters
            with undoing(lambda: self._clear(fault, link)):
                self._prober.fabric.set(
                    link.name, tx=wanted.get(Direction.TX), rx=wanted.get(Direction.RX)
                )
                if [*wanted.values(), *other] == [CUT, CUT]:
                    self._carriers.switch(link, up=False)
                return proof.seen(counters)

    def heal(self, fault: LinkFault) -> str:
        """Clears it, and returns the observed recovery; LabError if none was seen.

        The recovery: the fabric no longer has the fault, pings like those that it affected are
        all answered, and no frame is affected meanwhile. Where the other direction has its own
        fault, pings may be lost, and only the state and counters of the fabric are checked.
        """
        link = self._link(fault.link)
        self._clear(fault, link)
        probe = self._prober.probe(link)
        question = _question_of_the_cure(fault)
        late = sum(state.delay_ms for state in fault.states.values()) / 1000

        def recovered() -> str:
            before = self._prober.fabric.link(link.name)
            if not all(getattr(before, direction).is_clear for direction in fault.directions):
                return ""
            burst = self._prober.ask(probe, question)
            if self._prober.counted(link, fault.directions, before.counters).affected:
                return ""
            alone = before.tx.is_clear and before.rx.is_clear
            well = burst.none_lost and (late < LEAST_DELAY or burst.fastest < late)
            if not (well or not alone):
                return ""
            return f"{burst}{self._reached_again(fault, link)}"

        return self._prober.prove(f"{fault.title} is healed, observed from {probe}", recovered)

    def _reached_again(self, fault: LinkFault, link: Link) -> str:
        """For a drop of TCP or some of its ports: describes a connection to one of them."""
        frames = fault.dropped_frames
        if frames is None or not reach.is_seen_by_tcp(frames):
            return ""
        for service in reach.services(self._prober.topology, link, frames):
            if self._prober.reached(service):
                return f"; a connection from {service}"
        return ""

    def _clear(self, fault: LinkFault, link: Link) -> None:
        was = self._prober.fabric.link(link.name)
        self._prober.fabric.set(
            link.name,
            tx=CLEAR if Direction.TX in fault.directions else None,
            rx=CLEAR if Direction.RX in fault.directions else None,
        )
        if CUT in (was.tx, was.rx):
            self._carriers.switch(link, up=True)

    def _link(self, name: str) -> Link:
        return named("link", name, {link.name: link for link in self._prober.topology.links})


def _question_of_the_cure(fault: LinkFault) -> Question:
    """Pings that the fault would have affected."""
    mtu = min((state.mtu for state in fault.states.values() if state.mtu), default=None)
    return Question(packet=min(1500, mtu + 100)) if mtu else PLAIN
