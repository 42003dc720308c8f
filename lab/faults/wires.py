"""Faults on wires: set at the fabric, seen by probes that cross the wire."""

from __future__ import annotations

from edge_lab.core.errors import named
from edge_lab.fabric import CLEAR, CUT, DirectionState, Mode
from edge_lab.fabric.state import FlapTimes
from edge_lab.faults import reach
from edge_lab.faults.kinds import Cut, Drop, Flap, HalfOpen, Impair, Profile, Way, WireFault
from edge_lab.faults.overwire import OverWire
from edge_lab.faults.probe import Question
from edge_lab.faults.profiles import profile
from edge_lab.faults.proofs import proof_of
from edge_lab.faults.signs import PLAIN
from edge_lab.faults.undo import undoing
from edge_lab.topology import Link

LEAST_DELAY = 0.05
"""Seconds: a shorter delay may be a busy machine's own."""


class WireFaults:
    """Injects and heals faults on the wires of a lab."""

    def __init__(self, tools: OverWire) -> None:
        self._tools = tools

    def inject(self, fault: WireFault) -> str:
        """Sets it, and returns what was seen of it.

        Raises:
            InputError: there is no such link, or nothing that could see the fault.
            LabError: the wire was dead before, or no effect was seen; it is cleared then.
        """
        link = self._link(fault.link)
        wanted = states_of(fault)
        now = self._tools.fabric.link(link.name)
        left: dict[Way, DirectionState] = {"tx": now.tx, "rx": now.rx}
        other = [state for way, state in left.items() if way not in wanted]
        proof = proof_of(self._tools, fault, link, list(wanted.values()), other)
        with proof.before():
            counters = self._tools.fabric.link(link.name).counters
            with undoing(lambda: self._clear(fault, link)):
                self._tools.fabric.set(link.name, tx=wanted.get("tx"), rx=wanted.get("rx"))
                if [*wanted.values(), *other] == [CUT, CUT]:
                    self._carrier(link, up=False)
                return proof.seen(counters)

    def heal(self, fault: WireFault) -> str:
        """Clears it, and returns what was seen of the cure; LabError if none was.

        The cure: the fabric has the fault no more, pings like those that it befell are all
        answered, and nothing befalls a frame meanwhile. Where the other direction has a fault
        of its own, pings may go astray, and the fabric's word and counters are what there is.
        """
        link = self._link(fault.link)
        self._clear(fault, link)
        probe = self._tools.probe(link)
        question = _question_of_the_cure(fault)
        late = sum(state.delay_ms for state in states_of(fault).values()) / 1000

        def cured() -> str:
            before = self._tools.fabric.link(link.name)
            if not all(getattr(before, way).is_clear for way in fault.ways):
                return ""
            burst = self._tools.ask(probe, question)
            if self._tools.grown(fault, before.counters).befallen:
                return ""
            alone = before.tx.is_clear and before.rx.is_clear
            well = burst.none_lost and (late < LEAST_DELAY or burst.fastest < late)
            if not (well or not alone):
                return ""
            return f"{burst}{self._reached_again(fault, link)}"

        return self._tools.prove(f"{fault.title} is healed, asked from {probe}", cured)

    def _reached_again(self, fault: WireFault, link: Link) -> str:
        """For a drop of TCP or some of its ports: a connection to one of them, in words."""
        if not isinstance(fault, Drop) or not fault.match or not reach.is_seen_by_tcp(fault.match):
            return ""
        for service in reach.services(self._tools.topology, link, fault.match):
            if self._tools.reached(service):
                return f"; a connection from {service}"
        return ""

    def plug(self, node: str) -> None:
        """A machine that has got its power back has all its cables in; takes out those cut."""
        for link in self._tools.topology.links_of(node):
            status = self._tools.fabric.link(link.name)
            if (status.tx, status.rx) == (CUT, CUT):
                self._carrier(link, up=False)

    def _clear(self, fault: WireFault, link: Link) -> None:
        was = self._tools.fabric.link(link.name)
        self._tools.fabric.set(
            link.name,
            tx=CLEAR if "tx" in fault.ways else None,
            rx=CLEAR if "rx" in fault.ways else None,
        )
        if CUT in (was.tx, was.rx):
            self._carrier(link, up=True)

    def _carrier(self, link: Link, *, up: bool) -> None:
        """A device's end of a cable is a tap of the lab's own, without a carrier to switch."""
        if link.endpoint in self._tools.machines:
            self._tools.machines[link.endpoint].set_carrier(self._tools.topology.mac(link), up)

    def _link(self, name: str) -> Link:
        return named("link", name, {link.name: link for link in self._tools.topology.links})


def _question_of_the_cure(fault: WireFault) -> Question:
    """Pings that the fault would have befallen."""
    mtu = min((state.mtu for state in states_of(fault).values() if state.mtu), default=None)
    return Question(packet=min(1500, mtu + 100)) if mtu else PLAIN


def states_of(fault: WireFault) -> dict[Way, DirectionState]:
    """What it sets, by direction; a direction that it leaves alone is not in it."""
    match fault:
        case Profile():
            line = profile(fault.name)
            return {
                "tx": DirectionState(**line.up.model_dump()),
                "rx": DirectionState(**line.down.model_dump()),
            }
        case Cut():
            state = CUT
        case Drop():
            state = DirectionState(mode=Mode.DROP, match=fault.match)
        case HalfOpen():
            state = DirectionState(mode=Mode.HALF_OPEN)
        case Impair():
            state = DirectionState(**fault.impairment.model_dump())
        case Flap():
            state = DirectionState(
                flap=FlapTimes(
                    period_ms=fault.period_s * 1000,
                    duty=fault.duty,
                    count=fault.count,
                    jitter=fault.jitter,
                    seed=fault.seed,
                )
            )
    return dict.fromkeys(fault.ways, state)
