"""What of a device's fault its own read of itself must show, by what it does wrong."""

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
    Busy,
    Exceptions,
    Gone,
    Junk,
    Late,
    SessionDrop,
    Slow,
    Split,
    Untrusted,
)

Met = Callable[[Any, DeviceStatus, DeviceStatus], bool]
"""Whether a read has met the fault: what the device does, its status now, and that before."""


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


def _took(status: DeviceStatus) -> float:
    return status.answer_ms or 0.0


@dataclass(frozen=True)
class DeviceProof:
    """What shows that a device does something wrong."""

    met: Met = _always
    needs_clients: bool = False
    """Whether somebody must be connected before, or nothing of it could be seen."""
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
}


def proof_of(does: AnyFault) -> DeviceProof:
    """Raises InputError if nobody knows how that could be seen."""
    try:
        return PROOFS[type(does)]
    except KeyError:
        known = [str(kind.model_fields["kind"].default) for kind in PROOFS]
        raise InputError(
            f"there is no proof for a device that does {does.kind!r}",
            remedy=f"{did_you_mean(does.kind, known)}Available: {', '.join(known)}.",
        ) from None
