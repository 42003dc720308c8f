"""The certificate, key and authority of an add-on's part on a node, as files of one folder."""

from __future__ import annotations

from edge_lab.pki import Pki, TrustDomain
from edge_lab.provisioning.provision import GuestFile

CA, CERTIFICATE, KEY = "ca.crt", "tls.crt", "tls.key"


def tls_files(folder: str, domain: TrustDomain, name: str, pki: Pki) -> tuple[GuestFile, ...]:
    """The identity `name` of `domain`, and the certificate of its authority, in `folder`."""
    identity = pki.identity(domain, name)
    return (
        GuestFile(f"{folder}/{CA}", pki.authority(domain).certificate_pem),
        GuestFile(f"{folder}/{CERTIFICATE}", identity.certificate_pem),
        GuestFile(f"{folder}/{KEY}", identity.key_pem, 0o600),
    )
