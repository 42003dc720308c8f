"""The faults of certificates, as data."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from edge_lab.core.durations import show_duration
from edge_lab.faults.claims import Claims, link_part, node_part, services_part
from edge_lab.faults.effects import Scope
from edge_lab.faults.fault import Fault
from edge_lab.faults.objections import Objection, unknown_name
from edge_lab.topology import Topology

LEAST_SECONDS = 60.0
"""Seconds that a component of an emulated node needs to load and present a certificate."""


class Issuer(StrEnum):
    OWN = "own"
    """The authority that signed the original certificate."""
    FOREIGN = "foreign"
    """An authority of the same name that nobody trusts."""


class ReplaceCertificate(Fault):
    """A component gets another certificate of the same name; healing restores the original one.

    A component that reads its certificate only at its start is restarted, both times.
    """

    family: ClassVar[str] = "certificate"
    fault: Literal["replace-certificate"] = "replace-certificate"
    node: str
    certificate: str = Field(pattern=r"^[a-z0-9-]+$", description="Its name on that node.")
    issuer: Issuer = Issuer.OWN
    valid_s: float | None = Field(
        None, gt=0, description="Valid for so many seconds; without it, for years."
    )

    @property
    def title(self) -> str:
        how = [] if self.issuer is Issuer.OWN else [f"by a {self.issuer.value} authority"]
        if self.valid_s is not None:
            how.append(f"valid for {show_duration(self.valid_s)}")
        kind = f" ({', '.join(how)})" if how else ""
        return f"certificate {self.certificate} of {self.node} replaced{kind}"

    @property
    def targets(self) -> frozenset[str]:
        return frozenset({f"{node_part(self.node)} certificate {self.certificate}"})

    @property
    def scope(self) -> Scope:
        return Scope(nodes=frozenset({self.node}))

    def claims(self, topology: Topology) -> Claims:
        """A boot would restore the original certificate, and a restart would end other faults of
        the service. The effect is observed between node and server."""
        ends = {self.node, topology.server.name}
        path = {link_part(topology.cluster_link(name).name) for name in ends}
        return Claims(
            self.targets,
            needs=frozenset({node_part(self.node), services_part(self.node)}),
            observed_through=frozenset(path | {node_part(name) for name in ends}),
        )

    def objections(self, topology: Topology) -> Iterator[Objection]:
        yield from unknown_name("node", self.node, [node.name for node in topology.nodes])
        if self.valid_s is not None and self.valid_s < LEAST_SECONDS:
            yield Objection(
                "valid_s",
                f"a certificate that is valid for {self.valid_s:g} s expires before it is seen",
                f"Give {LEAST_SECONDS:g} or more.",
            )
