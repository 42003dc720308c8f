"""The disk of a node is full in the middle of a pull."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.cache.content import LARGE, LabImage
from edge_lab.addons.cache.names import REGISTRY_NAME
from edge_lab.addons.workload import NAMESPACE
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, DiskFull, Impair
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually, preparing
from suites.cache.judging import NO_ROOM, Full, Start, wrong_full_disk
from suites.cache.objects import APP, image_named, image_pod
from suites.cache.onnode import CacheNode, Nodes
from suites.cache.watching import seen_within, watch_starts
from suites.edges import uplink
from suites.passing import nothing_wrong
from suites.pods import events_of_uid, running_pods, sends_events

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Full disk"),
    pytest.mark.needs("cache"),
]

RATE_KBIT = 2000
"""Of the slow line: twenty megabytes take eighty seconds, and the disk is full before."""
PART = 0.25
"""Of the image that is received when the disk is filled."""
PART_SECONDS = 240.0
SAID_SECONDS = 240.0
"""Seconds until a pull fails for lack of room, with another attempt before it."""
KEPT_SECONDS = 30.0
"""nginx checks its limits every ten seconds."""
START_SECONDS = 150.0
AGAIN_SECONDS = 420.0
"""Kubernetes' maximum back-off between two pulls, 300 s, and a start."""
CRITICAL = "system-node-critical"
"""Otherwise the kubelet would evict the pods when the disk is full."""

CACHED, PULLED = image_named("cached"), LARGE[2]


@contextlib.contextmanager
def partly_pulled(
    lab: Lab, faults: FaultEngine, node: CacheNode, pod: str, time_limit: TimeLimit
) -> Iterator[None]:
    """The kubelet pulls the image of a pod over a slow line, and a part of it has arrived."""
    link, cloud = uplink(lab, node.name), uplink(lab, lab.topology.server.name)
    with faults.inflict(Impair(link=cloud, direction="tx", rate_kbit=RATE_KBIT)):
        began = node.received(link)
        lab.kubectl.apply(
            [image_pod(pod, node.name, PULLED.name, priorityClassName=CRITICAL)], time_limit(60)
        )
        with preparing():
            eventually(
                "a part of the image is received",
                lambda: node.received(link) - began > PULLED.bytes * PART,
                time_limit(PART_SECONDS),
                every=0.5,
            )
        yield


def said_of_image(lab: Lab, node: CacheNode, pod: str, since: str, time_limit: TimeLimit) -> str:
    """The events of the pod or, if the edge nodes send none, the messages on the node."""
    if not sends_events(lab):
        return node.said_of(PULLED.reference(REGISTRY_NAME), since)
    found = lab.kubectl.find("pod", pod, "-n", NAMESPACE, deadline=time_limit(60))
    assert found is not None, f"the pod {pod} is gone"
    uid = str(found["metadata"]["uid"])
    return "\n".join(events_of_uid(lab, uid, time_limit(60), "type=Warning"))


def serves(node: CacheNode, image: LabImage) -> bool:
    """Whether the node's cache returns the unique layer of an image unchanged."""
    return node.digest_of_layer(image) == image.own_digest


@pytest.mark.scenario("disk full during a pull")
@pytest.mark.fails_without("cache-outlives-upstream")
@pytest.mark.usefixtures("saved_lab")
@allure.title(
    "Disk of {edge_node} full during a pull: nothing cached is lost, and it goes on later"
)
def test_a_disk_that_is_full_during_a_pull_costs_no_image(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    name, node = edge_node.name, cache_node(edge_node.name)
    kept, pulled, link = f"kept-{name}", f"pulled-{name}", uplink(lab, name)
    for image in (CACHED, PULLED):
        node.forget(image)
    node.purge_site()
    pod = image_pod(kept, name, CACHED.name, priorityClassName=CRITICAL)
    with running_pods(lab, [pod], APP, time_limit), contextlib.ExitStack() as full:
        since = node.now()
        said_now = partial(said_of_image, lab, node, pulled, since, time_limit)
        with partly_pulled(lab, faults, node, pulled, time_limit):
            full.enter_context(faults.inflict(DiskFull(node=name)))
            limit = time_limit(SAID_SECONDS)
            seen_within(limit, lambda: bool(NO_ROOM.search(said_now())), 5.0)
        said = said_now()
        # Served by the cache alone: the uplink is cut, and the neighbours have nothing.
        with faults.inflict(Cut(link=link)):
            kept_for = time_limit(KEPT_SECONDS)
            emptied = seen_within(kept_for, lambda: not serves(node, CACHED), 2.0)
            early = bool(node.container(pulled))
            full.close()
            node.forget(CACHED)
            before = node.kill(kept)
            with preparing():
                assert before, f"{kept} did not run its program before the kill"
            cached = watch_starts(node, {kept: before}, time_limit(START_SECONDS))[kept]
            fetched = node.has(CACHED)
        again = watch_starts(node, {pulled: ""}, time_limit(AGAIN_SECONDS))[pulled]
        with faults.inflict(Cut(link=link)):
            damaged = [image.name for image in (CACHED, PULLED) if not serves(node, image)]
        seen = Full(
            pulled=early,
            said=said,
            served=not emptied,
            cached=Start(*cached, said=node.said_of(CACHED.reference(REGISTRY_NAME), since)),
            fetched=fetched,
            again=Start(*again, said=said_now()),
            damaged=damaged,
        )
    for label, start in (("cached, offline", seen.cached), ("pulled", seen.again)):
        measure(
            "start after a full disk",
            start.seconds if start.started else None,
            unit="s",
            better="lower",
            node=name,
            label=label,
            evidence="containers on the node, from when there was room",
            reason="" if start.started else f"not within {start.seconds:.0f} s",
        )
    allure.attach(str(seen), "what was seen")
    nothing_wrong(wrong_full_disk(seen))
