"""An X.509 certificate authority and its certificates, based on the `cryptography` library.

The identity suites use it, too: a foreign authority is `Authority.create` with the name of the
real one, a wrong name is another `CertificateSpec`, an expired certificate has `starts` and
`lifetime` in the past.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

SLACK = timedelta(days=1)
"""How long ago certificates became valid: a guest's clock may be behind the host's."""

AUTHORITY_LIFETIME = timedelta(days=3650)
LIFETIME = timedelta(days=1825)
"""Default lifetime of certificates; long, since checkpoints are kept for long."""


class KeyKind(StrEnum):
    EC = "ec"
    """ECDSA on P-256, which is fast in an emulated guest."""
    RSA = "rsa"
    """RSA with 2,048 bits, as OPC UA's Basic256Sha256 requires."""


class Usage(StrEnum):
    """Extended key usages of a certificate."""

    SERVER = "server"
    CLIENT = "client"


_USAGE_OIDS = {
    Usage.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Usage.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
}


@dataclass(frozen=True)
class CertificateSpec:
    """The content of a certificate."""

    common_name: str
    organizations: tuple[str, ...] = ()
    """Kubernetes uses them as groups."""
    dns_names: tuple[str, ...] = ()
    addresses: tuple[IPv4Address, ...] = ()
    uris: tuple[str, ...] = ()
    usages: tuple[Usage, ...] = (Usage.CLIENT,)
    key: KeyKind = KeyKind.EC
    encipherment: bool = False
    """Sets all key usages that OPC UA requires (OPC 10000-6, 6.2.2), not only signatures."""
    lifetime: timedelta = LIFETIME
    starts: datetime | None = None
    """Begin of the validity (with a time zone); None is a day ago."""


@dataclass(frozen=True)
class Identity:
    """A certificate with its private key, both PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)

    @property
    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_pem)

    @property
    def combined_pem(self) -> bytes:
        """Certificate and key in one file, the format of the kubelet's client certificate."""
        return self.certificate_pem + self.key_pem


@dataclass(frozen=True)
class Authority:
    """A self-signed authority: `identity` is its certificate and key."""

    identity: Identity

    @classmethod
    def create(
        cls,
        common_name: str,
        key: KeyKind = KeyKind.EC,
        *,
        lifetime: timedelta = AUTHORITY_LIFETIME,
        intermediates: int = 0,
    ) -> Authority:
        """A new authority. Two authorities of one name differ only in their keys.

        `intermediates` is the maximum number of intermediate authorities below it (path length).
        """
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        return cls._of(name, new_key(key), lifetime, intermediates)

    def impostor(self) -> Authority:
        """Another authority of the same name, with another key of the same type."""
        own = load_key(self.identity.key_pem)
        kind = KeyKind.RSA if isinstance(own, rsa.RSAPrivateKey) else KeyKind.EC
        limits = self.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        return self._of(
            self.certificate.subject, new_key(kind), AUTHORITY_LIFETIME, limits.path_length or 0
        )

    @classmethod
    def _of(
        cls, name: x509.Name, private: PrivateKey, lifetime: timedelta, intermediates: int
    ) -> Authority:
        starts = datetime.now(UTC) - SLACK
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(starts + SLACK + lifetime)
            .add_extension(x509.BasicConstraints(ca=True, path_length=intermediates), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(private.public_key()),
                critical=False,
            )
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(private, hashes.SHA256())
        )
        return cls(Identity(_pem(certificate), key_pem(private)))

    @property
    def certificate_pem(self) -> bytes:
        return self.identity.certificate_pem

    @property
    def certificate(self) -> x509.Certificate:
        return self.identity.certificate

    @cached_property
    def _key(self) -> PrivateKey:
        """Loaded once: loading verifies an RSA key, which takes longer than signing."""
        return load_key(self.identity.key_pem)

    def issue(self, spec: CertificateSpec, *, key: PrivateKey | None = None) -> Identity:
        """A new key (or `key`) and a certificate for it with the content `spec`."""
        issuer = self.certificate
        private = key or new_key(spec.key)
        starts = spec.starts or datetime.now(UTC) - SLACK
        builder = (
            x509.CertificateBuilder()
            .subject_name(_subject(spec))
            .issuer_name(issuer.subject)
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            # The lifetime counts from now, otherwise a short one would have ended already.
            .not_valid_after(starts + spec.lifetime + (SLACK if spec.starts is None else _ZERO))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(encipherment=spec.encipherment), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([_USAGE_OIDS[usage] for usage in spec.usages]),
                critical=False,
            )
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                    issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
                ),
                critical=False,
            )
        )
        names: list[x509.GeneralName] = [
            *(x509.UniformResourceIdentifier(uri) for uri in spec.uris),
            *(x509.DNSName(name) for name in spec.dns_names),
            *(x509.IPAddress(address) for address in spec.addresses),
        ]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Identity(_pem(certificate), key_pem(private))


_ZERO = timedelta()


def new_key(kind: KeyKind) -> PrivateKey:
    if kind is KeyKind.EC:
        return ec.generate_private_key(ec.SECP256R1())
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def load_key(pem: bytes) -> PrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise TypeError(f"a key of the lab must be EC or RSA, not {type(key).__name__}")
    return key


def key_pem(key: PrivateKey) -> bytes:
    """PKCS#8, unencrypted, which all components of the lab can read."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def sec1_pem(pem: bytes) -> bytes:
    """That EC key in SEC 1 format, unencrypted."""
    return load_key(pem).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def public_key_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _subject(spec: CertificateSpec) -> x509.Name:
    organizations = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in spec.organizations
    ]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, spec.common_name)])


def _key_usage(*, authority: bool = False, encipherment: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=encipherment,
        key_encipherment=encipherment,
        data_encipherment=encipherment,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )
