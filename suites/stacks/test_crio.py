"""CRI-O: its unit, verified by the guests' systemd, and, on nodes that have it, CRI-O itself."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.crio.addon import crio_service
from edge_lab.addons.crio.names import CRIO, has_crio, program, why_no_crio
from edge_lab.addons.workload import NAMESPACE
from edge_lab.addons.workload.manifests import sampler_pod
from edge_lab.artifacts import CATALOG, ArtifactState, ArtifactStore, Availability, Want
from edge_lab.cluster.kubectl import KubectlError
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.faults.engine import FaultEngine
from edge_lab.faults.kinds import Cut, Reboot
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.measures import Measuring
from edge_lab.fixtures.nodes import LabNode
from edge_lab.fixtures.outcomes import eventually
from edge_lab.fixtures.workload import Workload
from edge_lab.oracles.samples import judge_samples
from edge_lab.provisioning.cri import CONTAINERD, CRI_O
from edge_lab.topology import Node
from suites.edges import is_ready, uplink
from suites.smoke.test_samples import observed
from suites.stacks.crioimages import UNCLEAN, images_of, said_of_storage, with_setting
from suites.stacks.units import complaints

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Stacks"), allure.feature("CRI-O")]

READY_SECONDS = 150.0
ANSWERS_SECONDS = 180.0
"""From the end of a boot until CRI-O lists its images."""

SETTINGS = {
    "as released": "",
    "without clean_shutdown_file": '[crio]\nclean_shutdown_file = ""\n',
}


# -- without a binary ----------------------------------------------------------------------


@allure.story("Units")
@allure.title("systemd of {node} accepts the unit of CRI-O")
def test_systemd_of_each_node_accepts_the_unit(node: LabNode) -> None:
    service = crio_service()
    assert complaints(node, service.unit, service.render(), program(CRIO)) == ""
    # The same check must be able to fail.
    broken = re.sub("(?m)^Type=.*$", "Type=nothing", service.render())
    assert "nothing" in complaints(node, service.unit, broken, program(CRIO))


# -- with one ------------------------------------------------------------------------------


@pytest.fixture
def crio_node(edge_node: LabNode) -> LabNode:
    """An edge node, if it has CRI-O."""
    if has_crio(edge_node.spec):
        return edge_node
    (row,) = ArtifactStore.default().state([Want(CRIO, edge_node.spec.arch)])
    raise MissingCapability(why_without_crio(edge_node.spec, row))


def why_without_crio(node: Node, artifact: ArtifactState) -> str:
    """Why a node of this lab has no CRI-O; `artifact` is where it would come from."""
    if why := why_no_crio(node):
        return why
    # Without network access: whether a release page is reachable is not known here.
    at_hand = artifact.state is Availability.CACHED or artifact.source.startswith("mirror ")
    if not at_hand:
        return "needs the crio artifact (`lab doctor` says where it may come from)"
    return (
        f"{node.name} has {node.cri.value}; --lab-topology=labs/cri-o.yaml brings up a node with "
        "CRI-O"
    )


@allure.story("Node")
@allure.title("{edge_node} is Ready on CRI-O")
def test_a_node_is_ready_on_crio(lab: Lab, crio_node: LabNode, time_limit: TimeLimit) -> None:
    eventually(
        f"{crio_node} is Ready",
        partial(is_ready, lab, crio_node.name, time_limit),
        time_limit(READY_SECONDS),
        transient=(KubectlError,),
    )
    found = lab.kubectl.get_json("node", crio_node.name, deadline=time_limit(60))
    version = CATALOG[CRIO].version.removeprefix("v")
    assert found["status"]["nodeInfo"]["containerRuntimeVersion"] == f"{CRI_O.name}://{version}"
    assert crio_node.output(f"systemctl show -P LoadState {CONTAINERD.unit}") == "masked"


@allure.story("Images")
@allure.title("CRI-O of {edge_node} has all images of the lab")
def test_a_node_has_the_images_of_the_lab(lab: Lab, crio_node: LabNode) -> None:
    wanted = {image.reference for image in lab.platform.images(lab.topology)}
    assert wanted - images_of(crio_node) == set()
    # The same check must be able to fail.
    assert {"edge-lab.local/no-such-image:0"} - images_of(crio_node)


@allure.story("Workload")
@allure.title("The sampler of {edge_node} runs in CRI-O, and its samples arrive")
def test_the_workload_runs(
    lab: Lab, crio_node: LabNode, workload: Workload, time_limit: TimeLimit
) -> None:
    workload.must_sample(crio_node.spec)
    pod = lab.kubectl.get_json(
        *("pod", sampler_pod(crio_node.name), "-n", NAMESPACE), deadline=time_limit(60)
    )
    containers = [status["containerID"] for status in pod["status"]["containerStatuses"]]
    assert containers
    assert all(container.startswith(f"{CRI_O.name}://") for container in containers)
    for device in workload.devices_of(crio_node.spec):
        verdict = judge_samples(observed(workload, crio_node.name, device, time_limit))
        assert verdict.passed, str(verdict)


@pytest.mark.scenario("images after a reset while offline")
@pytest.mark.parametrize("setting", list(SETTINGS))
@allure.story("Storage")
@allure.title("CRI-O of {edge_node}, {setting}, keeps its images over a reset while offline")
def test_images_outlive_a_reset_while_offline(
    lab: Lab,
    crio_node: LabNode,
    setting: str,
    faults: FaultEngine,
    time_limit: TimeLimit,
    measure: Measuring,
) -> None:
    """On an unclean stop CRI-O checks, repairs or wipes its storage, and an offline node cannot
    pull what is gone: cri-o#3999, #4691, #7190."""
    with with_setting(crio_node, SETTINGS[setting]):
        before = eventually(
            f"CRI-O of {crio_node} lists its images",
            partial(images_of, crio_node),
            time_limit(ANSWERS_SECONDS),
            transient=(LabError,),
        )
        with faults.inflict(Cut(link=uplink(lab, crio_node.name))):
            with faults.inflict(Reboot(node=crio_node.name)):
                pass  # healed when it is up again
            after = eventually(
                f"CRI-O of {crio_node} answers after the reset",
                lambda: (images_of(crio_node),),  # true even without an image
                time_limit(ANSWERS_SECONDS),
                transient=(LabError,),
            )[0]
            said = said_of_storage(crio_node)
    allure.attach(said, "CRI-O on its storage", allure.attachment_type.TEXT)
    expected = not SETTINGS[setting]
    if bool(said) != expected:
        raise LabError(
            f"no evidence: CRI-O of {crio_node}, {setting}, was expected to "
            f"{'say' if expected else 'say nothing'} of an {UNCLEAN}, and said {said!r}"
        )
    lost = before - after
    measure("images lost", len(lost), unit="count", node=crio_node.name, better="lower")
    assert not lost, f"of {len(before)} images, {len(lost)} are gone: {', '.join(sorted(lost))}"
