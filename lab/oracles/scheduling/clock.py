"""The clock of a node beside the host's: bounds of how far it is ahead, and what they allow to say.

A look at a guest's clock is a question and an answer. The guest read its clock somewhere between
the two, so its offset lies in an interval as wide as the round trip. Of several looks at one
moment all intervals hold, so their intersection does. Looks before and after a series hold for
their own moments; in between the offset has moved from the one to the other, and lies in the hull
of both as long as it has moved in one direction. A clock that went astray and came back in between
is not noticed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edge_lab.core.errors import LabError
from edge_lab.oracles.spans import NANOSECONDS


@dataclass(frozen=True)
class ClockLook:
    """One question to a guest for its time; ns since 1970, each on its own clock."""

    asked: int
    shown: int
    answered: int

    def bounds(self) -> ClockBounds:
        """Where the guest's offset lies, by this look alone."""
        if self.answered < self.asked:
            raise LabError("the host's clock was set back while a guest was asked for its time")
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
        """What a moment corrected by `to_host` may be off, s."""
        return (self.most - self.least) / 2 / NANOSECONDS

    def to_host(self, shown: int) -> int:
        """A moment of the node's clock on the host's, ns; off by `error` at most."""
        return shown - (self.least + self.most) // 2

    def joined(self, other: ClockBounds) -> ClockBounds:
        """The hull: holds between two moments at which the bounds held, if the offset has moved in
        one direction."""
        return ClockBounds(min(self.least, other.least), max(self.most, other.most))


def bounds_of(looks: Iterable[ClockLook]) -> ClockBounds:
    """Of looks at about one moment.

    Raises:
        LabError: there are none, or no offset fits them all: a clock was set meanwhile.
    """
    bounds = [look.bounds() for look in looks]
    if not bounds:
        raise LabError("no look at the clock of the node")
    least, most = max(one.least for one in bounds), min(one.most for one in bounds)
    if most < least:
        raise LabError(
            "the clock of the node, or of the host, was set while they were compared: "
            f"no offset fits all {len(bounds)} looks"
        )
    return ClockBounds(least, most)
