"""Faults on wires: set at the fabric, seen by probes that cross the wire."""

from __future__ import annotations

from lab.errors import InputError
from lab.fabric import CLEAR, CUT, DirectionState, Mode
from lab.fabric.state import FlapTimes
from lab.faults.kinds import Cut, Drop, Flap, HalfOpen, Impair, Profile, WireFault
from lab.faults.overwire import OverWire
from lab.faults.profiles import profile
from lab.faults.proofs import proof_of
from lab.faults.signs import PLAIN
from lab.topology import Link


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
        left = {"tx": now.tx, "rx": now.rx}
        other = [state for way, state in left.items() if way not in wanted]
        proof = proof_of(self._tools, fault, link, list(wanted.values()), other)
        proof.before()
        counters = self._tools.fabric.link(link.name).counters
        try:
            self._tools.fabric.set(link.name, tx=wanted.get("tx"), rx=wanted.get("rx"))
            if [*wanted.values(), *other] == [CUT, CUT]:
                self._carrier(link, up=False)
            return proof.seen(counters)
        except BaseException:
            self._clear(fault, link)
            raise

    def heal(self, fault: WireFault) -> str:
        """Clears it, and returns what was seen of the cure; LabError if none was."""
        link = self._link(fault.link)
        self._clear(fault, link)
        probe = self._tools.probe(link)
        status = self._tools.fabric.link(link.name)
        clear = status.tx.is_clear and status.rx.is_clear
        least = sum(state.delay_ms for state in states_of(fault).values()) / 1000

        def cured() -> str:
            burst = self._tools.ask(probe, PLAIN)
            # What is left on the other direction may itself be slow, or let nothing pass.
            well = burst.none_lost and (not least or burst.fastest < least)
            return str(burst) if well or not clear else ""

        return self._tools.prove(f"{fault.title} is healed, asked from {probe}", cured)

    def _clear(self, fault: WireFault, link: Link) -> None:
        ways = states_of(fault)
        was = self._tools.fabric.link(link.name)
        self._tools.fabric.set(
            link.name,
            tx=CLEAR if "tx" in ways else None,
            rx=CLEAR if "rx" in ways else None,
        )
        if CUT in (was.tx, was.rx):
            self._carrier(link, up=True)

    def _carrier(self, link: Link, *, up: bool) -> None:
        """A device's end of a cable is a tap of the lab's own, without a carrier to switch."""
        if link.endpoint in self._tools.machines:
            self._tools.machines[link.endpoint].set_carrier(self._tools.topology.mac(link), up)

    def _link(self, name: str) -> Link:
        try:
            return self._tools.topology.link(name)
        except KeyError:
            known = ", ".join(link.name for link in self._tools.topology.links)
            raise InputError(f"there is no link {name!r}", remedy=f"Known are: {known}.") from None


def states_of(fault: WireFault) -> dict[str, DirectionState]:
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
    ways = ("tx", "rx") if fault.direction == "both" else (fault.direction,)
    return dict.fromkeys(ways, state)
