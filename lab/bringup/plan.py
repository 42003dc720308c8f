"""From a topology to everything that its machines need: stack, artifacts and images.

The plan contains only what runs can share, and is content-addressed; keys and ports of a run
are added later, in `lifecycle.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_lab.addons import Platform, get_platform
from edge_lab.artifacts import Artifact, ArtifactStore, CannotObtain, Want
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.step import step
from edge_lab.devices.protocols import device_wants
from edge_lab.images import AnyImage, ImageArchive, RootImage, build_images, build_root_image
from edge_lab.images.unpacked import unpacked
from edge_lab.pki import Pki
from edge_lab.stacks import StackContext, kubectl_want
from edge_lab.topology import Arch, Topology

VIRTUALIZATION = "virtualization"
"""The variant of root images with the kernel's KVM modules and QEMU."""


@dataclass(frozen=True)
class Plan:
    given: Topology
    pace: int
    platform: Platform
    artifacts: Mapping[Want, Artifact]
    images: Mapping[Arch, RootImage]
    container_images: ImageArchive
    packages: Mapping[Arch, Path] = field(default_factory=dict)
    """Unpacked Debian packages from which add-ons take programs; empty without such add-ons."""

    @property
    def kubectl(self) -> Path:
        """For this host."""
        return self.artifacts[kubectl_want()].path

    @property
    def device_files(self) -> dict[str, Path]:
        """Artifacts that devices need on the host, by component."""
        return {want.component: self.artifacts[want].path for want in device_wants(self.given)}

    @property
    def topology(self) -> Topology:
        """The given topology, with the cluster's timing at `pace`."""
        return self.given.at_pace(self.pace)

    def context(self, pki: Pki, api_host_port: int) -> StackContext:
        """The inputs for a lab with these keys and that port of its API server."""
        return StackContext(
            topology=self.topology,
            artifacts=self.artifacts,
            container_images=self.container_images,
            pki=pki,
            api_host_port=api_host_port,
            packages=self.packages,
            root_images=self.images,
        )

    def digest(self, *more: str) -> str:
        """Hex digest of everything that determines a lab made from it."""
        parts = {
            "topology": self.topology.model_dump(mode="json", exclude={"stacks"}),
            "stack": self.platform.name,
            "artifacts": sorted(artifact.sha256 for artifact in self.artifacts.values()),
            "images": {arch.value: image.digest for arch, image in self.images.items()},
            "container images": self.container_images.sha256,
            "more": more,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make_plan(topology: Topology, pinned: str | None, deadline: Deadline, pace: int = 1) -> Plan:
    """Selects the stack, and builds everything that can be built before a machine boots.

    `pace` is that of the host (`host_pace`).

    Raises:
        InputError: a stack or an add-on is unknown.
        LabError: no stack of the topology, or not the pinned one, is available; the message
            lists all sources that were tried.
    """
    platforms = [get_platform(name, topology) for name in ([pinned] if pinned else topology.stacks)]
    for platform in platforms:
        platform.check(topology)
    store = ArtifactStore.default()
    with step("artifacts"):
        platform, artifacts = _first_that_can_be_had(topology, platforms, store, deadline)
    images: dict[Arch, RootImage] = {}
    with step("images"):
        for arch in topology.architectures:
            with step(f"root disk {arch.value}"):
                images[arch] = build_root_image(arch, deadline, root_variant(topology, arch))
        packages = _unpacked(platform, topology, deadline)
        with step("container images"):
            specs = platform.images(topology)
            container_images = build_images(
                specs,
                _programs(specs, topology, artifacts),
                busybox={arch: image.busybox for arch, image in images.items()},
                deadline=deadline,
            )
    return Plan(topology, pace, platform, artifacts, images, container_images, packages)


def root_variant(topology: Topology, arch: Arch) -> str:
    """The variant of `arch`'s root image that the topology needs; all nodes of an architecture use
    the same image."""
    virtualized = any(node.virtualization and node.arch is arch for node in topology.nodes)
    return VIRTUALIZATION if virtualized else ""


def _first_that_can_be_had(
    topology: Topology, platforms: Sequence[Platform], store: ArtifactStore, deadline: Deadline
) -> tuple[Platform, Mapping[Want, Artifact]]:
    reasons: list[str] = []
    for platform in platforms:
        try:
            return platform, store.resolve(platform.wants(topology), deadline)
        except CannotObtain as trouble:
            reasons.append(f"{platform.name}: {trouble.message}")
    if len(reasons) == 1:
        raise LabError(reasons[0], remedy="Run `lab doctor` to see what is missing and why.")
    raise LabError(
        "none of the topology's stacks is available:\n  " + "\n  ".join(reasons),
        remedy="Run `lab doctor` to see what is missing and why.",
    )


def _unpacked(platform: Platform, topology: Topology, deadline: Deadline) -> dict[Arch, Path]:
    names = sorted({program.package for program in platform.programs(topology)})
    if not names:
        return {}
    return {arch: unpacked(arch, names, deadline) for arch in topology.architectures}


def _programs(
    specs: Sequence[AnyImage], topology: Topology, artifacts: Mapping[Want, Artifact]
) -> dict[str, dict[Arch, Path]]:
    """The programs from which images are built, by component."""
    return {
        component: {arch: artifacts[Want(component, arch)].path for arch in topology.architectures}
        for component in {spec.component for spec in specs}
    }
