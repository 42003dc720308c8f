"""What a node starts while the cloud is silent or unreachable: only images of its cache."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.cache.names import CACHE_UNIT, DIRECT_NAME, REGISTRY_NAME
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Drop, Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import NoEvidence, eventually, preparing
from suites.cache.judging import wrong_starts
from suites.cache.objects import APP, image_named, image_pod
from suites.cache.onnode import Nodes
from suites.cache.watching import starts_after_kill, watch_starts
from suites.edges import is_ready, uplink
from suites.pods import running_pods

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("Cache"),
    allure.feature("Offline"),
    pytest.mark.needs("cache"),
]

START_SECONDS = 150.0
"""Seconds for a container whose image is pulled from the node's cache, after a timeout of a silent
registry."""
SAID_SECONDS = 150.0
"""Seconds until an unanswered pull has failed, with another one before it."""
HEALED_SECONDS = 420.0
"""Kubernetes' maximum back-off between two pulls, 300 s, and a start."""
BACK_SECONDS = 150.0


@pytest.mark.scenario("cached images while the uplink drops all frames")
@pytest.mark.fails_without("cache-outlives-upstream")
@allure.title(
    "While its uplink drops all frames, {edge_node} starts cached images and reports missing ones"
)
def test_cached_images_start_while_the_cloud_is_silent(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    name, node = edge_node.name, cache_node(edge_node.name)
    cached, absent, always = (image_named(word) for word in ("cached", "absent", "always"))
    # By pod: image, the registry's name, policy.
    rows = {
        f"absent-{name}": (absent, REGISTRY_NAME, "IfNotPresent"),
        f"direct-{name}": (always, DIRECT_NAME, "Always"),
        f"cached-{name}": (cached, REGISTRY_NAME, "IfNotPresent"),
        f"always-{name}": (always, REGISTRY_NAME, "Always"),
    }
    references = {pod: image.reference(host) for pod, (image, host, _) in rows.items()}
    pods = {
        pod: image_pod(pod, name, image.name, registry=host, policy=policy)
        for pod, (image, host, policy) in rows.items()
    }
    with running_pods(lab, list(pods.values()), APP, time_limit):
        node.purge_site()
        with preparing():
            for image in (cached, always):
                node.forget(image)
                assert not node.pull(image)
            # The same image by a name without a cache: its policy prevents the start.
            assert not node.pull(always, registry=DIRECT_NAME)
        for image in (cached, absent):
            node.forget(image)
        good = [f"cached-{name}", f"always-{name}"]
        bad = [f"absent-{name}", f"direct-{name}"]
        with faults.inflict(Drop(link=uplink(lab, name))):
            # One after the other: a kubelet pulls one image at a time.
            seen = starts_after_kill(
                node, {pod: references[pod] for pod in good}, START_SECONDS, time_limit
            )
            fetched = node.has(cached)
            killed = {pod: node.container(pod) for pod in bad}
            seen |= starts_after_kill(
                node,
                {pod: references[pod] for pod in bad},
                SAID_SECONDS,
                time_limit,
                to_the_end=True,
            )
        healed = watch_starts(node, killed, time_limit(HEALED_SECONDS))
    for pod, start in seen.items():
        if start.started:
            measure(
                "start from the cache",
                start.seconds,
                unit="s",
                better="lower",
                node=name,
                label=pod.removesuffix(f"-{name}"),
                evidence="containers on the node",
            )
    for pod, (started, seconds) in healed.items():
        measure(
            "start after the heal",
            seconds if started else None,
            unit="s",
            better="lower",
            node=name,
            label=pod.removesuffix(f"-{name}"),
            evidence="containers on the node",
            reason="" if started else f"not within {seconds:.0f} s",
        )
    allure.attach("\n".join(f"{pod}: {start}" for pod, start in seen.items()), "container starts")
    assert wrong_starts(seen, good) == {}
    if not fetched:
        raise NoEvidence(f"cached-{name} was started without a pull")
    assert all(started for started, _ in healed.values()), healed


@pytest.mark.scenario("cached images after a reboot while offline")
@pytest.mark.needs("offline-reboot")
@pytest.mark.fails_without("cache-outlives-upstream")
@allure.title(
    "After a reboot while offline, {edge_node} starts a container whose image only its cache has"
)
def test_a_cache_that_was_restarted_offline_serves(
    lab: Lab,
    edge_node: LabNode,
    faults: FaultEngine,
    cache_node: Nodes,
    measure: Measuring,
    time_limit: TimeLimit,
) -> None:
    name, node, image = edge_node.name, cache_node(edge_node.name), image_named("healed")
    pod = f"healed-{name}"
    with running_pods(lab, [image_pod(pod, name, image.name)], APP, time_limit):
        before = node.container(pod)
        with preparing():
            assert before, f"{pod} does not run the program of its image"
        node.purge_neighbours()
        with faults.inflict(Cut(link=uplink(lab, name))):
            node.forget(image)
            # Layers that containerd unpacked seconds before are the subject of test_power_loss.
            node.run("sync")
            with faults.inflict(Reboot(node=name)):
                pass  # healed when it is up again
            since = node.run('date -d "$(uptime -s)" +%s')
            started, seconds = watch_starts(node, {pod: before}, time_limit(2 * START_SECONDS))[pod]
            fetched = node.has(image)
            serves = node.succeeds(f"systemctl is-active --quiet {CACHE_UNIT}")
            said = node.said_of(image.reference(REGISTRY_NAME), since)
        with preparing():
            eventually(
                f"{name} is Ready",
                partial(is_ready, lab, name, time_limit),
                time_limit(BACK_SECONDS),
                transient=(KubectlError,),
            )
    measure(
        "start from the cache after a boot",
        seconds if started else None,
        unit="s",
        better="lower",
        node=name,
        evidence="containers on the node, from its answer after the boot",
        reason="" if started else f"not within {seconds:.0f} s",
    )
    assert serves, f"{CACHE_UNIT} does not run"
    assert started, f"{pod} is not running; messages about its image: {said or 'none'}"
    if not fetched:
        raise NoEvidence(f"{pod} was started without a pull")
