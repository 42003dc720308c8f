"""The add-on `cri-o`: CRI-O instead of containerd, on nodes of the topology's choice.

Not run on a node yet.
"""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext
from edge_lab.addons.crio.config import (
    crictl_config,
    crio_config,
    policy,
    registries_config,
    storage_config,
)
from edge_lab.addons.crio.importing import IMPORT, import_script
from edge_lab.addons.crio.names import (
    COMPONENTS,
    CONFIG,
    CRI_O,
    CRICTL_CONFIG,
    CRIO,
    POLICY,
    REGISTRIES_CONFIG,
    SKOPEO,
    STORAGE_CONFIG,
    has_crio,
    program,
    why_no_crio,
)
from edge_lab.artifacts import Want
from edge_lab.core.yamlmodel import Loc
from edge_lab.images import DebianProgram
from edge_lab.provisioning import cri
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks import Stack, wants_for
from edge_lab.stacks.node import IMAGES
from edge_lab.stacks.unit import UNIT_FOLDER, Service
from edge_lab.topology import Node, Topology, TopologyProblem


class CriO(AddOn):
    """CRI-O on x86_64 and aarch64 nodes with `cri: cri-o`."""

    name: ClassVar[str] = CRI_O
    declares: ClassVar[frozenset[str]] = frozenset({CRI_O})

    def asked_for_at(self, topology: Topology) -> Loc | None:
        for index, node in enumerate(topology.nodes):
            if has_crio(node):
                return ("nodes", index, "cri")
        return None

    def check(self, topology: Topology) -> None:
        for index, node in enumerate(topology.nodes):
            if has_crio(node) and (why := why_no_crio(node)):
                raise TopologyProblem(
                    why, ("nodes", index, "cri"), "Remove the line: the node has containerd then."
                )
        if not any(map(has_crio, topology.nodes)):
            raise TopologyProblem(
                f"no node has `cri: {CRI_O}`",
                ("addons", topology.addons.index(self.name)),
                f"Add that line to an x86_64 or aarch64 node, or remove {self.name} from `addons`.",
            )

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        nodes = tuple(filter(has_crio, topology.nodes))
        return tuple(want for name in COMPONENTS for want in wants_for(name, nodes))

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return (SKOPEO,)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        if not has_crio(node):
            return Provision()
        files = (
            GuestFile.text(CONFIG, crio_config()),
            GuestFile.text(STORAGE_CONFIG, storage_config()),
            GuestFile.text(REGISTRIES_CONFIG, registries_config()),
            GuestFile.text(POLICY, policy()),
            GuestFile.text(CRICTL_CONFIG, crictl_config()),
            GuestFile.text(IMPORT, import_script(), 0o755),
            # An empty unit file masks the unit (systemd.unit(5)).
            GuestFile(f"{UNIT_FOLDER}/{cri.CONTAINERD.unit}", b""),
        )
        payload = (
            *(ctx.given.binary(name, node) for name in COMPONENTS),
            *ctx.program(SKOPEO, node),
        )
        units = crio_service().provision(*files) + images_service().provision()
        return units + Provision(payload=payload)

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return (cri.CRI_O.unit,) if has_crio(node) else ()

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if has_crio(node) else frozenset()


def crio_service() -> Service:
    """The unit of CRI-O, similar to that of its release, which has no `crio wipe` before it: CRI-O
    itself checks its storage after an unclean stop (`internal_repair`)."""
    return Service(
        name=CRIO,
        description="CRI-O",
        command=(program(CRIO),),
        kind="notify",
        mounts=(str(PAYLOAD_MOUNT),),
        oom_score_adjust=-999,
        # Monitors of containers must outlive it.
        kill_mode="process",
        delegate=True,
        unlimited=True,
    )


def images_service() -> Service:
    """The import of images: instead of the unit of the root image, which needs containerd.

    After CRI-O, which may empty its storage when it starts.
    """
    return Service(
        name=IMAGES,
        description="Container images of the lab's payload",
        command=(IMPORT,),
        kind="oneshot",
        after=(cri.CRI_O.unit,),
        wants=(cri.CRI_O.unit,),
        mounts=(str(PAYLOAD_MOUNT),),
    )
