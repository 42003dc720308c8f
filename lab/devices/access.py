"""Who is let in by an OPC UA device: channels by their certificate, sessions by their login.

asyncua lets any client open a channel without security (it serves to list endpoints), and
checks the certificate named in CreateSession but not the one of the channel; so what a channel
may do is decided here, when it is opened: without a trusted certificate it may do nothing but
list endpoints and be refused.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyFactory, SecurityPolicyNone
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from edge_lab.core.errors import LabError

log = logging.getLogger(__name__)


class Trust:
    """The trust store folder: authorities, and single certificates, that are let in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = TrustStore([], [])
        self._pinned: frozenset[bytes] = frozenset()
        self._validator = CertificateValidator(
            CertificateValidatorOptions.TIME_RANGE
            | CertificateValidatorOptions.URI
            | CertificateValidatorOptions.KEY_USAGE
            | CertificateValidatorOptions.EXT_KEY_USAGE
            | CertificateValidatorOptions.PEER_CLIENT
        )
        self.refused = 0
        self.only: x509.Certificate | None = None
        """The only certificate that is trusted, if it is given; the folder is not asked then."""

    def read(self) -> None:
        """Loads the folder.

        Raises:
            LabError: it cannot be read, or holds no certificate.
        """
        found: list[x509.Certificate] = []
        try:
            for path in sorted(self._folder.iterdir()):
                if path.suffix in (".pem", ".crt"):
                    found += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as trouble:
            raise LabError(f"cannot read the trust store {self._folder}: {trouble}") from trouble
        if not found:
            raise LabError(f"the trust store {self._folder} holds no certificate (*.pem, *.crt)")
        self._authorities = [each for each in found if _is_authority(each)]
        self._pinned = frozenset(each.fingerprint(hashes.SHA256()) for each in found)

    def trusts(self, certificate: x509.Certificate) -> bool:
        """Whether it, or the authority that signed it, lies in the folder."""
        if self.only is not None:
            return certificate == self.only
        if certificate.fingerprint(hashes.SHA256()) in self._pinned:
            return True
        return any(_signed_by(certificate, authority) for authority in self._authorities)

    async def check(self, certificate: x509.Certificate, application: Any) -> None:
        """What asyncua calls for each new session."""
        subject = certificate.subject.rfc4514_string()
        try:
            if not self.trusts(certificate):
                raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)  # noqa: TRY301
            await self._validator.validate(certificate, application)
        except ServiceError as refusal:
            self.refuse(subject, ua.StatusCode(refusal.code).name)
            raise

    def refuse(self, subject: str, reason: str) -> None:
        """Counts and logs that a client was turned away."""
        self.refused += 1
        log.warning("refused client %s: %s", subject, reason)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


class _Nothing(PermissionRuleset):  # type: ignore[misc]
    """A channel that may do nothing that takes a session; `subject` has opened it."""

    def __init__(self, trust: Trust, subject: str) -> None:
        self._trust = trust
        self._subject = subject

    def check_validity(self, user: Any, action_type_id: Any, body: Any) -> bool:
        self._trust.refuse(self._subject, "BadUserAccessDenied")
        return False


class _TrustingFactory(SecurityPolicyFactory):  # type: ignore[misc]
    """Gives a channel its rights by the certificate that it was opened with."""

    def __init__(self, policy: SecurityPolicyFactory, trust: Trust) -> None:
        super().__init__(
            policy.cls,
            policy.mode,
            policy.certificate,
            policy.private_key,
            policy.permission_ruleset,
            policy.certificate_chain,
        )
        self._trust = trust

    def create(self, peer_certificate: bytes) -> Any:
        policy = super().create(peer_certificate)
        certificate = x509.load_der_x509_certificate(peer_certificate)
        if not self._trust.trusts(certificate):
            policy.permissions = _Nothing(self._trust, certificate.subject.rfc4514_string())
        return policy


class _Unsecured(SecurityPolicyFactory):  # type: ignore[misc]
    """The channel that lists endpoints, and no more."""

    def __init__(self, trust: Trust) -> None:
        super().__init__(
            SecurityPolicyNone,
            ua.MessageSecurityMode.None_,
            permission_ruleset=_Nothing(trust, "without a certificate"),
        )


class Users:
    """Who may log in on a channel that is trusted: users with a password, and whoever has a
    certificate that is trusted too."""

    def __init__(self, trust: Trust, passwords: Mapping[str, str]) -> None:
        self._trust = trust
        self._passwords = passwords

    def get_user(
        self,
        iserver: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> User | None:
        """What asyncua calls for each new session; None refuses it.

        Without a name, `certificate` is the one logged in with, or the channel's.
        """
        user = User(role=UserRole.User, name=username)
        if username is not None:
            known = self._passwords.get(username)
            if known is None or not compare_digest(known.encode(), (password or "").encode()):
                self._trust.refuse(f"user {username}", "BadUserAccessDenied")
                return None
        elif certificate:
            shown = x509.load_der_x509_certificate(certificate)
            now = datetime.now(UTC)
            valid = shown.not_valid_before_utc <= now <= shown.not_valid_after_utc
            if not valid or not self._trust.trusts(shown):
                self._trust.refuse(shown.subject.rfc4514_string(), "BadUserAccessDenied")
                return None
        return user


def guarded_server(trust: Trust, users: Users) -> Any:
    """A server that lets in whom `trust` and `users` let in."""

    class Guarded(Server):  # type: ignore[misc]
        async def _setup_server_nodes(self) -> None:
            await super()._setup_server_nodes()
            secured = [_TrustingFactory(policy, trust) for policy in self._policies]
            self._policies[:] = [*secured, _Unsecured(trust)]

    return Guarded(user_manager=users)
