"""The cluster of a fleet: a lab's, or any other whose keys are available."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edge_lab.core.errors import InputError
from edge_lab.fleet.hollow import USER
from edge_lab.pki import CLUSTER, CertificateSpec, IdentityRequest, Pki
from edge_lab.stacks.hostaccess import HostAccess
from edge_lab.stacks.kubeconfig import kubeconfig

if TYPE_CHECKING:
    from edge_lab.cluster.kubectl import Kubectl
    from edge_lab.core.deadline import Deadline
    from edge_lab.handle.lab import Lab

IDENTITY = "hollow-nodes"
GROUP = "system:nodes"
RENEWALS_PER_LEASE = 4
"""As a kubelet does."""


@dataclass(frozen=True)
class FleetPlace:
    """What a fleet needs to know about its cluster."""

    kubectl: Kubectl
    """Of an administrator."""
    url: str
    """URL of the API server, from this host."""
    pki: Pki
    run: Path
    """Run directory: processes of the fleet are marked with it, and ended with it."""
    folder: Path
    """Folder for the files of the fleet."""
    kwok: Path
    lease_s: float
    """Duration of a node's lease."""
    runtime: str
    server: str
    accelerator: str = ""
    real_nodes: int = 0
    twins: bool = False
    """Whether the cluster has twins of devices."""

    @property
    def renew_every_s(self) -> float:
        return round(self.lease_s) / RENEWALS_PER_LEASE

    @property
    def kubeconfig(self) -> Path:
        """kwok's own."""
        return self.folder / "kubeconfig"

    def write_kubeconfig(self) -> Path:
        """Writes the kubeconfig of the fleet's own identity. An administrator's would bypass the
        API server's queues.

        Raises:
            InputError: the cluster's authority is being replaced, so it would soon be refused.
        """
        if not HostAccess(self.run / "kubeconfig").is_original:
            raise InputError(
                "no fleet begins while the cluster's authority is being replaced",
                remedy="Begin the fleet first, so that it gets the new authority, too; or take "
                "the authority back: lab fault heal --all",
            )
        self.pki.add([IdentityRequest(CLUSTER, IDENTITY, CertificateSpec(USER, (GROUP,)))])
        text = kubeconfig(
            self.url,
            ca_pem=self.pki.authority(CLUSTER).certificate_pem,
            identity=self.pki.identity(CLUSTER, IDENTITY),
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.remove_kubeconfig()
        file = self.kubeconfig
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file

    def remove_kubeconfig(self) -> None:
        """Removes the kubeconfig, so that it is not updated when the authority is replaced."""
        HostAccess(self.kubeconfig).remove()


def place_of(lab: Lab, deadline: Deadline) -> FleetPlace:
    """Beside a lab that is up; obtains kwok for this host.

    Raises:
        LabError: kwok is not available.
    """
    from edge_lab.artifacts import ArtifactStore, Want, host_arch

    want = Want("kwok", host_arch())
    kwok = ArtifactStore.default().resolve([want], deadline)[want].path
    topology, server = lab.topology, lab.topology.server.name
    return FleetPlace(
        kubectl=lab.kubectl,
        url=f"https://127.0.0.1:{lab.state.ports.api}",
        pki=lab.pki,
        run=lab.run.path,
        folder=lab.run.path / "fleet",
        kwok=kwok,
        lease_s=topology.timing.node_lease,
        runtime=lab.stack_name,
        server=server,
        accelerator=lab.state.accelerator[server],
        real_nodes=len(topology.nodes),
        twins="twins" in topology.addons,
    )
