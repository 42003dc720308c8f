"""Images whose layers were unpacked just before a loss of power."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.containerd import CONFIG
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.provisioning.cri import CONTAINERD
from suites.cache.known import unpacked_layers_are_not_flushed
from suites.cache.objects import APP, image_named, image_pod
from suites.cache.onnode import CacheNode, Nodes
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Loss of power"),
    pytest.mark.needs("cache"),
]
IMAGE = image_named("healed")

WRITE_LATE = "sysctl -qw vm.dirty_expire_centisecs=360000 vm.dirty_writeback_centisecs=360000"
"""Until the next boot, the kernel writes files only when it must. By default it does half a minute
after a change at the latest, and the result would depend on how fast the node is."""

PLUGIN = r'^\[plugins\."io\.containerd\.\(cri\.v1\.images\|grpc\.v1\.cri\)"\]$'
"""Header of the plugin that pulls images, in containerd 2 and 1.7."""


@contextlib.contextmanager
def layers_unpacked_again(node: CacheNode) -> Iterator[None]:
    """In the block, a pull unpacks all layers; afterwards no damaged one is left."""
    node.forget_all()
    try:
        yield
    finally:
        node.forget_all()


@contextlib.contextmanager
def pulls_flushed(node: CacheNode) -> Iterator[None]:
    """In the block, containerd flushes what it unpacks for the kubelet."""
    unit, saved = CONTAINERD.unit, f"{CONFIG}.saved"
    option = "image_pull_with_sync_fs = true"
    node.run(f"cp -a {CONFIG} {saved} && sed -i '/{PLUGIN}/a {option}' {CONFIG}")
    try:
        node.run(f"grep -q '{option}' {CONFIG} && systemctl restart {unit}")
        yield
    finally:
        node.run(f"mv {saved} {CONFIG} && systemctl restart {unit}")


def runs_after_power_loss(
    lab: Lab, node: CacheNode, faults: FaultEngine, time_limit: TimeLimit, *, flush: bool = False
) -> bool:
    """Whether the image's program is executed after the kubelet has pulled the image and the node
    has lost its power; `flush` writes everything to the disk before."""
    with layers_unpacked_again(node):
        node.run(WRITE_LATE)
        pod = image_pod(f"pulled-{node.name}", node.name, IMAGE.name)
        with running_pods(lab, [pod], APP, time_limit):
            if flush:
                node.run("sync")
            with faults.inflict(Reboot(node=node.name)):
                pass  # healed when it is up again
            return node.program_runs(IMAGE)


@unpacked_layers_are_not_flushed
@pytest.mark.scenario("loss of power just after a pull")
@allure.title("{edge_node} runs an image that it pulled just before a loss of power")
def test_an_image_pulled_just_before_runs(
    lab: Lab, edge_node: LabNode, cache_node: Nodes, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    node = cache_node(edge_node.name)
    assert runs_after_power_loss(lab, node, faults, time_limit)


@pytest.mark.scenario("loss of power after a pull that was flushed")
@allure.title("{edge_node} runs an image that was flushed to its disk before (control)")
def test_an_image_that_was_flushed_runs(
    lab: Lab, edge_node: LabNode, cache_node: Nodes, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    node = cache_node(edge_node.name)
    assert runs_after_power_loss(lab, node, faults, time_limit, flush=True)


@pytest.mark.scenario("loss of power just after a pull, image_pull_with_sync_fs")
@allure.title("With image_pull_with_sync_fs, {edge_node} runs an image that it pulled just before")
def test_an_image_that_containerd_flushed_runs(
    lab: Lab, edge_node: LabNode, cache_node: Nodes, faults: FaultEngine, time_limit: TimeLimit
) -> None:
    node = cache_node(edge_node.name)
    with pulls_flushed(node):
        runs = runs_after_power_loss(lab, node, faults, time_limit)
    assert runs


@pytest.mark.scenario("damaged image removed and pulled again")
@allure.title("{edge_node} runs a damaged image after it was removed and pulled again")
def test_a_damaged_image_is_repaired(edge_node: LabNode, cache_node: Nodes) -> None:
    """All images with the layer must be removed: as long as one has it, it is not unpacked."""
    node = cache_node(edge_node.name)
    with layers_unpacked_again(node):
        others = node.programs()
        trouble = node.pull(IMAGE)
        assert not trouble, trouble
        assert node.program_runs(IMAGE)
        damaged = node.programs() - others
        assert damaged, "no layer with a program was unpacked"
        node.run(f"truncate -s 0 {' '.join(damaged)}")
        assert not node.program_runs(IMAGE)
        node.forget(IMAGE)
        trouble = node.pull(IMAGE)
        assert not trouble, trouble
        assert node.program_runs(IMAGE)
