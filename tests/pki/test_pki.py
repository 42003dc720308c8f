from __future__ import annotations

import asyncio
import shutil
import stat
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509

from edge_lab.addons.workload.identities import sampler_uri
from edge_lab.cluster.addresses import API_SERVICE_IP
from edge_lab.core.errors import LabError
from edge_lab.devices.identities import device_uri
from edge_lab.pki import (
    CLUSTER,
    DEVICES,
    AuthorityRequest,
    CertificateSpec,
    Identity,
    IdentityRequest,
    KeyKind,
    Pki,
    SigningKeyRequest,
    TrustDomain,
)
from edge_lab.stacks.identities import kubelet_server, node_client
from edge_lab.topology import Topology, load_topology
from tests.keys import keys_made_once, make_keys

DEFAULT = Path(__file__).parents[2] / "labs" / "default.yaml"


@pytest.fixture(scope="module")
def topology() -> Topology:
    return load_topology(DEFAULT)


@pytest.fixture(scope="module")
def pki(topology: Topology, tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_keys(tmp_path_factory.mktemp("run") / "keys", topology)


def of(pki: Pki, name: str) -> Identity:
    return pki.identity(CLUSTER, name)


def names_of(identity: Identity) -> x509.SubjectAlternativeName:
    extensions = identity.certificate.extensions
    return extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def subject_of(identity: Identity) -> str:
    return identity.certificate.subject.rfc4514_string()


def test_the_api_server_is_known_by_every_name_it_is_called_by(pki: Pki) -> None:
    names = names_of(of(pki, "apiserver"))
    addresses = set(names.get_values_for_type(x509.IPAddress))
    assert addresses == {IPv4Address("10.77.0.1"), IPv4Address("127.0.0.1"), API_SERVICE_IP}
    assert {"server", "localhost", "kubernetes.default.svc.cluster.local"} <= set(
        names.get_values_for_type(x509.DNSName)
    )


def test_each_node_has_its_own_identity(pki: Pki, topology: Topology) -> None:
    for node in topology.nodes:
        assert (
            subject_of(node_client(pki, node.name)) == f"CN=system:node:{node.name},O=system:nodes"
        )
        serving = names_of(kubelet_server(pki, node.name))
        wire = topology.cluster_link(node.name).address
        assert wire in serving.get_values_for_type(x509.IPAddress)
    serials = {node_client(pki, node.name).certificate.serial_number for node in topology.nodes}
    assert len(serials) == len(topology.nodes)


def test_the_programs_are_who_kubernetes_takes_them_for(pki: Pki) -> None:
    assert subject_of(of(pki, "controller-manager")) == "CN=system:kube-controller-manager"
    assert subject_of(of(pki, "scheduler")) == "CN=system:kube-scheduler"
    assert "O=system:masters" in subject_of(of(pki, "admin"))
    assert "system:masters" not in subject_of(of(pki, "apiserver-kubelet-client"))


def test_all_is_signed_by_the_authority_of_its_domain(pki: Pki, topology: Topology) -> None:
    cluster = [
        of(pki, "apiserver"),
        of(pki, "admin"),
        *(node_client(pki, n.name) for n in topology.nodes),
    ]
    for identity in cluster:
        identity.certificate.verify_directly_issued_by(pki.authority(CLUSTER).certificate)
    for identity in (
        pki.identity(DEVICES, "server-press"),
        pki.identity(DEVICES, "client-edge-arm"),
    ):
        identity.certificate.verify_directly_issued_by(pki.authority(DEVICES).certificate)
        with pytest.raises(ValueError, match="does not match"):
            identity.certificate.verify_directly_issued_by(pki.authority(CLUSTER).certificate)


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
    shown = (
        pki.identity(DEVICES, "server-press")
        if identity == "server"
        else pki.identity(DEVICES, "client-edge-arm")
    )
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
    assert of(again, "admin") == of(pki, "admin")
    assert again.authority(CLUSTER) == pki.authority(CLUSTER)
    certificate, key = again.identity_paths(CLUSTER, "admin")
    assert Identity(certificate.read_bytes(), key.read_bytes()) == of(again, "admin")


def test_keys_are_not_made_twice(pki: Pki, topology: Topology) -> None:
    before = of(pki, "admin")
    with pytest.raises(LabError, match="already contains the keys"):
        make_keys(pki.folder, topology)
    assert of(pki, "admin") == before


def test_tests_that_share_keys_have_each_a_folder_of_their_own(
    pki: Pki, topology: Topology, tmp_path: Path
) -> None:
    one, other = (keys_made_once(tmp_path / name, topology) for name in ("one", "other"))
    assert of(one, "admin") == of(other, "admin") != of(pki, "admin")
    assert one.authority(DEVICES) == other.authority(DEVICES) != pki.authority(DEVICES)
    assert not any(path.stat().st_mode & 0o077 for path in (one.folder, *one.folder.rglob("*")))
    shutil.rmtree(one.folder)
    assert of(other, "admin")


def test_a_folder_without_keys_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"cluster/ca\.crt"):
        Pki.load(tmp_path)


def test_an_identity_that_is_not_there_is_named(pki: Pki) -> None:
    with pytest.raises(LabError, match="node-nobody"):
        node_client(pki, "nobody")


SPIRE = TrustDomain("spire", "an add-on's authority")


def test_a_trust_domain_of_somebody_elses_is_made_as_requested(tmp_path: Path) -> None:
    spec = CertificateSpec("agent", ("edge",), key=KeyKind.RSA)
    pki = Pki.create(tmp_path / "keys", [IdentityRequest(SPIRE, "agent", spec)])
    agent = pki.identity(SPIRE, "agent")
    assert subject_of(agent) == "CN=agent,O=edge"
    agent.certificate.verify_directly_issued_by(pki.authority(SPIRE).certificate)
    with pytest.raises(LabError, match="cluster"):
        pki.authority(CLUSTER)  # nobody requested anything in it


def test_what_is_requested_twice_is_made_once_and_two_of_one_name_are_refused(
    tmp_path: Path,
) -> None:
    agent = IdentityRequest(SPIRE, "agent", CertificateSpec("agent"))
    Pki.create(tmp_path / "same", [agent, agent])
    other = IdentityRequest(SPIRE, "agent", CertificateSpec("somebody else"))
    with pytest.raises(LabError, match="different identities"):
        Pki.create(tmp_path / "other", [agent, other])
    twin = IdentityRequest(TrustDomain("spire", "another"), "more", CertificateSpec("agent"))
    with pytest.raises(LabError, match="different trust domains"):
        Pki.create(tmp_path / "domain", [agent, twin])
    assert not (tmp_path / "other").exists()
    assert not (tmp_path / "domain").exists()


def test_a_certificate_is_rotated_under_the_same_authority(tmp_path: Path) -> None:
    agent = IdentityRequest(SPIRE, "agent", CertificateSpec("agent"))
    pki = Pki.create(tmp_path / "keys", [agent])
    before, authority = pki.identity(SPIRE, "agent"), pki.authority(SPIRE)
    pki.add([agent])
    after = pki.identity(SPIRE, "agent")
    assert after.certificate.serial_number != before.certificate.serial_number
    assert pki.authority(SPIRE) == authority
    after.certificate.verify_directly_issued_by(authority.certificate)
    with pytest.raises(LabError, match="unknown"):
        pki.add([IdentityRequest(TrustDomain("unknown", "x"), "agent", CertificateSpec("a"))])


def test_a_signing_key_is_a_pair(tmp_path: Path) -> None:
    pki = Pki.create(tmp_path / "keys", [SigningKeyRequest(SPIRE, "tokens")])
    assert b"PRIVATE KEY" in pki.signing_key(SPIRE, "tokens")
    assert b"PUBLIC KEY" in pki.verification_key(SPIRE, "tokens")


@pytest.mark.parametrize("name", ["ca", "", "..", "a/b", "-a", "A"])
def test_a_name_that_is_no_file_of_its_own_is_refused(name: str) -> None:
    with pytest.raises(LabError):
        IdentityRequest(SPIRE, name, CertificateSpec("agent"))
    with pytest.raises(LabError):
        SigningKeyRequest(SPIRE, name)
    with pytest.raises(LabError):
        TrustDomain(name if name != "ca" else "c a", "an authority")


def test_an_authority_alone_can_be_requested_and_may_have_others_below(tmp_path: Path) -> None:
    root = TrustDomain("root", "a root", intermediates=1)
    pki = Pki.create(
        tmp_path / "keys",
        [AuthorityRequest(root), IdentityRequest(SPIRE, "agent", CertificateSpec("agent"))],
    )
    limits = {
        domain.name: pki.authority(domain)
        .certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        .value.path_length
        for domain in (root, SPIRE)
    }
    assert limits == {"root": 1, "spire": 0}
    impostor = pki.authority(root).impostor().certificate
    assert impostor.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 1
    with pytest.raises(LabError, match="unknown"):
        pki.authority(TrustDomain("unknown", "x"))
