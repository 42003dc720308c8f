"""Image garbage collection by the kubelet, and the label that pins an image."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.cache.names import REGISTRY_NAME
from edge_lab.addons.dropins import kubelet_drop_in
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from suites.cache.judging import wrong_collection
from suites.cache.objects import image_named
from suites.cache.onnode import CTR, CacheNode, Nodes
from suites.cache.watching import seen_within
from suites.passing import nothing_wrong

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Kubelet"),
    pytest.mark.needs("cache"),
]

KUBELET_UNIT = "kubelet.service"
DROP_IN = "95-cache-suite.conf"
COLLECTED_SECONDS = 420.0
"""The kubelet checks every five minutes, and removes images that were unused at two checks."""
LOOK_EVERY = 10.0
PINNED = "io.cri-containerd.pinned=pinned"


@contextlib.contextmanager
def short_of_room(lab: Lab, node: CacheNode) -> Iterator[None]:
    """Makes the kubelet collect at any disk usage; afterwards imports the lab's own images again,
    which were collected, too."""
    spec = lab.topology.node(node.name)
    limits = {
        "imageGCHighThresholdPercent": 2,
        "imageGCLowThresholdPercent": 1,
        "imageMinimumGCAge": "1s",
    }
    file = kubelet_drop_in(lab.topology, spec, lab.stack, DROP_IN, **limits)
    lab.machine(node.name).write(file)
    node.run(f"systemctl restart {KUBELET_UNIT}")
    try:
        yield
    finally:
        node.run(f"rm -f {file.path} && systemctl restart {KUBELET_UNIT}")
        node.run(
            "rm -rf /var/lib/edge-lab/imported && systemctl restart edge-lab-images", seconds=300
        )


@pytest.mark.scenario("image garbage collection")
@allure.title(
    "The kubelet of {edge_node} garbage-collects an unpinned image, and keeps a pinned one"
)
def test_a_pinned_image_is_not_collected(
    lab: Lab,
    edge_node: LabNode,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    name, node = edge_node.name, cache_node(edge_node.name)
    if KUBELET_UNIT not in lab.stack.runtime.units():
        raise MissingCapability(f"{lab.stack.runtime.name} has no kubelet that reads drop-ins")
    pinned, other = (image_named(word) for word in ("pinned", "unpinned"))
    for image in (pinned, other):
        trouble = node.pull(image)
        assert not trouble, trouble
    keeps, goes = (image.reference(REGISTRY_NAME) for image in (pinned, other))
    node.run(f"{CTR} images label {keeps} {PINNED}")
    before = node.references()
    with short_of_room(lab, node):
        seen_within(
            time_limit(COLLECTED_SECONDS), lambda: goes not in node.references(), LOOK_EVERY
        )
        after = node.references()
    measure(
        "images collected",
        len(set(before) - set(after)),
        unit="count",
        node=name,
        evidence="references of containerd before and after",
    )
    nothing_wrong(wrong_collection(before, after, keeps, goes))
    # A collected image can be pulled again: it is still in the cache.
    trouble = node.pull(other)
    assert not trouble, trouble
