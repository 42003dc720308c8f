"""All keys and certificates of one lab, on disk below one folder that only its owner reads.

    <folder>/cluster/ca.{crt,key}        the cluster's authority
    <folder>/cluster/<identity>.{crt,key}
    <folder>/cluster/service-account.{key,pub}
    <folder>/device/ca.{crt,key}         the authority of the OPC UA devices
    <folder>/device/<identity>.{crt,key}

They are made once and read back, so that a lab that is restored from a checkpoint knows
the keys that its guests hold.
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from edge_lab.core.errors import LabError
from edge_lab.pki.authority import (
    Authority,
    CertificateSpec,
    Identity,
    KeyKind,
    Usage,
    key_pem,
    load_key,
    new_key,
    public_key_pem,
)
from edge_lab.topology import Device, Node, Protocol, Topology

SERVICE_SUBNET = IPv4Network("10.96.0.0/16")
"""Cluster addresses of services. Nothing answers on them unless a stack sees to it."""

API_SERVICE_IP = IPv4Address("10.96.0.1")
"""The first of them is always default/kubernetes; it stands in the API server's certificate."""

LOOPBACK = IPv4Address("127.0.0.1")

_CLUSTER, _DEVICE = "cluster", "device"
_SERVICE_ACCOUNT = "service-account"


@dataclass(frozen=True)
class Pki:
    """The lab's certificates, read from `folder` as they are asked for."""

    folder: Path

    @classmethod
    def create(cls, folder: Path, topology: Topology) -> Pki:
        """Makes authorities and all certificates that `topology` needs below `folder`.

        Raises:
            LabError: there are keys already (`load` is for those), or the folder cannot be
                written.
        """
        pki = cls(folder)
        if (folder / _CLUSTER).exists() or (folder / _DEVICE).exists():
            raise LabError(
                f"{folder} holds the keys of a lab already",
                remedy="`lab down` removes them with the lab they belong to.",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            folder.chmod(0o700)
            cluster = Authority.create("edge-lab cluster CA")
            pki._store(_CLUSTER, "ca", cluster.identity)
            for name, spec in _cluster_identities(topology).items():
                pki._store(_CLUSTER, name, cluster.issue(spec))
            signing = new_key(KeyKind.EC)
            pki._write(_CLUSTER, f"{_SERVICE_ACCOUNT}.key", key_pem(signing))
            pki._write(_CLUSTER, f"{_SERVICE_ACCOUNT}.pub", public_key_pem(signing))
            device = Authority.create("edge-lab device CA", KeyKind.RSA)
            pki._store(_DEVICE, "ca", device.identity)
            for name, spec in _device_identities(topology).items():
                pki._store(_DEVICE, name, device.issue(spec))
        except OSError as trouble:
            raise LabError(f"cannot write keys to {folder}: {trouble.strerror}") from trouble
        return pki

    @classmethod
    def load(cls, folder: Path) -> Pki:
        """The certificates that `create` made in `folder`; LabError if there are none."""
        pki = cls(folder)
        for domain in (_CLUSTER, _DEVICE):
            pki._identity(domain, "ca")
        return pki

    # -- authorities ---------------------------------------------------------------------

    @property
    def cluster(self) -> Authority:
        """Signs for the API server, its clients and the kubelets."""
        return Authority(self._identity(_CLUSTER, "ca"))

    @property
    def device(self) -> Authority:
        """Signs for OPC UA servers and their clients."""
        return Authority(self._identity(_DEVICE, "ca"))

    # -- the cluster's identities --------------------------------------------------------

    @property
    def api_server(self) -> Identity:
        """What the API server shows to its clients."""
        return self._identity(_CLUSTER, "apiserver")

    @property
    def api_server_kubelet_client(self) -> Identity:
        """What the API server shows to kubelets (logs, exec)."""
        return self._identity(_CLUSTER, "apiserver-kubelet-client")

    @property
    def controller_manager(self) -> Identity:
        return self._identity(_CLUSTER, "controller-manager")

    @property
    def scheduler(self) -> Identity:
        return self._identity(_CLUSTER, "scheduler")

    @property
    def cloudcore(self) -> Identity:
        """What KubeEdge's cloud side shows to the API server."""
        return self._identity(_CLUSTER, "cloudcore")

    @property
    def admin(self) -> Identity:
        """Group system:masters: may do everything. For the host alone."""
        return self._identity(_CLUSTER, "admin")

    def node_client(self, node: str) -> Identity:
        """What the node shows to the API server, as system:node:<node>."""
        return self._identity(_CLUSTER, f"node-{node}")

    def kubelet_server(self, node: str) -> Identity:
        """What the node's kubelet shows to the API server that calls it."""
        return self._identity(_CLUSTER, f"kubelet-{node}")

    def mapper(self, node: str) -> Identity:
        """What the device mapper on `node` shows to the API server, as `mapper_user(node)`."""
        return self._identity(_CLUSTER, f"mapper-{node}")

    @property
    def service_account_key(self) -> bytes:
        """PEM of the key that signs service account tokens."""
        return self._read(_CLUSTER, f"{_SERVICE_ACCOUNT}.key")

    @property
    def service_account_public_key(self) -> bytes:
        return self._read(_CLUSTER, f"{_SERVICE_ACCOUNT}.pub")

    # -- the devices' identities ---------------------------------------------------------

    def opcua_server(self, device: str) -> Identity:
        """The certificate of an OPC UA device; its URI is `device_uri(device)`."""
        return self._identity(_DEVICE, f"server-{device}")

    def opcua_client(self, node: str) -> Identity:
        """The certificate of the sampler on `node`; its URI is `sampler_uri(node)`."""
        return self._identity(_DEVICE, f"client-{node}")

    def opcua_mapper(self, node: str) -> Identity:
        """The certificate of the device mapper on `node`; its URI is `mapper_uri(node)`."""
        return self._identity(_DEVICE, f"mapper-{node}")

    def opcua_server_paths(self, device: str) -> tuple[Path, Path]:
        """Certificate and key file of an OPC UA device, for its process on the host."""
        return self.identity_paths(_DEVICE, f"server-{device}")

    def identity_paths(self, domain: str, name: str) -> tuple[Path, Path]:
        """Certificate and key file of one identity, for a process that wants paths."""
        room = self.folder / domain
        return room / f"{name}.crt", room / f"{name}.key"

    # -- on disk -------------------------------------------------------------------------

    def _store(self, domain: str, name: str, identity: Identity) -> None:
        self._write(domain, f"{name}.key", identity.key_pem)
        self._write(domain, f"{name}.crt", identity.certificate_pem)

    def _write(self, domain: str, name: str, content: bytes) -> None:
        room = self.folder / domain
        room.mkdir(exist_ok=True, mode=0o700)
        # mkstemp opens with 0600, so that a key is at no moment readable by others.
        descriptor, temporary = tempfile.mkstemp(dir=room, prefix=".new-")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).replace(room / name)

    def _identity(self, domain: str, name: str) -> Identity:
        return Identity(self._read(domain, f"{name}.crt"), self._read(domain, f"{name}.key"))

    def _read(self, domain: str, name: str) -> bytes:
        path = self.folder / domain / name
        try:
            return path.read_bytes()
        except OSError as trouble:
            raise LabError(
                f"cannot read {path}, a certificate or key of the lab: {trouble.strerror}",
                remedy="It is made when the lab comes up, for the nodes and devices of its "
                "topology; after a change of topology: `lab down`, `lab up`.",
            ) from trouble


# -- what stands in each certificate -----------------------------------------------------


def device_uri(device: str) -> str:
    """The OPC UA application URI of a device."""
    return f"urn:edge-lab:device:{device}"


def sampler_uri(node: str) -> str:
    """The OPC UA application URI of the sampler on a node."""
    return f"urn:edge-lab:sampler:{node}"


MAPPER_GROUP = "edge-lab:mappers"
"""The group of all device mappers, by which the cluster gives them their rights."""


def mapper_user(node: str) -> str:
    """Who the device mapper on a node is to the API server."""
    return f"edge-lab:mapper:{node}"


def mapper_uri(node: str) -> str:
    """The OPC UA application URI of the device mapper on a node."""
    return f"urn:edge-lab:mapper:{node}"


def api_server_spec(topology: Topology) -> CertificateSpec:
    """Serving certificate of the API server: all names and addresses it is called by."""
    server = topology.server.name
    return CertificateSpec(
        common_name="kube-apiserver",
        dns_names=(
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "localhost",
            server,
        ),
        addresses=(
            API_SERVICE_IP,
            LOOPBACK,
            *(link.address for link in topology.links_of(server)),
        ),
        usages=(Usage.SERVER,),
    )


def control_plane_spec(user: str) -> CertificateSpec:
    """What a program beside the API server shows to it, and to who asks it how it is."""
    return CertificateSpec(
        user,
        dns_names=("localhost",),
        addresses=(LOOPBACK,),
        usages=(Usage.CLIENT, Usage.SERVER),
    )


def node_client_spec(node: str) -> CertificateSpec:
    """Client certificate of a node, as the Node authorizer wants it."""
    return CertificateSpec(f"system:node:{node}", ("system:nodes",))


def kubelet_server_spec(topology: Topology, node: Node) -> CertificateSpec:
    """Serving certificate of a kubelet: the node's name and its address on the cluster network."""
    return CertificateSpec(
        common_name=f"system:node:{node.name}",
        organizations=("system:nodes",),
        dns_names=(node.name,),
        addresses=(topology.cluster_link(node.name).address, LOOPBACK),
        usages=(Usage.SERVER,),
    )


def opcua_server_spec(topology: Topology, device: Device) -> CertificateSpec:
    """Certificate of an OPC UA device: application URI, name and address on its wire."""
    return CertificateSpec(
        common_name=device.name,
        organizations=("edge-lab",),
        uris=(device_uri(device.name),),
        dns_names=(device.name,),
        addresses=tuple(link.address for link in topology.links_of(device.name)),
        # Servers that register elsewhere act as clients, so OPC UA names both.
        usages=(Usage.SERVER, Usage.CLIENT),
        key=KeyKind.RSA,
        encipherment=True,
    )


def opcua_client_spec(node: str) -> CertificateSpec:
    """Certificate of the OPC UA client that samples devices on a node."""
    return _opcua_client(node, "sampler", sampler_uri(node))


def opcua_mapper_spec(node: str) -> CertificateSpec:
    """Certificate of the OPC UA client by which a node keeps twins of devices."""
    return _opcua_client(node, "mapper", mapper_uri(node))


def _opcua_client(node: str, program: str, uri: str) -> CertificateSpec:
    return CertificateSpec(
        common_name=f"{program}-{node}",
        organizations=("edge-lab",),
        uris=(uri,),
        dns_names=(node,),
        usages=(Usage.CLIENT,),
        key=KeyKind.RSA,
        encipherment=True,
    )


def _cluster_identities(topology: Topology) -> dict[str, CertificateSpec]:
    found = {
        "apiserver": api_server_spec(topology),
        "apiserver-kubelet-client": CertificateSpec("edge-lab:apiserver-kubelet-client"),
        "controller-manager": control_plane_spec("system:kube-controller-manager"),
        "scheduler": control_plane_spec("system:kube-scheduler"),
        "cloudcore": CertificateSpec("edge-lab:cloudcore"),
        "admin": CertificateSpec("edge-lab:admin", ("system:masters",)),
    }
    for node in topology.nodes:
        found[f"node-{node.name}"] = node_client_spec(node.name)
        found[f"kubelet-{node.name}"] = kubelet_server_spec(topology, node)
    for node in topology.edges:
        found[f"mapper-{node.name}"] = CertificateSpec(mapper_user(node.name), (MAPPER_GROUP,))
    return found


def _device_identities(topology: Topology) -> dict[str, CertificateSpec]:
    servers = {
        f"server-{device.name}": opcua_server_spec(topology, device)
        for device in topology.devices
        if device.protocol is Protocol.OPCUA
    }
    clients = {f"client-{node.name}": opcua_client_spec(node.name) for node in topology.nodes}
    mappers = {f"mapper-{node.name}": opcua_mapper_spec(node.name) for node in topology.edges}
    return servers | clients | mappers


__all__ = ["API_SERVICE_IP", "SERVICE_SUBNET", "Pki", "load_key"]
