"""Flux' two controllers: their command lines, units and objects.

https://github.com/fluxcd/source-controller and https://github.com/fluxcd/kustomize-controller,
v1.9. Like the rest of the control plane they run outside pods, which only requires a kubeconfig in
their environment.
"""

from __future__ import annotations

from typing import Any

from edge_lab.addons.gitops.names import (
    APPLIER,
    BRANCH,
    FOLDER,
    GIT_SECRET,
    KUSTOMIZE_CONTROLLER,
    NAMESPACE,
    REPOSITORY,
    SOURCE_CONTROLLER,
    STATE,
)
from edge_lab.addons.gitops.place import Place
from edge_lab.addons.gitops.rights import KUSTOMIZE, SOURCES
from edge_lab.cluster.objects import Manifest
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.stacks.unit import Service

LOOK_SECONDS = 15
"""Interval between two fetches of the repository."""
APPLY_SECONDS = 30
"""Interval between two reconciliations: drift in the cluster is corrected within this time."""
RETRY_SECONDS = 15
MOST_RETRY_SECONDS = 30
"""Maximum backoff after failures; Flux' default is 15 min."""
LIMIT_SECONDS = 60
"""Timeout of one fetch, and of one application."""

MEMORY_MIB = {SOURCE_CONTROLLER: 96, KUSTOMIZE_CONTROLLER: 80}
"""Soft limits of their Go heaps (GOMEMLIMIT)."""


def _common(metrics: str, health: str) -> tuple[str, ...]:
    return (
        f"--metrics-addr={metrics}",
        f"--health-addr={health}",
        "--events-addr=",
        "--enable-leader-election=false",
        "--watch-all-namespaces=false",
        "--concurrent=1",
        f"--max-retry-delay={MOST_RETRY_SECONDS}s",
        "--log-level=info",
    )


def source_command(place: Place) -> tuple[str, ...]:
    return (
        place.source_controller,
        f"--storage-path={place.fetched}",
        # Loopback: fetched content is served without authentication.
        f"--storage-addr={place.artifacts}",
        f"--storage-adv-addr={place.artifacts}",
        *_common(place.source_metrics, place.source_health),
    )


def kustomize_command(place: Place) -> tuple[str, ...]:
    return (
        place.kustomize_controller,
        "--no-remote-bases=true",
        "--requeue-dependency=5s",
        "--concurrent-ssa=1",
        *_common(place.kustomize_metrics, place.kustomize_health),
    )


COMMANDS = {SOURCE_CONTROLLER: source_command, KUSTOMIZE_CONTROLLER: kustomize_command}


def environment(place: Place, controller: str) -> dict[str, str]:
    return {
        "KUBECONFIG": place.kubeconfig(controller),
        "RUNTIME_NAMESPACE": NAMESPACE,
        "GOMEMLIMIT": f"{MEMORY_MIB[controller]}MiB",
        # Where it unpacks archives.
        "TMPDIR": place.state,
        "HOME": place.state,
    }


def controller_service(place: Place, controller: str, before: tuple[str, ...], api: str) -> Service:
    """`before` is a command that returns when its kinds exist, `api` the unit of the API server."""
    return Service(
        name=controller,
        description=f"Flux {controller}",
        command=COMMANDS[controller](place),
        after=("systemd-networkd.service", api),
        before_start=(("/usr/bin/mkdir", "-p", place.fetched), before),
        environment=environment(place, controller),
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )


# -- objects -----------------------------------------------------------------------------------


def repository_manifest(place: Place) -> Manifest:
    return {
        "apiVersion": f"{SOURCES}/v1",
        "kind": "GitRepository",
        "metadata": {"name": REPOSITORY, "namespace": NAMESPACE},
        "spec": {
            "url": place.url,
            "ref": {"branch": BRANCH},
            "interval": f"{LOOK_SECONDS}s",
            "timeout": f"{LIMIT_SECONDS}s",
            "secretRef": {"name": GIT_SECRET},
        },
    }


def kustomization_manifest() -> Manifest:
    """It does not wait for the applied objects: a node that is offline would block it."""
    spec: dict[str, Any] = {
        "interval": f"{APPLY_SECONDS}s",
        "retryInterval": f"{RETRY_SECONDS}s",
        "timeout": f"{LIMIT_SECONDS}s",
        "path": f"./{FOLDER}",
        "prune": True,
        "wait": False,
        "serviceAccountName": APPLIER,
        "sourceRef": {"kind": "GitRepository", "name": REPOSITORY},
    }
    return {
        "apiVersion": f"{KUSTOMIZE}/v1",
        "kind": "Kustomization",
        "metadata": {"name": REPOSITORY, "namespace": NAMESPACE},
        "spec": spec,
    }
