"""A pod whose image has nothing for the architecture of its node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import allure
import pytest

from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.observe.scheduling.podwatch import PodWatch
from edge_lab.oracles.scheduling.foreignimage import judge_foreign_image, refused, waiting_messages
from edge_lab.topology import Arch
from suites.pods import POD_SECONDS, sends_events
from suites.scheduling.images import PROGRAM, imported
from suites.scheduling.objects import events_of, on, placed, pod

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Scheduling"), allure.feature("Architecture of images")]

RESTARTS = 2


def pod_of(name: str, node: str, image: str) -> dict[str, Any]:
    manifest = pod(name, on(node))
    manifest["spec"]["containers"][0] |= {"image": image, "command": [f"/{PROGRAM}"]}
    return manifest


@pytest.mark.scenario("image of another architecture")
@allure.title("A pod whose image is not for {edge_node}'s architecture is refused and never starts")
def test_an_image_of_another_architecture_is_refused(
    lab: Lab, edge_node: LabNode, pod_watch: PodWatch, time_limit: TimeLimit, tmp_path: Path
) -> None:
    name, image = f"foreign-{edge_node.name}", "edge-lab.local/foreign:1"
    other = next(arch for arch in Arch if arch is not edge_node.spec.arch)
    with (
        imported(edge_node, tmp_path, image, other),
        placed(lab, [pod_of(name, edge_node.name, image)], time_limit),
    ):

        def messages() -> Sequence[str]:
            if sends_events(lab):
                return events_of(lab, pod_watch, name, time_limit(60))
            return waiting_messages(pod_watch.newest(name) or {})

        eventually(
            f"the image of {name} is refused",
            lambda: bool(refused(messages(), image)),
            time_limit(POD_SECONDS),
        )
        found = judge_foreign_image(pod_watch.events(name), messages(), image)
    allure.attach(str(found), "image", allure.attachment_type.TEXT)
    assert found.passed, str(found)


@allure.title("An image whose program is not for its architecture is in a crash loop (control)")
def test_an_image_with_a_false_architecture_is_found(
    lab: Lab,
    pod_watch: PodWatch,
    time_limit: TimeLimit,
    tmp_path: Path,
    lab_node: Callable[[str], LabNode],
) -> None:
    node, name, image = (
        lab_node(lab.topology.edges[0].name),
        "mislabelled",
        "edge-lab.local/false:1",
    )
    with (
        imported(node, tmp_path, image, node.spec.arch),
        placed(lab, [pod_of(name, node.name, image)], time_limit),
    ):

        def restarted() -> bool:
            newest = pod_watch.newest(name) or {}
            statuses = newest.get("status", {}).get("containerStatuses") or [{}]
            return bool(statuses[0].get("restartCount", 0) >= RESTARTS)

        eventually(f"{name} was restarted", restarted, time_limit(POD_SECONDS))
        events = events_of(lab, pod_watch, name, time_limit(60))
        found = judge_foreign_image(pod_watch.events(name), events, image)
    assert found.restarts >= RESTARTS, str(found)
    assert not found.passed
