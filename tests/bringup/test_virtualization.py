"""Which root images a lab has whose nodes offer virtualization, and that no other lab changes."""

from __future__ import annotations

import pytest

from edge_lab.bringup.lifecycle import bring_up
from edge_lab.bringup.plan import VIRTUALIZATION, root_variant
from edge_lab.core.errors import InputError
from edge_lab.images import image_digest
from edge_lab.images.recipe import load_recipe
from edge_lab.machines import Accelerator
from edge_lab.topology import Arch, Topology
from tests.bringup.fake_host import FakeHost


def virtualizing(topology: Topology, name: str) -> Topology:
    nodes = tuple(
        node.model_copy(update={"virtualization": True}) if node.name == name else node
        for node in topology.nodes
    )
    return topology.model_copy(update={"nodes": nodes})


def test_only_the_architecture_of_such_a_node_has_another_image(default_topology: Topology) -> None:
    topology = virtualizing(default_topology, "edge-arm")
    assert {arch: root_variant(topology, arch) for arch in Arch} == {
        Arch.X86_64: "",
        Arch.AARCH64: VIRTUALIZATION,
        Arch.RISCV64: "",
    }
    assert {root_variant(default_topology, arch) for arch in Arch} == {""}


@pytest.mark.parametrize("arch", list(Arch))
def test_an_image_of_the_variant_is_one_of_its_own(arch: Arch) -> None:
    recipe = load_recipe()
    assert image_digest(arch, VIRTUALIZATION) != image_digest(arch)
    added = set(recipe.variant(VIRTUALIZATION).packages_for(arch)) - set(recipe.packages_for(arch))
    assert [name for name in added if name.startswith("qemu-system-")] == sorted(added)
    assert len(added) == 1


def test_variants_are_in_no_digest_of_the_others() -> None:
    recipe = load_recipe()
    assert "variants" not in recipe.model_dump()
    assert recipe.variant("") == recipe
    with pytest.raises(KeyError):
        recipe.variant("no such")


def test_a_lab_without_it_is_written_as_before(default_topology: Topology) -> None:
    """The key of a checkpoint is made of what is written."""
    assert all("virtualization" not in node for node in default_topology.model_dump()["nodes"])
    written = virtualizing(default_topology, "edge-arm").model_dump(mode="json")
    assert [node.get("virtualization") for node in written["nodes"]] == [None, True, None]
    assert Topology.model_validate(written).node("edge-arm").virtualization


def test_a_host_that_cannot_nest_is_refused_before_anything_starts(
    default_topology: Topology, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    on_hardware = Accelerator("kvm", "a test", Arch.AARCH64)
    monkeypatch.setattr(host, "accelerator", lambda plan: on_hardware)
    with pytest.raises(InputError, match="edge-arm"):
        bring_up(virtualizing(default_topology, "edge-arm"), host=host)
    assert host.done == ["plan"]
