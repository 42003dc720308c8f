"""Pulls: interrupted, shared by nodes of a site, beyond the cache's limit, and damaged content."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.cache.content import DATA_SETS, LARGE, LabImage
from edge_lab.addons.cache.edge import cache_of
from edge_lab.addons.cache.names import CACHE_UNIT, site_peers
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Impair, Kill
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually, preparing
from suites.cache.judging import (
    MIB,
    SLACK,
    Filled,
    Refused,
    Resumed,
    wrong_eviction,
    wrong_refusal,
    wrong_resumption,
    wrong_sharing,
)
from suites.cache.objects import APP, image_named, image_pod
from suites.cache.onnode import CacheNode, Nodes
from suites.cache.watching import seen_within, watch_starts
from suites.edges import edges, uplink
from suites.passing import nothing_wrong
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Pulls"),
    pytest.mark.needs("cache"),
]

RATE_KBIT = 4000
"""Of the slow line: twenty megabytes take forty seconds."""
END_SECONDS = 240.0
"""Seconds until a pull without an uplink fails."""
SETTLE_SECONDS = 60.0
"""nginx checks the limit every ten seconds."""
REFUSED_SECONDS = 60.0
GONE_SECONDS = 60.0
"""Seconds for containerd to collect a layer that no image has."""
AGAIN_SECONDS = 240.0


def fits(node: CacheNode, store: str, limit: int) -> bool:
    return node.held(store) <= limit


@contextlib.contextmanager
def half_pulled(
    lab: Lab, faults: FaultEngine, node: CacheNode, image: LabImage, time_limit: TimeLimit
) -> Iterator[int]:
    """Half of an image has arrived over a slow line, and the pull is in progress. Yields the bytes
    that the node's uplink had delivered before."""
    link = uplink(lab, node.name)
    # The program's layer, shared by all images, is on the node: only the unique layer is pulled.
    with preparing():
        assert not (trouble := node.pull(image_named("cached"))), trouble
    node.forget(image)
    node.purge_site()
    cloud = uplink(lab, lab.topology.server.name)
    with faults.inflict(Impair(link=cloud, direction="tx", rate_kbit=RATE_KBIT)):
        began = node.received(link)
        node.begin_pull(image)
        with preparing():
            eventually(
                "half of the image is received",
                lambda: node.received(link) - began > image.bytes * 0.5,
                time_limit(END_SECONDS),
                every=0.2,
            )
        yield began


def pulled_in_parts(
    node: CacheNode, image: LabImage, link: str, began: int, middle: int, measure: Measuring
) -> Resumed:
    """The pull is repeated; `middle` is how much the uplink had delivered at the interruption."""
    trouble = node.pull(image)
    assert not trouble, trouble
    seen = Resumed(middle - began, node.received(link) - middle, image.bytes)
    for label, value in (("before the interruption", seen.before), ("after it", seen.after)):
        measure(
            "pull in two parts",
            value / MIB,
            unit="MiB",
            node=node.name,
            label=label,
            evidence=f"bytes that {link} delivered",
        )
    return seen


@pytest.mark.core
@pytest.mark.scenario("interrupted pull")
@pytest.mark.fails_without("cache-outlives-upstream")
@allure.title("An interrupted pull on {edge_node} resumes where it stopped")
def test_a_pull_that_is_cut_goes_on_where_it_was(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    node, image = cache_node(edge_node.name), LARGE[0]
    link = uplink(lab, node.name)
    with half_pulled(lab, faults, node, image, time_limit) as began:
        with faults.inflict(Cut(link=link)):
            seen_within(time_limit(END_SECONDS), node.pull_has_ended, 2.0)
            # Whether the container runtime or the cache keeps a part does not matter: only bytes
            # do.
            node.end_pull()
        cut = node.received(link)
    seen = pulled_in_parts(node, image, link, began, cut, measure)
    nothing_wrong(wrong_resumption(seen))


@pytest.mark.scenario("cache killed during a pull")
@pytest.mark.needs("cache-outlives-upstream")
@allure.title("A pull on {edge_node} whose cache is killed resumes where it stopped")
def test_a_pull_whose_cache_is_killed_goes_on_where_it_was(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    node, image = cache_node(edge_node.name), LARGE[0]
    link = uplink(lab, node.name)
    with half_pulled(lab, faults, node, image, time_limit) as began:
        killed, held = node.received(link), node.held("images")
        with faults.inflict(Kill(node=node.name, service=CACHE_UNIT)):
            pass  # healed when systemd has started it again
        left = node.held("images")
        # The container runtime may try again by itself.
        seen_within(time_limit(END_SECONDS), node.pull_has_ended, 2.0)
        node.end_pull()
    seen = pulled_in_parts(node, image, link, began, killed, measure)
    nothing_wrong(wrong_resumption(seen))
    # Of what was being written, a slice for each connection is lost.
    assert left >= held - SLACK, f"the cache had {held} bytes before the kill, {left} after it"


@pytest.mark.scenario("image shared within a site")
@pytest.mark.needs("cache-outlives-upstream")
@allure.title(
    "A node whose uplink is cut can pull the images that its neighbour has, and no others"
)
def test_nodes_of_a_site_share_what_one_has_pulled(
    lab: Lab, faults: FaultEngine, cache_node: Nodes, measure: Measuring, time_limit: TimeLimit
) -> None:
    if len(edges(lab)) < 2:
        raise MissingCapability("sharing takes two edge nodes")
    first, second = (cache_node(name) for name in edges(lab)[:2])
    peers = dict(site_peers(lab.topology, lab.topology.node(first.name)))
    site = peers[second.name].name
    if site == uplink(lab, second.name):
        raise MissingCapability("the edge nodes have no network of their own")
    # The unique layer is the same for all architectures; manifests and programs are not.
    shared, foreign = image_named("shared"), image_named("absent")
    for node in (first, second):
        node.forget(shared)
        node.purge()
    trouble = first.pull(shared)
    assert not trouble, trouble
    layer = f"/v2/{shared.name}/blobs/{shared.own_digest}"
    with faults.inflict(Cut(link=uplink(lab, second.name))):
        before = {link: second.received(link) for link in (uplink(lab, second.name), site)}
        took = time.monotonic()
        status, length = second.ask(layer)
        took = time.monotonic() - took
        came = {link: second.received(link) - before[link] for link in before}
        refused, _ = second.ask(f"/v2/{foreign.name}/blobs/{foreign.own_digest}")
        # Also tag, manifest and program, if both have the same architecture.
        alike = len({lab.topology.node(node.name).arch for node in (first, second)}) == 1
        trouble = second.pull(shared) if alike else ""
    measure(
        "layer from a neighbour",
        took,
        unit="s",
        better="lower",
        node=second.name,
        evidence=f"{came[site]} bytes by {site}",
    )
    assert (status, length) == (200, shared.bytes)
    assert not trouble, trouble
    assert refused in (502, 504), f"a layer that no node has was answered with {refused}"
    nothing_wrong(wrong_sharing(came[uplink(lab, second.name)], came[site], shared.bytes))


@pytest.mark.scenario("cache full")
@pytest.mark.needs("cache-outlives-upstream")
@allure.title("The cache of {edge_node} stays within its limit, and never evicts images in use")
def test_the_cache_evicts_within_its_limit(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    name, node, image = edge_node.name, cache_node(edge_node.name), image_named("cached")
    cache, pod = cache_of(lab.topology, edge_node.spec), f"evicted-{edge_node.name}"
    node.forget(image)
    node.purge()
    with running_pods(lab, [image_pod(pod, name, image.name)], APP, time_limit):
        before, was_cached = node.container(pod), node.cached_parts(image) > 0
        assert before, f"{pod} is Ready, but does not run its program"
        for large in LARGE:
            status, length = node.ask(f"/v2/{large.name}/blobs/{large.own_digest}")
            assert (status, length) == (200, large.bytes)
        for data in DATA_SETS:
            assert node.read(data, 1)[0].sha256 == data.sha256
        limits = {"images": cache.images_mib * MIB, "data": cache.data_mib * MIB}
        asked = {
            "images": sum(large.bytes for large in LARGE),
            "data": sum(data.mib for data in DATA_SETS) * MIB,
        }
        for store, limit in limits.items():
            seen_within(time_limit(SETTLE_SECONDS), partial(fits, node, store, limit), 2.0)
        held = {store: node.held(store) for store in limits}
        restarted = node.container(pod) != before
        evicted = was_cached and node.cached_parts(image) == 0
        with faults.inflict(Cut(link=uplink(lab, name))):
            killed = node.kill(pod)
            assert killed, f"{pod} did not run its program before the kill"
            again, _ = watch_starts(node, {pod: killed}, time_limit(120))[pod]
    for store, limit in limits.items():
        measure(
            "held by the cache",
            held[store] / MIB,
            unit="MiB",
            better="lower",
            node=name,
            label=store,
            evidence=f"files below the limit of {limit // MIB} MiB",
        )
        wrong = wrong_eviction(Filled(asked[store], held[store], limit, restarted, again, evicted))
        nothing_wrong(wrong and f"{wrong} ({store})")


@contextlib.contextmanager
def damaged(node: CacheNode, image: LabImage, how: str, limit: Deadline) -> Iterator[None]:
    """In the block, the cache has a damaged layer of the image, which the container runtime has
    refused; afterwards neither has anything of the image."""
    node.forget(image)
    node.purge()
    trouble = node.pull(image)
    assert not trouble, trouble
    node.forget(image)
    # A pull of a layer that is still there asks nobody.
    limit.wait_for(f"containerd removes {image.name}", lambda: not node.has_layer(image), every=2.0)
    try:
        assert node.damage(image, how) > 0
        status, sent, digest = node.ask_layer(image)
        trouble = node.pull(image, seconds=REFUSED_SECONDS)
        unchanged = digest == image.own_digest
        seen = Refused(how, image.bytes, status, sent, unchanged, trouble)
        nothing_wrong(wrong_refusal(seen))
        yield
    finally:
        node.forget(image)
        node.purge()


@pytest.mark.core
@pytest.mark.scenario("blob poisoned or truncated")
@pytest.mark.needs("cache-outlives-upstream")
@pytest.mark.parametrize("how", ["poisoned", "truncated"])
@allure.title("{edge_node} rejects a {how} layer, and its cache removes it on restart")
def test_a_damaged_layer_is_refused(
    edge_node: LabNode, cache_node: Nodes, time_limit: TimeLimit, how: str
) -> None:
    node, image = cache_node(edge_node.name), image_named(how)
    with damaged(node, image, how, time_limit(GONE_SECONDS)):
        node.restart_cache()
        assert node.digest_of_layer(image) == image.own_digest


@pytest.mark.scenario("pull after a damaged layer")
@pytest.mark.needs("cache-outlives-upstream")
@pytest.mark.parametrize("how", ["poisoned", "truncated"])
@allure.title("{edge_node} pulls a {how} layer again when its cache is sound")
def test_a_refused_layer_is_pulled_again(
    edge_node: LabNode, cache_node: Nodes, measure: Measuring, time_limit: TimeLimit, how: str
) -> None:
    """The first pull may still fail: containerd goes on with what it has of the layer, until its
    garbage collection removes that."""
    node, image = cache_node(edge_node.name), image_named(how)
    with damaged(node, image, how, time_limit(GONE_SECONDS)):
        node.restart_cache()
        began = time.monotonic()
        eventually(
            f"{image.name} is pulled again",
            lambda: not node.pull(image),
            time_limit(AGAIN_SECONDS),
            every=5.0,
        )
        took = time.monotonic() - began
    measure(
        "pull after a damaged layer",
        took,
        unit="s",
        better="lower",
        node=node.name,
        label=how,
        evidence="pulls until one succeeds",
    )
