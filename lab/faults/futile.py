"""Faults that could never be seen, whatever the lab does: refused before anything is touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge_lab.core.errors import InputError
from edge_lab.devices.faults import Gone
from edge_lab.fabric.state import Impairment, Match
from edge_lab.faults import reach
from edge_lab.faults.kinds import Drop, Fault, Flap, HalfOpen, Impair, OnDevice
from edge_lab.faults.probe import MOST_IN_A_FRAME
from edge_lab.faults.signs import PLAIN, held_bits
from edge_lab.topology import Topology

MOST_KBIT = 1_000_000.0
"""What is sent to see a line's rate passes in less time at this one than a ping takes."""

LEAST_CHANCE = 0.0005
"""Of frames. A proof sends several thousand; of what is rarer it may well meet none."""

LEAST_CHANCE_OF_ANSWERS = 0.01
"""A device is asked some hundred times while its fault is to be seen."""

ALWAYS = 0.999

LEAST_DOWN_S = 0.3
"""For a link that flaps to be met by a ping or two, in all its down parts together."""

Objection = tuple[str, str, str]
"""Field, what is wrong, and what would be right."""


def objections(fault: Fault, topology: Topology) -> Iterator[Objection]:
    """Why nothing of it could be seen in a lab of that topology."""
    match fault:
        case Impair():
            yield from _impairment(fault.impairment)
        case Flap():
            down = fault.period_s * fault.duty * fault.count
            if down < LEAST_DOWN_S:
                yield (
                    "period_s",
                    f"the link would be down for {down:g} s in all, too short to be seen",
                    f"Give it longer or more periods, {LEAST_DOWN_S:g} s down in all or more.",
                )
        case HalfOpen():
            yield from _raised("link", lambda: reach.service(topology, topology.link(fault.link)))
        case Drop(match=Match() as frames):
            link = topology.link(fault.link)
            yield from _raised("match", lambda: reach.probe_of(topology, link, frames))
            if frames.protocol == "udp":
                yield from _raised(
                    "match", lambda: reach.datagram(topology, link, frames, fault.ways)
                )
        case OnDevice():
            yield from _device(fault, topology)


def _raised(field: str, ask: Callable[[], object]) -> Iterator[Objection]:
    try:
        ask()
    except InputError as trouble:
        yield field, trouble.message, trouble.remedy


def _impairment(state: Impairment) -> Iterator[Objection]:
    if state.mtu is not None and state.mtu >= MOST_IN_A_FRAME:
        yield (
            "mtu",
            f"no packet in a lab is longer than {MOST_IN_A_FRAME} bytes, so that `mtu: "
            f"{state.mtu}` has no effect",
            f"Give less than {MOST_IN_A_FRAME}.",
        )
    if state.rate_kbit is not None:
        yield from _rate(state)
    if state.reorder >= 1:
        yield (
            "reorder",
            "with `reorder: 1` no frame is delayed, and none overtakes another",
            "Give less than 1.",
        )
    burst = state.burst_loss.loss if state.burst_loss else 0.0
    chances = {
        "loss": state.loss,
        "burst_loss": burst,
        "duplicate": state.duplicate,
        "reorder": state.reorder,
        "corrupt": state.corrupt,
    }
    for name, chance in chances.items():
        if 0 < chance < LEAST_CHANCE:
            yield (
                name,
                f"{chance:g} is too seldom for {name} to be seen",
                f"Give {LEAST_CHANCE:g} or more.",
            )
    yield from _hidden(state, max(state.loss, burst))


def _rate(state: Impairment) -> Iterator[Objection]:
    if state.rate_kbit is not None and state.rate_kbit >= MOST_KBIT:
        yield (
            "rate_kbit",
            f"a rate of {state.rate_kbit:g} kbit/s is more than can be told from none",
            f"Give less than {MOST_KBIT:g}, which is 1 Gbit/s.",
        )
    elif not held_bits(state):
        yield (
            "burst_bytes",
            f"{state.burst_bytes} bytes are more than is sent at once to see the rate, so that "
            "nothing would wait",
            "Give a smaller burst.",
        )


def _hidden(state: Impairment, loss: float) -> Iterator[Objection]:
    """What would be seen, did not another part of the mixture hide it."""
    late = [name for name in ("delay_ms", "jitter_ms", "rate_kbit") if getattr(state, name)]
    late += ["duplicate"] if state.duplicate else []
    dimmed = [*late, "corrupt"] if state.corrupt else late
    if loss >= ALWAYS and dimmed:
        yield (
            dimmed[0],
            f"all frames are lost, so that {dimmed[0]} has no effect",
            "Give less loss.",
        )
    elif state.corrupt >= ALWAYS and late:
        yield (
            late[0],
            f"all frames are corrupt, so that no answer shows {late[0]}",
            "Corrupt fewer of them.",
        )
    lossy = dimmed + [name for name in ("loss", "burst_loss") if getattr(state, name)]
    if state.mtu is not None and state.mtu < PLAIN.packet and lossy:
        yield (
            "mtu",
            f"with an mtu of {state.mtu} no ping passes, so that {lossy[0]} could not be seen",
            f"Give {PLAIN.packet} or more.",
        )


def _device(fault: OnDevice, topology: Topology) -> Iterator[Objection]:
    does = fault.does
    for field in ("probability", "delay_ms"):
        if getattr(does, field, None) == 0:
            yield "does", f"a fault with {field} 0 has no effect that could be seen", ""
    probability: float = getattr(does, "probability", 1.0)
    if 0 < probability < LEAST_CHANCE_OF_ANSWERS:
        yield (
            "does",
            f"a probability of {probability:g} is too seldom to be seen",
            f"Give {LEAST_CHANCE_OF_ANSWERS:g} or more.",
        )
    if isinstance(does, Gone) and does.how == "silent":
        (link,) = topology.links_of(fault.device)
        yield from _raised("device", lambda: reach.service(topology, link))
