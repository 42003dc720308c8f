"""The replacement of a certificate authority of the cluster, as data: a fault for each stage."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from edge_lab.faults.claims import Claims, link_part, node_part, services_part
from edge_lab.faults.effects import Scope
from edge_lab.faults.fault import Fault
from edge_lab.faults.objections import Objection, unknown_name
from edge_lab.pki import CLUSTER, Stage
from edge_lab.topology import Topology


class AuthorityStage(StrEnum):
    BOTH_TRUSTED = "both-trusted"
    NEW_SHOWN = "new-shown"
    OLD_REMOVED = "old-removed"

    @property
    def stage(self) -> Stage:
        return Stage[self.name]


class ReplaceAuthority(Fault):
    """An authority of the cluster is replaced up to that stage; healing takes it back to the stage
    before, which must be active. All components that read the files concerned are restarted."""

    family: ClassVar[str] = "authority"
    fault: Literal["replace-authority"] = "replace-authority"
    stage: AuthorityStage
    authority: str = Field(
        CLUSTER.name,
        pattern=r"^[a-z0-9-]+$",
        description="The trust domain whose authority it is.",
    )
    left_out: tuple[str, ...] = Field(
        (), description="Nodes that keep their certificates; with stage new-shown."
    )

    @property
    def title(self) -> str:
        left_out = f", but for {', '.join(self.left_out)}" if self.left_out else ""
        which = "" if self.authority == CLUSTER.name else f" of {self.authority}"
        return f"authority{which} replaced: {self.stage.value.replace('-', ' ')}{left_out}"

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"authority {self.authority} {self.stage}"})

    @property
    def scope(self) -> Scope:
        return Scope()

    def claims(self, topology: Topology) -> Claims:
        """A boot would restore the original files, and restarts would end other faults of
        services."""
        nodes = [node.name for node in topology.nodes]
        wires = {link_part(topology.cluster_link(node).name) for node in nodes}
        parts = {node_part(node) for node in nodes}
        return Claims(
            self.targets,
            needs=frozenset(parts | {services_part(node) for node in nodes}),
            observed_through=frozenset(parts | wires),
        )

    def objections(self, topology: Topology) -> Iterator[Objection]:
        for node in self.left_out:
            yield from unknown_name("left_out", node, [edge.name for edge in topology.edges])
        if self.left_out and self.stage is not AuthorityStage.NEW_SHOWN:
            yield Objection(
                "left_out",
                f"no node can be left out of the stage {self.stage}",
                f"Only {AuthorityStage.NEW_SHOWN} can leave nodes out.",
            )
