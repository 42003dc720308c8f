"""What the add-on `critest` puts on nodes."""

from __future__ import annotations

import yaml

from edge_lab.addons import find_addon
from edge_lab.addons.critest.names import CRITEST, CRITEST_IMAGE, IMAGE, images_file
from edge_lab.artifacts import CATALOG, Want
from edge_lab.artifacts.catalog import CRI_TOOLS
from edge_lab.artifacts.gomodules import GoModule
from edge_lab.data import IMAGES
from edge_lab.stacks import get_stack
from edge_lab.topology import Topology


def test_the_program_is_of_the_version_that_its_module_requires() -> None:
    module = GoModule(CRITEST, IMAGES / "go" / CRITEST)
    assert CATALOG[CRITEST].version == CRI_TOOLS
    assert module.requires("sigs.k8s.io/cri-tools") == CRI_TOOLS


def test_edge_nodes_have_it_and_the_server_has_not(topology: Topology) -> None:
    addon, stack = find_addon(CRITEST), get_stack("kubernetes+openyurt")
    able = {node.name: addon.capabilities(topology, node, stack) for node in topology.nodes}
    assert able.pop(topology.server.name) == frozenset()
    assert set(able.values()) == {frozenset({CRITEST})}
    assert set(addon.wants(topology, stack)) == {
        Want(CRITEST, node.arch) for node in topology.edges
    }


def test_all_containers_are_of_an_image_of_the_lab(topology: Topology) -> None:
    assert find_addon(CRITEST).images(topology) == (CRITEST_IMAGE,)
    assert set(yaml.safe_load(images_file()).values()) == {IMAGE}
