"""Impairments that could not be observed on any link: rejected before anything is changed."""

from __future__ import annotations

from collections.abc import Iterator

from edge_lab.fabric.impairment import Impairment
from edge_lab.faults.families.link.symptoms import PLAIN, held_bits
from edge_lab.faults.objections import Objection
from edge_lab.faults.probe import MOST_IN_A_FRAME

MOST_KBIT = 1_000_000.0
"""Highest rate that can be measured: above it, the probe's burst takes less time than a ping."""

LEAST_CHANCE = 0.0005
"""Lowest probability per frame: a proof sends several thousand frames, and may miss rarer
events."""

ALWAYS = 0.999


def impairment_objections(state: Impairment) -> Iterator[Objection]:
    """Why it could not be observed on any link."""
    if state.mtu is not None and state.mtu >= MOST_IN_A_FRAME:
        yield Objection(
            "mtu",
            f"no packet in a lab is longer than {MOST_IN_A_FRAME} bytes, so `mtu: "
            f"{state.mtu}` has no effect",
            f"Use less than {MOST_IN_A_FRAME}.",
        )
    if state.rate_kbit is not None:
        yield from _rate(state)
    if state.reorder >= 1:
        yield Objection(
            "reorder",
            "with `reorder: 1` no frame is delayed, so none overtakes another",
            "Use less than 1.",
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
            yield Objection(
                name,
                f"{chance:g} is too small for {name} to be seen",
                f"Use {LEAST_CHANCE:g} or more.",
            )
    yield from _hidden_parts(state, max(state.loss, burst))


def _rate(state: Impairment) -> Iterator[Objection]:
    if state.rate_kbit is not None and state.rate_kbit >= MOST_KBIT:
        yield Objection(
            "rate_kbit",
            f"a rate of {state.rate_kbit:g} kbit/s is too high to be distinguished from no limit",
            f"Use less than {MOST_KBIT:g}, which is 1 Gbit/s.",
        )
    elif not held_bits(state):
        yield Objection(
            "burst_bytes",
            f"{state.burst_bytes} bytes are more than the probe sends at once, so that "
            "nothing would wait",
            "Use a smaller burst.",
        )


def _hidden_parts(state: Impairment, loss: float) -> Iterator[Objection]:
    """Impairments that are hidden by another one of the combination."""
    delays = [name for name in ("delay_ms", "jitter_ms", "rate_kbit") if getattr(state, name)]
    delays += ["duplicate"] if state.duplicate else []
    hidden = [*delays, "corrupt"] if state.corrupt else delays
    if loss >= ALWAYS and hidden:
        yield Objection(
            hidden[0],
            f"all frames are lost, so {hidden[0]} has no effect",
            "Use less loss.",
        )
    elif state.corrupt >= ALWAYS and delays:
        yield Objection(
            delays[0],
            f"all frames are corrupt, so no answer shows {delays[0]}",
            "Use less corruption.",
        )
    lossy = hidden + [name for name in ("loss", "burst_loss") if getattr(state, name)]
    if state.mtu is not None and state.mtu < PLAIN.packet and lossy:
        yield Objection(
            "mtu",
            f"with an mtu of {state.mtu} no ping passes, so {lossy[0]} could not be seen",
            f"Use {PLAIN.packet} or more.",
        )
