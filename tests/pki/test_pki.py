from __future__ import annotations

import asyncio
import stat
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509

from edge_lab.core.errors import LabError
from edge_lab.pki import API_SERVICE_IP, Identity, Pki, device_uri, sampler_uri
from edge_lab.topology import Topology, load_topology

DEFAULT = Path(__file__).parents[2] / "labs" / "default.yaml"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(DEFAULT)


@pytest.fixture(scope="module")
def pki(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki.create(tmp_path_factory.mktemp("run") / "keys", topology)


def names_of(identity: Identity) -> x509.SubjectAlternativeName:
    extensions = identity.certificate.extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def subject_of(identity: Identity) -> str:
    return identity.certificate.subject.rfc4514_string()


def test_the_api_server_is_known_by_every_name_it_is_called_by(pki: Pki) -> None:
    names = names_of(pki.api_server)
    addresses = set(names.get_values_for_type(x509.IPAddress))
    assert addresses == {IPv4Address("10.77.0.1"), IPv4Address("127.0.0.1"), API_SERVICE_IP}
    assert {"server", "localhost", "kubernetes.default.svc.cluster.local"} <= set(
        names.get_values_for_type(x509.DNSName)
    )


def test_each_node_has_its_own_identity(pki: Pki, topology: Topology) -> None:
    for node in topology.nodes:
        assert (
            subject_of(pki.node_client(node.name)) == f"CN=system:node:{node.name},O=system:nodes"
        )
        serving = names_of(pki.kubelet_server(node.name))
        wire = topology.cluster_link(node.name).address
        assert wire in serving.get_values_for_type(x509.IPAddress)
    serials = {pki.node_client(node.name).certificate.serial_number for node in topology.nodes}
    assert len(serials) == len(topology.nodes)


def test_the_programs_are_who_kubernetes_takes_them_for(pki: Pki) -> None:
    assert subject_of(pki.controller_manager) == "CN=system:kube-controller-manager"
    assert subject_of(pki.scheduler) == "CN=system:kube-scheduler"
    assert "O=system:masters" in subject_of(pki.admin)
    assert "system:masters" not in subject_of(pki.api_server_kubelet_client)


def test_all_is_signed_by_the_authority_of_its_domain(pki: Pki, topology: Topology) -> None:
    cluster = [pki.api_server, pki.admin, *(pki.node_client(n.name) for n in topology.nodes)]
    for identity in cluster:
        identity.certificate.verify_directly_issued_by(pki.cluster.certificate)
    for identity in (pki.opcua_server("press"), pki.opcua_client("edge-arm")):
        identity.certificate.verify_directly_issued_by(pki.device.certificate)
        with pytest.raises(ValueError, match="does not match"):
            identity.certificate.verify_directly_issued_by(pki.cluster.certificate)


@pytest.mark.parametrize(
    ("identity", "uri", "kind", "peer"),
    [
        ("server", device_uri("press"), "Server", "PEER_SERVER"),
        ("client", sampler_uri("edge-arm"), "Client", "PEER_CLIENT"),
    ],
)
def test_asyncua_accepts_the_device_certificates(
    pki: Pki, identity: str, uri: str, kind: str, peer: str
) -> None:
    shown = pki.opcua_server("press") if identity == "server" else pki.opcua_client("edge-arm")
    options = CertificateValidatorOptions.EXT_VALIDATION | CertificateValidatorOptions[peer]
    validator = CertificateValidator(options)

    def look(application: str) -> None:
        description = ua.ApplicationDescription(
            ApplicationUri=application, ApplicationType=ua.ApplicationType[kind]
        )
        asyncio.run(validator.validate(shown.certificate, description))

    look(uri)
    with pytest.raises(ServiceError) as refused:
        look("urn:edge-lab:device:another")
    assert refused.value.code == ua.StatusCodes.BadCertificateUriInvalid


def test_nobody_else_can_read_a_key(pki: Pki) -> None:
    for path in (pki.folder, *pki.folder.rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_keys_are_read_back_as_they_were_made(pki: Pki) -> None:
    again = Pki.load(pki.folder)
    assert again.admin == pki.admin
    assert again.cluster == pki.cluster
    certificate, key = again.identity_paths("cluster", "admin")
    assert Identity(certificate.read_bytes(), key.read_bytes()) == again.admin


def test_keys_are_not_made_twice(pki: Pki, topology: Topology) -> None:
    before = pki.admin
    with pytest.raises(LabError, match="holds the keys"):
        Pki.create(pki.folder, topology)
    assert pki.admin == before


def test_a_folder_without_keys_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cluster/ca\.crt"):
        Pki.load(tmp_path)


def test_an_identity_that_is_not_there_is_named(pki: Pki) -> None:
    with pytest.raises(LabError, match="node-nobody"):
        pki.node_client("nobody")
