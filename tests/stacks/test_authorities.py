"""Who signs in a trust domain, and what the host shows and trusts."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml

from edge_lab.pki import CLUSTER, DEVICES, Authority, LabSigner, Pki, TrustBundle, TrustForm
from edge_lab.stacks import Stack, get_stack, kubeconfig
from edge_lab.stacks.endpoints import KUBEEDGE_DOMAIN
from edge_lab.stacks.hostaccess import HostAccess
from edge_lab.stacks.identities import ADMIN
from edge_lab.stacks.kubeedge_certificate import CloudcoreSigner
from edge_lab.topology import Topology

FORM = TrustBundle("host", CLUSTER, "kubeconfig", (), TrustForm.KUBECONFIG)


def test_the_lab_signs_in_its_own_domains_whatever_the_stack(stack: Stack) -> None:
    for domain in (CLUSTER, DEVICES):
        assert stack.signer(domain) == LabSigner(domain)


def test_an_edge_runtime_says_who_signs_in_a_domain_of_its_own() -> None:
    assert get_stack("kubernetes+kubeedge").signer(KUBEEDGE_DOMAIN) == CloudcoreSigner()


def test_each_domain_of_an_endpoint_has_an_authority(stack: Stack, topology: Topology) -> None:
    """Of a domain that nobody brings, it is the lab's: which is requested, then."""
    for endpoint in stack.endpoints(topology):
        signer = stack.signer(endpoint.domain)
        assert signer == LabSigner(CLUSTER) or endpoint.domain == KUBEEDGE_DOMAIN


@pytest.fixture
def access(pki: Pki, tmp_path: Path) -> HostAccess:
    path = tmp_path / "kubeconfig"
    authority = pki.authority(CLUSTER)
    admin = pki.identity(CLUSTER, ADMIN)
    text = kubeconfig("https://127.0.0.1:1", ca_pem=authority.certificate_pem, identity=admin)
    path.write_text(text, encoding="utf-8")
    return HostAccess(path)


def test_the_host_shows_and_trusts_what_it_is_told_and_goes_back(
    access: HostAccess, pki: Pki
) -> None:
    first = access.kubeconfig.read_bytes()
    old = pki.authority(CLUSTER)
    new: Authority = old.impostor()
    identity = new.issue(access.spec)
    access.trust([old.certificate_pem, new.certificate_pem])
    access.show(identity)
    content = access.kubeconfig.read_bytes()
    assert len(FORM.authorities(content)) == 2
    assert yaml.safe_load(content)["users"] != yaml.safe_load(first)["users"]
    assert stat.S_IMODE(access.kubeconfig.stat().st_mode) == 0o600
    assert identity.certificate.subject == pki.identity(CLUSTER, ADMIN).certificate.subject
    access.show_original()
    content = access.kubeconfig.read_bytes()
    assert len(FORM.authorities(content)) == 2
    assert yaml.safe_load(content)["users"] == yaml.safe_load(first)["users"]
    access.reset()
    assert access.kubeconfig.read_bytes() == first
    assert list(access.kubeconfig.parent.iterdir()) == [access.kubeconfig]


def test_a_host_that_was_told_nothing_stays_as_it_is(access: HostAccess) -> None:
    first = access.kubeconfig.read_bytes()
    access.show_original()
    access.reset()
    assert access.kubeconfig.read_bytes() == first
