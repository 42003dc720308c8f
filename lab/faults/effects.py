"""Effects of a fault on the parts of a lab, for oracles."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scope:
    """The parts of a lab that a fault affects, by name. Without any, it is the whole lab."""

    links: frozenset[str] = frozenset()
    nodes: frozenset[str] = frozenset()
    devices: frozenset[str] = frozenset()
    pods: frozenset[str] = frozenset()
    """As namespace/name."""

    @property
    def names(self) -> frozenset[str]:
        return self.links | self.nodes | self.devices | self.pods

    @property
    def is_whole_lab(self) -> bool:
        return not self.names

    @property
    def is_devices_alone(self) -> bool:
        return bool(self.devices) and self.names == self.devices


@dataclass(frozen=True)
class NodeStop:
    """A node that is stopped by a fault: it does not answer, and none of its containers runs."""

    node: str
    until_heal: bool = True
    """Whether it stays stopped until the heal begins; False: it starts again by itself at once."""
    sudden: bool = True
    """False: it shuts down cleanly, and its containers run until they are seen to end."""
    keeps_boot: bool = False
    """Whether what ran before runs on afterwards; False: the node boots."""
