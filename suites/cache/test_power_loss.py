"""Images whose layers were unpacked just before a loss of power."""

from __future__ import annotations

from collections.abc import Callable

import allure
import pytest

from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Reboot
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from suites.cache.known import unpacked_layers_are_not_flushed
from suites.cache.objects import image_named
from suites.cache.onnode import CacheNode

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Loss of power"),
    pytest.mark.needs("cache"),
]

Nodes = Callable[[str], CacheNode]
IMAGE = image_named("healed")


def pull_and_lose_power(node: CacheNode, faults: FaultEngine, *, flush: bool) -> None:
    """All layers of the image are unpacked just before; `flush` writes them to the disk."""
    node.forget_all()
    trouble = node.pull(IMAGE)
    assert not trouble, trouble
    if flush:
        node.run("sync")
    with faults.inflict(Reboot(node=node.name)):
        pass  # healed when it is up again


@unpacked_layers_are_not_flushed
@pytest.mark.scenario("loss of power just after a pull")
@allure.title("{edge_node} runs an image that it pulled just before a loss of power")
def test_an_image_pulled_just_before_runs(
    edge_node: LabNode, cache_node: Nodes, faults: FaultEngine
) -> None:
    node = cache_node(edge_node.name)
    pull_and_lose_power(node, faults, flush=False)
    runs = node.program_runs(IMAGE)
    node.forget_all()
    assert runs, f"the program of {IMAGE.name} is not executed"


@pytest.mark.scenario("loss of power after a pull that was flushed")
@allure.title("{edge_node} runs an image that was flushed to its disk before (control)")
def test_an_image_that_was_flushed_runs(
    edge_node: LabNode, cache_node: Nodes, faults: FaultEngine
) -> None:
    node = cache_node(edge_node.name)
    pull_and_lose_power(node, faults, flush=True)
    assert node.program_runs(IMAGE)


@pytest.mark.scenario("loss of power just after a pull, image removed and pulled again")
@allure.title("{edge_node} runs an image after it was removed and pulled again")
def test_an_image_that_is_pulled_again_runs(
    edge_node: LabNode, cache_node: Nodes, faults: FaultEngine, measure: Measuring
) -> None:
    """All images with the layer must be removed: as long as one has it, it is not unpacked."""
    node = cache_node(edge_node.name)
    pull_and_lose_power(node, faults, flush=False)
    measure(
        "image damaged by a loss of power",
        0 if node.program_runs(IMAGE) else 1,
        unit="count",
        node=node.name,
        evidence=f"exit status of the program of {IMAGE.name}",
    )
    node.forget_all()
    trouble = node.pull(IMAGE)
    assert not trouble, trouble
    assert node.program_runs(IMAGE)
