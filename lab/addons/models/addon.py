"""The add-on `models`: models on nodes, and an operator that rolls them out."""

from __future__ import annotations

from typing import ClassVar

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.cache.identities import authority_file
from edge_lab.addons.cache.names import CACHE
from edge_lab.addons.models.content import ModelContent, model_content
from edge_lab.addons.models.endpoints import models_endpoints
from edge_lab.addons.models.identities import (
    api_certificates,
    api_trust,
    key_files,
    models_requests,
)
from edge_lab.addons.models.names import (
    CLOUD_STAGE,
    EDGE_MODEL,
    MODEL,
    MODELS,
    NAMESPACE,
    RUNTIME,
)
from edge_lab.addons.models.objects import (
    definitions,
    edge_model_manifest,
    node_manifest,
    rights,
    rollout_order,
    rollout_stages,
)
from edge_lab.addons.models.programs import (
    judged_device,
    node_provision,
    operator_files,
    period_ms,
    program_files,
    unit_names,
)
from edge_lab.addons.models.versions import BASELINE
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.labels import REGION_LABEL
from edge_lab.cluster.objects import Manifest
from edge_lab.images import DebianPart
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import Provision
from edge_lab.stacks import Stack
from edge_lab.topology import Arch, Node, Topology, TopologyProblem


class Models(AddOn):
    """Edge nodes serve a model, and replace it by a better one."""

    name: ClassVar[str] = MODELS
    needs_addons: ClassVar[tuple[str, ...]] = (CACHE,)
    declares: ClassVar[frozenset[str]] = frozenset({MODELS})

    def check(self, topology: Topology) -> None:
        if not any(judged_device(topology, node) for node in topology.edges):
            raise TopologyProblem(
                "no edge node reads a device whose values the models predict",
                ("addons", topology.addons.index(MODELS)),
                "Add a device with `protocol: modbus-tcp` to a network of an edge node, "
                "or remove models from `addons`.",
            )

        for index, node in enumerate(topology.nodes):
            if node.labels.get(REGION_LABEL) == CLOUD_STAGE:
                raise TopologyProblem(
                    f"the region {CLOUD_STAGE!r} of {node.name!r} is the name of the last stage of "
                    "a rollout, which has the server",
                    ("nodes", index, "labels", REGION_LABEL),
                    "Give the region another name.",
                )
            if node.arch is Arch.AARCH64 and not (node.cpu_model or node.external):
                raise TopologyProblem(
                    f"Debian's ONNX Runtime for arm64 does not run on the CPU of {node.name!r}: "
                    "it needs ARMv8.2",
                    ("nodes", index, "name"),
                    "Add `cpu_model: cortex-a76` to the node.",
                )

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianPart, ...]:
        return (RUNTIME,)

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return models_requests(topology)

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        topology = ctx.topology
        payload = [*program_files(), *ctx.modules(RUNTIME, node)]
        if node.name == topology.server.name:
            payload += [*operator_files(), *_content(topology).files]
        files = (*key_files(topology, node, ctx.given.pki), authority_file(ctx.given.pki))
        given = Provision(files=files, payload=tuple(payload))
        return given + node_provision(topology, node, ctx.api.url, ctx.api.unit)

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        return unit_names(topology, node)

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return tuple(models_endpoints(topology))

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        return api_certificates(topology)

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return api_trust(topology)

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        order = rollout_order(ctx.topology)
        if stage is Stage.API_SERVER_UP:
            return (*definitions(), *rights(order))
        version = _content(ctx.topology).reference(BASELINE)
        model = edge_model_manifest(rollout_stages(ctx.topology), version)
        return (*map(node_manifest, order), model)

    def wait_ready(self, cluster: Cluster) -> None:
        """The version that is wanted serves everywhere."""
        kubectl, place = cluster.access.kubectl, (EDGE_MODEL, MODEL, "-n", NAMESPACE)

        def complete() -> bool:
            found = kubectl.find(*place, deadline=cluster.deadline) or {}
            status = found.get("status", {})
            seen = status.get("observedGeneration") == found.get("metadata", {}).get("generation")
            return bool(seen and status.get("phase") == "Complete")

        cluster.deadline.wait_for(
            "the first model serves on all nodes",
            complete,
            transient=NOT_YET,
            watch=cluster.access.watch,
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if judged_device(topology, node) else frozenset()


def _content(topology: Topology) -> ModelContent:
    return model_content(period_ms(topology))
