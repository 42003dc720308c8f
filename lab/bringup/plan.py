"""From a topology to all that its machines need: artifacts, images, and the stack's choice.

The plan holds only what can be shared between runs and is content-addressed; keys and
ports of one run come later, in `lifecycle.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_lab.artifacts import Artifact, ArtifactStore, CannotObtain, Want
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.images import OciImage, RootImage, build_root_image, build_workload_image
from edge_lab.stacks import Stack, get_stack, kubectl_want
from edge_lab.topology import Arch, Topology

WORKLOAD = "edge-workload"


@dataclass(frozen=True)
class Plan:
    given: Topology
    pace: int
    stack: Stack
    artifacts: Mapping[Want, Artifact]
    images: Mapping[Arch, RootImage]
    workload: OciImage

    @property
    def kubectl(self) -> Path:
        """For this host."""
        return self.artifacts[kubectl_want()].path

    @property
    def topology(self) -> Topology:
        """The one that was given, with its cluster's timing at `pace`."""
        return self.given.at_pace(self.pace)

    def digest(self, *more: str) -> str:
        """Hex digest of everything that decides what a lab made from it is."""
        parts = {
            "topology": self.topology.model_dump(mode="json", exclude={"stacks"}),
            "stack": self.stack.name,
            "artifacts": sorted(each.sha256 for each in self.artifacts.values()),
            "images": {arch.value: image.digest for arch, image in self.images.items()},
            "workload": self.workload.digest,
            "more": more,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make_plan(topology: Topology, pinned: str | None, deadline: Deadline, pace: int = 1) -> Plan:
    """Chooses the stack and makes all that can be made before a machine boots.

    `pace` is that of the host (`host_pace`).

    Raises:
        InputError: a stack of that name is not known.
        LabError: no stack of the topology, or not the pinned one, can be had; the message
            names every source that was tried.
    """
    stacks = [get_stack(name) for name in ([pinned] if pinned else topology.stacks)]
    for each in stacks:
        each.check(topology)
    store = ArtifactStore.default()
    with step("artifacts"):
        stack, artifacts = _first_that_can_be_had(topology, stacks, store, deadline)
    images: dict[Arch, RootImage] = {}
    with step("images"):
        for arch in topology.architectures:
            with step(f"root disk {arch.value}"):
                images[arch] = build_root_image(arch, deadline)
        with step("workload image"):
            workload = build_workload_image(
                _workload_binaries(topology, artifacts),
                busybox={arch: image.busybox for arch, image in images.items()},
                deadline=deadline,
            )
    return Plan(topology, pace, stack, artifacts, images, workload)


def _first_that_can_be_had(
    topology: Topology, stacks: list[Stack], store: ArtifactStore, deadline: Deadline
) -> tuple[Stack, Mapping[Want, Artifact]]:
    reasons: list[str] = []
    workload = tuple(Want(WORKLOAD, arch) for arch in topology.architectures)
    for stack in stacks:
        try:
            return stack, store.resolve((*stack.wants(topology), *workload), deadline)
        except CannotObtain as trouble:
            reasons.append(f"{stack.name}: {trouble.message}")
    if len(reasons) == 1:
        raise LabError(reasons[0], remedy="`lab doctor` shows what is missing and why.")
    raise LabError(
        "none of the topology's stacks can be had:\n  " + "\n  ".join(reasons),
        remedy="`lab doctor` shows what is missing and why.",
    )


def _workload_binaries(topology: Topology, artifacts: Mapping[Want, Artifact]) -> dict[Arch, Path]:
    return {arch: artifacts[Want(WORKLOAD, arch)].path for arch in topology.architectures}
