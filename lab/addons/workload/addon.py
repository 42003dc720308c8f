"""The add-on `workload`: samplers on edge nodes, a collector on the server."""

from __future__ import annotations

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.workload.accounts import identified, workload_images
from edge_lab.addons.workload.endpoints import workload_endpoints
from edge_lab.addons.workload.identities import client_identity, sampler_requests
from edge_lab.addons.workload.manifests import (
    NAMESPACE,
    SAMPLER_FOLDER,
    sampled_devices,
    sampling_nodes,
    workload_manifests,
    workload_pods,
)
from edge_lab.cluster.objects import Manifest
from edge_lab.cluster.pods import wait_pods_ready
from edge_lab.core.yamlmodel import Loc
from edge_lab.images import ImageSpec
from edge_lab.pki import DEVICES, Request
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.topology import Node, Topology, TopologyProblem


class Workload(AddOn):
    """Reads the devices and forwards the samples, which are the evidence of autonomy."""

    name = "workload"

    def asked_for_at(self, topology: Topology) -> Loc | None:
        for index, device in enumerate(topology.devices):
            if device.sampled:
                return ("devices", index, "sampled")
        return None

    def check(self, topology: Topology) -> None:
        for index, device in enumerate(topology.devices):
            if device.sampled and not any(
                device in sampled_devices(topology, node) for node in topology.edges
            ):
                raise TopologyProblem(
                    f"{device.name!r} cannot be sampled: no edge node is on its network",
                    ("devices", index, "sampled"),
                    f"Add a link from an edge node to {topology.links_of(device.name)[0].network}.",
                )

    def images(self, topology: Topology) -> tuple[ImageSpec, ...]:
        return workload_images(topology)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return sampler_requests(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        # The pods' folder on the node: a hostPath volume.
        samples = node in sampling_nodes(ctx.topology)
        return Provision(folders=(SAMPLER_FOLDER,)) if samples else Provision()

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return workload_endpoints(topology)

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        # Not earlier: pods that are bound to a missing node are garbage-collected.
        if stage is not Stage.NODES_READY:
            return ()
        pki, nodes = ctx.given.pki, sampling_nodes(ctx.topology)
        clients = {node.name: pki.identity(DEVICES, client_identity(node.name)) for node in nodes}
        authority = pki.authority(DEVICES).certificate_pem if nodes else b""
        return identified(ctx.topology, workload_manifests(ctx.topology, clients, authority))

    def wait_ready(self, cluster: Cluster) -> None:
        pods = workload_pods(cluster.topology)
        wait_pods_ready(cluster.access.kubectl, pods, cluster.deadline, namespace=NAMESPACE)
