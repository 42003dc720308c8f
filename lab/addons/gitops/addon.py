"""The add-on `gitops`: a Git server, Flux' two controllers, and witnesses on edge nodes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import yaml

from edge_lab.addons.base import AddOn, AddOnContext, Cluster, Stage
from edge_lab.addons.gitops.endpoints import gitops_endpoints
from edge_lab.addons.gitops.flux import (
    controller_service,
    kustomization_manifest,
    repository_manifest,
)
from edge_lab.addons.gitops.gitserver import git_server_provision
from edge_lab.addons.gitops.identities import (
    CONTROLLERS,
    certificates_on,
    gitops_requests,
    key_files,
    reader_secret,
    trust_on,
)
from edge_lab.addons.gitops.names import (
    GIT_SERVER,
    GIT_UNIT,
    GITOPS,
    HOME,
    KUSTOMIZE_CONTROLLER,
    KUSTOMIZE_CRDS,
    KUSTOMIZE_HEALTH,
    KUSTOMIZE_UNIT,
    NAMESPACE,
    PROGRAMS,
    REPOSITORY,
    SERVES,
    SOURCE_CONTROLLER,
    SOURCE_CRDS,
    SOURCE_HEALTH,
    SOURCE_UNIT,
    STATE,
    WITNESS,
    WITNESS_UNIT,
)
from edge_lab.addons.gitops.place import place_of
from edge_lab.addons.gitops.rights import KUSTOMIZE, SOURCES, rights
from edge_lab.addons.kinds import kinds_file, wait_for_kinds
from edge_lab.addons.witness import witness_provision
from edge_lab.addons.workload.accounts import workload_images
from edge_lab.artifacts import Want, host_arch
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.cluster.objects import Manifest
from edge_lab.images import AnyImage, DebianProgram
from edge_lab.pki import InstalledCertificate, Request, TrustBundle
from edge_lab.probes.endpoint import Endpoint
from edge_lab.provisioning.provision import GuestFile, Provision
from edge_lab.stacks import Stack
from edge_lab.stacks.serving import serving
from edge_lab.topology import Node, Topology

BINARIES = (GIT_SERVER, SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER)
CRDS = (SOURCE_CRDS, KUSTOMIZE_CRDS)
KINDS = {
    SOURCE_CONTROLLER: (f"{SOURCES}/v1/gitrepositories", f"{SOURCES}/v1/helmcharts"),
    KUSTOMIZE_CONTROLLER: (f"{SOURCES}/v1/gitrepositories", f"{KUSTOMIZE}/v1/kustomizations"),
}
"""Kinds that the controllers need at their start, as `group/version/resource`."""


class Gitops(AddOn):
    """Edge nodes run what a repository in the cloud declares."""

    name: ClassVar[str] = GITOPS
    declares: ClassVar[frozenset[str]] = frozenset({GITOPS})

    def wants(self, topology: Topology, stack: Stack) -> tuple[Want, ...]:
        programs = (Want(name, topology.server.arch) for name in BINARIES)
        return (*programs, *(Want(name, host_arch()) for name in CRDS))

    def images(self, topology: Topology) -> tuple[AnyImage, ...]:
        return workload_images(topology)

    def programs(self, topology: Topology, stack: Stack) -> tuple[DebianProgram, ...]:
        return PROGRAMS

    def identities(self, topology: Topology) -> tuple[Request, ...]:
        return gitops_requests(str(topology.cluster_link(topology.server.name).address))

    def provision(self, ctx: AddOnContext, node: Node) -> Provision:
        topology = ctx.topology
        if node.name != topology.server.name:
            return witness_provision(WITNESS, HOME, STATE)
        place = place_of(topology)
        programs = (
            *(ctx.given.binary(name, node) for name in BINARIES),
            *(file for program in PROGRAMS for file in ctx.program(program, node)),
        )
        return Provision.total(
            (
                Provision(
                    files=(
                        *key_files(place, ctx.given.pki),
                        kinds_file(HOME),
                    ),
                    payload=tuple(dict.fromkeys(programs)),
                ),
                git_server_provision(place),
                *(self._controller(ctx, name) for name in CONTROLLERS),
                serving(
                    SERVES,
                    "Flux works",
                    [f"http://{SOURCE_HEALTH}/readyz", f"http://{KUSTOMIZE_HEALTH}/readyz"],
                    (SOURCE_UNIT, KUSTOMIZE_UNIT),
                ),
            )
        )

    def _controller(self, ctx: AddOnContext, name: str) -> Provision:
        place, url = place_of(ctx.topology), ctx.api.url
        keys = place.controller_keys(name)
        kinds = wait_for_kinds(HOME, url, keys, KINDS[name])
        service = controller_service(place, name, kinds, ctx.api.unit)
        return service.provision(
            GuestFile.text(place.kubeconfig(name), keys.kubeconfig(url), 0o600)
        )

    def units(self, topology: Topology, node: Node, stack: Stack) -> tuple[str, ...]:
        if node.name != topology.server.name:
            return (WITNESS_UNIT,)
        return (GIT_UNIT, SOURCE_UNIT, KUSTOMIZE_UNIT, f"{SERVES}.service")

    def endpoints(self, topology: Topology, stack: Stack) -> tuple[Endpoint, ...]:
        return gitops_endpoints(topology)

    def further_certificates(
        self, topology: Topology, stack: Stack
    ) -> tuple[InstalledCertificate, ...]:
        return certificates_on(topology, place_of(topology))

    def trust_bundles(self, topology: Topology, stack: Stack) -> tuple[TrustBundle, ...]:
        return trust_on(topology, place_of(topology))

    def manifests(self, ctx: AddOnContext, stage: Stage) -> tuple[Manifest, ...]:
        # Early: at the first boot the controllers wait for their kinds.
        if stage is Stage.API_SERVER_UP:
            files = (ctx.given.artifact(name, host_arch()).path for name in CRDS)
            return (*_documents(files), *rights())
        place = place_of(ctx.topology)
        return (
            reader_secret(ctx.given.pki),
            repository_manifest(place),
            kustomization_manifest(),
        )

    def wait_ready(self, cluster: Cluster) -> None:
        kubectl = cluster.access.kubectl

        def applied() -> bool:
            found = kubectl.find(
                "kustomization", REPOSITORY, "-n", NAMESPACE, deadline=cluster.deadline
            )
            return found is not None and is_ready(found)

        cluster.deadline.wait_for(
            "the first commit of the fleet's repository is applied",
            applied,
            transient=NOT_YET,
            watch=cluster.access.watch,
        )

    def capabilities(self, topology: Topology, node: Node, stack: Stack) -> frozenset[str]:
        return self.declares if node in topology.edges else frozenset()


def is_ready(found: dict[str, Any]) -> bool:
    """Whether the condition of a Flux object is of its current generation."""
    status = found.get("status", {})
    return status.get("observedGeneration") == found["metadata"].get("generation") and any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in status.get("conditions", ())
    )


def _documents(files: Iterable[Path]) -> tuple[Manifest, ...]:
    return tuple(
        definition
        for file in files
        for definition in yaml.safe_load_all(file.read_text("utf-8"))
        if definition
    )
