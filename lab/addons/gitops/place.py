"""Addresses and paths of the parts on the server node: in a guest, or on the host of a test."""

from __future__ import annotations

from dataclasses import dataclass

from edge_lab.addons.gitops.names import (
    ARTIFACT_PORT,
    GIT,
    GIT_BACKEND,
    GIT_PORT,
    GIT_SERVER,
    HOME,
    KUSTOMIZE_CONTROLLER,
    KUSTOMIZE_HEALTH,
    KUSTOMIZE_METRICS,
    REPOSITORY,
    SOURCE_CONTROLLER,
    SOURCE_HEALTH,
    SOURCE_METRICS,
    STATE,
)
from edge_lab.addons.tlsfiles import TlsFiles
from edge_lab.provisioning.provision import PAYLOAD_MOUNT
from edge_lab.topology import Topology


@dataclass(frozen=True)
class Place:
    """Paths, addresses and programs of the server node's parts."""

    git_address: str
    """`address:port` of the repositories."""
    git_listens: str = f"0.0.0.0:{GIT_PORT}"
    files: str = HOME
    state: str = f"/var/lib/{STATE}"
    bin: str = str(PAYLOAD_MOUNT / "bin")
    """Folder of the controllers and the Git server."""
    git: tuple[str, ...] = GIT.command
    """The command of git."""
    backend: tuple[str, ...] = GIT_BACKEND.command
    exec_path: str = f"{HOME}/libexec"
    """Folder with git's own programs; empty for the default."""
    artifacts: str = f"127.0.0.1:{ARTIFACT_PORT}"
    source_metrics: str = SOURCE_METRICS
    source_health: str = SOURCE_HEALTH
    kustomize_metrics: str = KUSTOMIZE_METRICS
    kustomize_health: str = KUSTOMIZE_HEALTH

    # -- programs --------------------------------------------------------------------------

    @property
    def git_server(self) -> str:
        return f"{self.bin}/{GIT_SERVER}"

    @property
    def source_controller(self) -> str:
        return f"{self.bin}/{SOURCE_CONTROLLER}"

    @property
    def kustomize_controller(self) -> str:
        return f"{self.bin}/{KUSTOMIZE_CONTROLLER}"

    # -- files -----------------------------------------------------------------------------

    @property
    def authority(self) -> str:
        """Certificates of the Git server, its reader and its author."""
        return f"{self.files}/git-ca.crt"

    def certificate(self, who: str) -> str:
        return f"{self.files}/{who}.crt"

    def key(self, who: str) -> str:
        return f"{self.files}/{who}.key"

    def kubeconfig(self, controller: str) -> str:
        return f"{self.files}/{controller}.kubeconfig"

    @property
    def cluster_authority(self) -> str:
        return f"{self.files}/cluster-ca.crt"

    def controller_keys(self, controller: str) -> TlsFiles:
        """Its identity at the API server."""
        return TlsFiles(self.cluster_authority, self.certificate(controller), self.key(controller))

    @property
    def repositories(self) -> str:
        return f"{self.state}/repositories"

    @property
    def repository(self) -> str:
        """The bare repository."""
        return f"{self.repositories}/{REPOSITORY}.git"

    @property
    def fetched(self) -> str:
        """The storage of source-controller."""
        return f"{self.state}/fetched"

    @property
    def url(self) -> str:
        """Of the repository."""
        return f"https://{self.git_address}/{REPOSITORY}.git"


def place_of(topology: Topology) -> Place:
    """That of the server node."""
    address = topology.cluster_link(topology.server.name).address
    return Place(git_address=f"{address}:{GIT_PORT}")
