"""The faults of links, as data."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar, Literal, Self

from pydantic import Field

from edge_lab.fabric import CUT, DirectionState, Mode
from edge_lab.fabric.impairment import Impairment
from edge_lab.fabric.state import Direction, FlapTimes, Match
from edge_lab.faults import reach
from edge_lab.faults.claims import Claims, endpoint_part, link_part, observation_path
from edge_lab.faults.effects import Scope
from edge_lab.faults.families.link.futile import impairment_objections
from edge_lab.faults.families.link.profiles import PROFILES, profile
from edge_lab.faults.fault import Fault
from edge_lab.faults.objections import Objection, refused, unknown_name
from edge_lab.topology import Topology

Directions = Literal["both", "tx", "rx"]
"""Directions of a link, named from its endpoint: `tx` is what it sends, `rx` what it receives."""

BOTH = (Direction.TX, Direction.RX)

LEAST_DOWN_S = 0.3
"""Minimum total down time of a flapping link, seconds, for pings to be lost in it."""


class LinkFault(Fault):
    """Base of the faults of links."""

    family: ClassVar[str] = "link"
    link: str

    @property
    def directions(self) -> tuple[Direction, ...]:
        """The directions that it changes."""
        return BOTH

    @property
    def targets(self) -> frozenset[str]:
        return self._parts(self.directions)

    @property
    def scope(self) -> Scope:
        return Scope(links=frozenset({self.link}))

    @property
    @abstractmethod
    def states(self) -> dict[Direction, DirectionState]:
        """The states that it sets at the fabric, only of the directions that it changes."""

    @property
    def closes_a_direction(self) -> bool:
        """Whether a direction passes no frames, so that a fault of the other cannot be observed."""
        return False

    @property
    def lets_probes_pass(self) -> bool:
        """Whether pings over the link are answered as before."""
        return False

    @property
    def dropped_frames(self) -> Match | None:
        """Which frames it drops, if not all."""
        return None

    def claims(self, topology: Topology) -> Claims:
        link = topology.link(self.link)
        own = link_part(link.name)
        return Claims(
            locks=self._parts(BOTH) if self.closes_a_direction else self.targets,
            needs=frozenset({endpoint_part(topology, link)}),
            observed_through=observation_path(topology, link),
            disables=frozenset() if self.lets_probes_pass else frozenset({own}),
        )

    def objections(self, topology: Topology) -> Iterator[Objection]:
        names = [link.name for link in topology.links]
        yield from unknown_name("link", self.link, names)
        if self.link in names:
            yield from self._wrong_fields()
            yield from refused("link", lambda: self.claims(topology))
            yield from self._not_seen(topology)

    def _wrong_fields(self) -> Iterator[Objection]:
        """Objections to the fields alone."""
        yield from ()

    def _not_seen(self, topology: Topology) -> Iterator[Objection]:
        """Why it could not be observed over that link."""
        yield from ()

    def _parts(self, directions: tuple[Direction, ...]) -> frozenset[str]:
        return frozenset(f"{link_part(self.link)} {direction}" for direction in directions)


class DirectedFault(LinkFault):
    """Base of faults that change both directions of a link in the same way, or one of them."""

    direction: Directions = "both"

    @property
    def directions(self) -> tuple[Direction, ...]:
        return BOTH if self.direction == "both" else (Direction(self.direction),)

    @property
    def states(self) -> dict[Direction, DirectionState]:
        return dict.fromkeys(self.directions, self._state)

    @property
    @abstractmethod
    def _state(self) -> DirectionState:
        """Of each of its directions."""

    def _titled(self, what: str) -> str:
        only = "" if self.direction == "both" else f", {self.direction} only"
        return f"{what} on {self.link}{only}"


class Cut(DirectedFault):
    """The cable is unplugged. With both directions cut, the endpoint loses its carrier."""

    fault: Literal["cut"] = "cut"

    @property
    def title(self) -> str:
        return self._titled("cut")

    @property
    def _state(self) -> DirectionState:
        return CUT

    @property
    def closes_a_direction(self) -> bool:
        return True


class Drop(DirectedFault):
    """Frames are dropped, the carrier stays up; with `match`, only matching frames."""

    fault: Literal["drop"] = "drop"
    match: Match | None = None

    @property
    def title(self) -> str:
        return self._titled(f"drop of {self.match}" if self.match else "drop")

    @property
    def _state(self) -> DirectionState:
        return DirectionState(mode=Mode.DROP, match=self.match)

    @property
    def closes_a_direction(self) -> bool:
        return self.match is None

    @property
    def lets_probes_pass(self) -> bool:
        return self.match is not None

    @property
    def dropped_frames(self) -> Match | None:
        return self.match

    def _not_seen(self, topology: Topology) -> Iterator[Objection]:
        frames = self.match
        if frames is None:
            return
        link = topology.link(self.link)
        yield from refused("match", lambda: reach.probe_of(topology, link, frames))
        if frames.protocol == "udp":
            yield from refused(
                "match", lambda: reach.datagram(topology, link, frames, self.directions)
            )


class HalfOpen(DirectedFault):
    """Established TCP connections die silently; new ones work (a restarted firewall)."""

    fault: Literal["half-open"] = "half-open"

    @property
    def title(self) -> str:
        return self._titled("half-open")

    @property
    def _state(self) -> DirectionState:
        return DirectionState(mode=Mode.HALF_OPEN)

    @property
    def lets_probes_pass(self) -> bool:
        return True

    def _not_seen(self, topology: Topology) -> Iterator[Objection]:
        yield from refused("link", lambda: reach.service(topology, topology.link(self.link)))


class Impair(DirectedFault, Impairment):
    """Any combination of delay, loss, duplication, reordering, corruption, rate limit, MTU."""

    fault: Literal["impair"] = "impair"

    @property
    def title(self) -> str:
        return self._titled(str(self.impairment))

    @property
    def impairment(self) -> Impairment:
        """The impairment of a direction."""
        return Impairment(**{name: getattr(self, name) for name in Impairment.model_fields})

    @property
    def _state(self) -> DirectionState:
        return DirectionState(**self.impairment.model_dump())

    @property
    def closes_a_direction(self) -> bool:
        return self.loss >= 1

    def _wrong_fields(self) -> Iterator[Objection]:
        if self.impairment.is_clear:
            fields = ", ".join(Impairment.model_fields)
            yield Objection(
                "fault", "an impairment that changes nothing", f"Set at least one of: {fields}."
            )

    def _not_seen(self, topology: Topology) -> Iterator[Objection]:
        yield from impairment_objections(self.impairment)


class Profile(LinkFault):
    """The link behaves like a named line: `lab fault profiles` lists them."""

    fault: Literal["profile"] = "profile"
    name: str = Field(examples=list(PROFILES))

    @property
    def title(self) -> str:
        return f"{self.name} on {self.link}"

    @property
    def states(self) -> dict[Direction, DirectionState]:
        line = profile(self.name)
        return {
            Direction.TX: DirectionState(**line.up.model_dump()),
            Direction.RX: DirectionState(**line.down.model_dump()),
        }

    def _wrong_fields(self) -> Iterator[Objection]:
        yield from refused("name", lambda: profile(self.name))


class Flap(DirectedFault):
    """Frames are alternately dropped and passed, `count` times; then the link stays up.

    The carrier stays up. To take it down as well, cut the link repeatedly in a plan.
    """

    fault: Literal["flap"] = "flap"
    period_s: float = Field(gt=0, le=3600, description="Down and up together, seconds.")
    duty: float = Field(0.5, gt=0, lt=1, description="Fraction of a period for which it is down.")
    count: int = Field(ge=1, le=10_000)
    jitter: float = Field(0.0, ge=0, lt=1, description="Variation of the length of each period.")
    seed: int = Field(0, ge=0)

    @property
    def title(self) -> str:
        return self._titled(f"flap, {self.count} times {self.period_s:g} s")

    @property
    def _state(self) -> DirectionState:
        return DirectionState(
            flap=FlapTimes(
                period_ms=self.period_s * 1000,
                duty=self.duty,
                count=self.count,
                jitter=self.jitter,
                seed=self.seed,
            )
        )

    @property
    def closes_a_direction(self) -> bool:
        return True

    @property
    def least_s(self) -> float:
        return self.period_s * self.count * (1 + self.jitter)

    def seeded(self, seed: int) -> Self:
        if self.jitter and "seed" not in self.model_fields_set:
            return self.model_copy(update={"seed": seed})
        return self

    def _not_seen(self, topology: Topology) -> Iterator[Objection]:
        down = self.period_s * self.duty * self.count
        if down < LEAST_DOWN_S:
            yield Objection(
                "period_s",
                f"the link would be down for {down:g} s in all, too short to be seen",
                f"Use longer or more periods, {LEAST_DOWN_S:g} s down in all or more.",
            )
