"""A stack and add-ons put together: what nodes and cluster are given, and in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from edge_lab.addons import AddOn, AddOnContext, Platform, Stage, get_platform
from edge_lab.artifacts import Want
from edge_lab.cluster.objects import Manifest
from edge_lab.core.errors import LabError
from edge_lab.handle.lab import Lab
from edge_lab.images import PAUSE, ImageSpec
from edge_lab.measuring.observation import Observation
from edge_lab.measuring.watcher import Ended
from edge_lab.pki import CertificateSpec, IdentityRequest, Request, TrustDomain
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack, get_stack, kubectl_want, wants_for
from edge_lab.topology import Arch, Node, Topology
from tests.stacks.provisions import ContextFor, files_of

SPIRE = TrustDomain("spire", "the authority of the sensor")


class Sensor(AddOn):
    """One of everything."""

    name = "sensor"
    declares = frozenset({"sensing"})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        return wants_for("kubelet", topology.edges)

    def images(self, topology: Topology) -> tuple[ImageSpec, ...]:
        return (ImageSpec("example.org/sensor:1", "edge-workload", ("/edge", "sense")),)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return (IdentityRequest(SPIRE, "sensor", CertificateSpec("sensor")),)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        file = GuestFile.text("/etc/sensor", f"{node.name} to {ctx.api.url}")
        return Provision((file,), ("sensor.service",))

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return ("sensor.service",)

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        return ({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": stage.name}},)

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node.arch is Arch.AARCH64 else frozenset()


@pytest.fixture
def platform() -> Platform:
    return Platform(get_stack("kubernetes+openyurt"), (Sensor(),))


def test_every_node_is_given_its_part_of_each(
    platform: Platform, context_for: ContextFor, topology: Topology
) -> None:
    context = context_for(platform)
    alone = platform.stack.provision(context)
    together = platform.provision(context)
    for node in topology.nodes:
        content = files_of(together[node.name])["/etc/sensor"].content.decode()
        assert content == f"{node.name} to https://10.77.0.1:6443"
        assert {file.path for file in alone[node.name].files} <= set(files_of(together[node.name]))
        assert "sensor.service" in platform.units(topology)[node.name]


def test_two_that_write_one_file_are_an_error(platform: Platform, context_for: ContextFor) -> None:
    class Other(Sensor):
        name = "other"

        def provision(self, ctx: AddOnContext, node: Node) -> Provision:
            return Provision((GuestFile.text("/etc/sensor", "something else"),))

    both = replace(platform, addons=(Sensor(), Other()))
    with pytest.raises(LabError, match="/etc/sensor"):
        both.provision(context_for(both))


def test_all_that_it_is_made_of_is_asked_for_once(platform: Platform, topology: Topology) -> None:
    wants = platform.wants(topology)
    assert len(wants) == len(set(wants))
    assert kubectl_want() in wants
    assert {want.arch for want in wants if want.component == "edge-workload"} == set(Arch)
    assert [image.reference for image in platform.images(topology)] == [
        PAUSE,
        "example.org/sensor:1",
    ]
    assert "sensor" in {request.name for request in platform.identities(topology)}


def test_objects_come_at_their_stage(platform: Platform, context_for: ContextFor) -> None:
    context = context_for(platform)
    for stage in Stage:
        (only,) = platform.manifests(context, stage)["sensor"]
        assert only["metadata"]["name"] == stage.name
    assert not platform.manifests(context, Stage.NODES_READY)["stack kubernetes+openyurt"]


def test_a_capability_is_a_nodes_not_the_labs(platform: Platform, topology: Topology) -> None:
    able = platform.capabilities(topology)
    assert "sensing" in able["edge-arm"]
    assert "sensing" not in able["edge-riscv"]
    assert all("autonomy" in having for having in able.values())


def test_what_add_ons_watch_with_is_watched_with(platform: Platform) -> None:
    class Watcher:
        name = "sensor"

        def watch(self, ended: Ended) -> Iterator[Observation | None]:
            yield None

    class Watching(Sensor):
        name = "watching"

        def watchers(self, lab: Lab) -> tuple[Watcher, ...]:
            return (Watcher(),)

    lab = cast("Lab", object())
    assert platform.watchers(lab) == ()
    both = replace(platform, addons=(Sensor(), Watching()))
    assert [watcher.name for watcher in both.watchers(lab)] == ["sensor"]


def test_versions_are_by_component(context_for: ContextFor, topology: Topology) -> None:
    platform = get_platform("kubernetes+openyurt", topology)
    versions = platform.versions(context_for(platform).artifacts, topology)
    assert set(versions.values()) == {"v1"}
    assert kubectl_want().component in versions
