"""Hostile frames of a guest: the fabric continues, and another node's samples do not suffer.

An Ethernet switch without port security believes the source address of a frame, and floods frames
to addresses that its table has lost. So what another node loses to a false source address and to a
flood is measured, and not judged; that it recovers is judged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.frames import Exposure, FabricView, FrameProblem, SamplerView
from suites.walls.frames import Kind, send

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Walls"), allure.feature("Frames")]

SECONDS = 20
"""Of hostile frames, by the node's clock."""
RECOVERED_SECONDS = 90.0
MAY_LOSE = frozenset({Kind.NEIGHBOR, Kind.FLOOD})
"""Kinds to which a switch without port security is open."""


class Neighborhood:
    """A node that sends hostile frames, and another one that samples a device meanwhile."""

    def __init__(self, lab: Lab, workload: Workload, attacker: LabNode) -> None:
        self.lab, self.workload, self.attacker = lab, workload, attacker
        networks = {link.network: link for link in lab.topology.links_of(attacker.name)}
        for victim in lab.topology.edges:
            if victim.name == attacker.name:
                continue
            for device in workload.devices_of(victim):
                (at, *_) = lab.topology.links_of(device)
                if at.network in networks:
                    self.victim, self.device = victim.name, device
                    self.link, self.address = networks[at.network], at.address
                    return
        raise MissingCapability(
            f"no other edge node of {lab.topology.name} samples a device on a network of {attacker}"
        )

    def sampler(self) -> SamplerView:
        counts = self.workload.counts(self.victim)[self.device]
        step = self.lab.devices[self.device].steps()[-1].seq
        return SamplerView(step, counts.sampled, counts.read_errors)

    def fabric(self) -> FabricView:
        fabric = self.lab.fabric
        return FabricView(fabric.ping().pid, fabric.counters())

    def exposed_to(self, kind: Kind) -> Exposure:
        """What is seen before and after the attacker sends frames of `kind`."""
        sampler, fabric = self.sampler(), self.fabric()
        nic = f"{self.link.network}0"
        sent = send(self.attacker, nic, str(self.address), kind, SECONDS)
        return Exposure(self.link.name, (fabric, self.fabric()), (sampler, self.sampler()), sent)


@pytest.fixture
def neighborhood(lab: Lab, edge_node: LabNode, workload: Workload) -> Neighborhood:
    return Neighborhood(lab, workload, edge_node)


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value.replace(" ", "-"))
@allure.title("Frames from {edge_node} ({kind}) do not stop the fabric, and others recover")
def test_hostile_frames(
    edge_node: LabNode,
    kind: Kind,
    neighborhood: Neighborhood,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    exposure = neighborhood.exposed_to(kind)
    refused = ", ".join(f"{count} {name}" for name, count in exposure.sent.refused.items())
    measure(
        "samples taken beside hostile frames",
        exposure.sampled_percent,
        unit="%",
        better="higher",
        node=edge_node.name,
        label=kind.value,
        evidence=f"{neighborhood.victim} and {neighborhood.device}: {exposure.steps} steps, "
        f"{exposure.read_errors} read errors; {exposure.sent.sent} frames sent in "
        f"{exposure.sent.seconds:.0f} s (refused by the node: {refused or 'none'}), "
        f"{exposure.received} received by the fabric",
    )
    assert exposure.problems(may_lose=kind in MAY_LOSE) == frozenset()
    before = neighborhood.sampler()

    def sampled_again() -> bool:
        return neighborhood.sampler().sampled > before.sampled

    eventually(
        f"{neighborhood.victim} samples {neighborhood.device} again",
        sampled_again,
        time_limit(RECOVERED_SECONDS),
        every=1.0,
    )


@allure.title("Samples that another node loses beside frames of {edge_node} are noticed (control)")
def test_lost_samples_are_noticed(
    lab: Lab, edge_node: LabNode, neighborhood: Neighborhood, faults: FaultEngine
) -> None:
    (link,) = (
        link.name
        for link in lab.topology.links_of(neighborhood.victim)
        if link.network == neighborhood.link.network
    )
    with faults.inflict(Cut(link=link)):
        exposure = neighborhood.exposed_to(Kind.MALFORMED)
    assert exposure.problems() == {FrameProblem.LOST}
