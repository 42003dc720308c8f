"""Proofs of faults of devices: what the device's read of itself must show, by kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from edge_lab.core.errors import InputError
from edge_lab.core.yamlmodel import did_you_mean
from edge_lab.devices.control import DeviceStatus
from edge_lab.devices.faults import (
    AnyFault,
    BadCrc,
    BrownOut,
    Busy,
    Exceptions,
    Gone,
    Hang,
    Junk,
    Late,
    Reset,
    SessionDrop,
    Slow,
    SlowClock,
    Split,
    Untrusted,
)
from edge_lab.faults.families.device.kinds import STEPS_FOR_A_CLOCK

Met = Callable[[Any, DeviceStatus, DeviceStatus], bool]
"""Whether a read shows the fault: the behavior, the status now, and the status before."""


def _always(does: AnyFault, now: DeviceStatus, before: DeviceStatus) -> bool:
    return True


def _now_and_then(
    does: Exceptions | Junk | BadCrc, now: DeviceStatus, before: DeviceStatus
) -> bool:
    return does.probability < 1 or not now.reachable


def _slow(does: Slow, now: DeviceStatus, before: DeviceStatus) -> bool:
    return _took(now) >= does.delay_ms - does.jitter_ms or not now.reachable


def _in_pieces(does: Split, now: DeviceStatus, before: DeviceStatus) -> bool:
    return _took(now) >= (does.pieces - 1) * does.gap_ms or not now.reachable


def _refused(does: Untrusted, now: DeviceStatus, before: DeviceStatus) -> bool:
    return now.refused > before.refused


def _started_again(does: Reset | BrownOut | Hang, now: DeviceStatus, before: DeviceStatus) -> bool:
    return now.boots > before.boots


def _late_steps(does: SlowClock, now: DeviceStatus, before: DeviceStatus) -> bool:
    """Whether the mean is nearer to the value with the fault than to the normal one."""
    usual = now.period_ms
    return (
        now.affected >= STEPS_FOR_A_CLOCK and (now.step_ms or 0.0) > (usual + usual / does.rate) / 2
    )


def _took(status: DeviceStatus) -> float:
    return status.answer_ms or 0.0


@dataclass(frozen=True)
class DeviceProof:
    """How a fault of a device is observed."""

    met: Met = _always
    needs_clients: bool = False
    """Whether a client must be connected before, for the effect to be observable."""
    away: bool = False
    """Whether the device must not answer at all."""


PROOFS: Mapping[type[AnyFault], DeviceProof] = {
    Gone: DeviceProof(away=True),
    Slow: DeviceProof(_slow),
    Exceptions: DeviceProof(_now_and_then),
    Junk: DeviceProof(_now_and_then),
    Split: DeviceProof(_in_pieces),
    Late: DeviceProof(),
    BadCrc: DeviceProof(_now_and_then),
    Busy: DeviceProof(),
    SessionDrop: DeviceProof(needs_clients=True),
    Untrusted: DeviceProof(_refused, needs_clients=True),
    Reset: DeviceProof(_started_again),
    BrownOut: DeviceProof(_started_again),
    Hang: DeviceProof(_started_again),
    SlowClock: DeviceProof(_late_steps),
}


def proof_of(does: AnyFault) -> DeviceProof:
    """Raises InputError if there is no proof for that kind."""
    try:
        return PROOFS[type(does)]
    except KeyError:
        known = [str(kind.model_fields["kind"].default) for kind in PROOFS]
        raise InputError(
            f"there is no proof for a device that does {does.kind!r}",
            remedy=f"{did_you_mean(does.kind, known)}Available: {', '.join(known)}.",
        ) from None
