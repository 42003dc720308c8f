"""The offset of a node's clock from the host's, as bounds.

A reading of a guest's clock is a request and a response. The guest read its clock between the two,
so the offset lies in an interval as wide as the round trip. Of several readings at one moment all
intervals hold, so their intersection does. Readings before and after a series hold for their own
moments; in between, the offset lies in the hull of both as long as it drifts in one direction. A
clock that deviates and returns in between is not noticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.oracles.spans import NANOSECONDS


@dataclass(frozen=True)
class ClockLook:
    """One reading of a guest's clock; ns since 1970, each by its own clock."""

    asked: int
    shown: int
    answered: int

    def bounds(self) -> ClockBounds:
        """The bounds of the guest's offset from this reading alone."""
        if self.answered < self.asked:
            raise LabError("the host's clock was set back while a guest's clock was read")
        return ClockBounds(self.shown - self.answered, self.shown - self.asked)


@dataclass(frozen=True)
class ClockBounds:
    """A node's clock is ahead of the host's by at least `least` and at most `most` ns."""

    least: int
    most: int

    def __post_init__(self) -> None:
        if self.most < self.least:
            raise LabError(f"an offset of at least {self.least} ns and at most {self.most} ns")

    @property
    def error(self) -> float:
        """The maximum error of a moment that `to_host` has converted, s."""
        return (self.most - self.least) / 2 / NANOSECONDS

    def to_host(self, shown: int) -> int:
        """Converts a moment of the node's clock to the host's, ns; the error is at most `error`."""
        return shown - (self.least + self.most) // 2

    def joined(self, other: ClockBounds) -> ClockBounds:
        """The hull: holds between two moments at which the bounds held, if the offset has moved in
        one direction."""
        return ClockBounds(min(self.least, other.least), max(self.most, other.most))


def bounds_of(looks: Iterable[ClockLook]) -> ClockBounds:
    """The bounds from readings at about one moment.

    Raises:
        LabError: there are none, or no offset fits all: a clock was set meanwhile.
    """
    bounds = [look.bounds() for look in looks]
    if not bounds:
        raise LabError("the node's clock was not read")
    least, most = max(bound.least for bound in bounds), min(bound.most for bound in bounds)
    if most < least:
        raise LabError(
            "the node's clock, or the host's, was set while they were compared: "
            f"no offset fits all {len(bounds)} readings"
        )
    return ClockBounds(least, most)
