"""Access control of an OPC UA device: channels by certificate, sessions by login.

asyncua lets any client open a channel without security (it serves to list endpoints), and
checks the certificate named in CreateSession but not that of the channel; so the rights of a
channel are decided here, when it is opened: without a trusted certificate it may only list
endpoints.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset, User, UserRole
from asyncua.crypto.security_policies import SecurityPolicyFactory, SecurityPolicyNone
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from edge_lab.core.errors import LabError
from edge_lab.devices.certificate_chain import (
    Chain,
    has_rsa_key,
    is_authority,
    is_issued,
    read_chain,
)

log = logging.getLogger(__name__)

KEY_BITS = range(2048, 4096 + 1)
"""Requirements on RSA keys of the policies that a device can have (OPC 10000-7)."""


class Trust:
    """The trust store folder: trusted authorities and single certificates."""

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
        """If given, the only trusted certificate; then the folder is ignored."""

    def read(self) -> None:
        """Loads the folder.

        Raises:
            LabError: it cannot be read, or has no certificate.
        """
        found: list[x509.Certificate] = []
        try:
            for path in sorted(self._folder.iterdir()):
                if path.suffix in (".pem", ".crt"):
                    found += x509.load_pem_x509_certificates(path.read_bytes())
        except (OSError, ValueError) as trouble:
            raise LabError(f"cannot read the trust store {self._folder}: {trouble}") from trouble
        if not found:
            raise LabError(f"the trust store {self._folder} has no certificate (*.pem, *.crt)")
        self._authorities = [certificate for certificate in found if is_authority(certificate)]
        self._pinned = frozenset(certificate.fingerprint(hashes.SHA256()) for certificate in found)

    def trusts(self, chain: Chain) -> bool:
        """Whether its leaf is in the folder, or was issued by an authority in it."""
        return self._verdict(chain) is None

    def _verdict(self, chain: Chain) -> int | None:
        """The status with which a chain is refused; None if it is trusted."""
        if self.only is not None:
            trusted = chain.leaf == self.only
        else:
            pinned = chain.leaf.fingerprint(hashes.SHA256()) in self._pinned
            trusted = pinned or is_issued(chain, self._authorities, datetime.now(UTC))
        if trusted:
            return None
        if self.only is None and is_issued(chain, self._authorities):
            return int(ua.StatusCodes.BadCertificateIssuerTimeInvalid)
        return int(ua.StatusCodes.BadCertificateUntrusted)

    def read_chain(self, data: bytes) -> Chain:
        """Parses what a client has sent as its certificate.

        Raises:
            ServiceError: BadCertificateInvalid, counted as a refusal.
        """
        try:
            return read_chain(data)
        except ValueError as trouble:
            self.refuse(
                f"with a certificate that cannot be read ({trouble})", "BadCertificateInvalid"
            )
            raise ServiceError(ua.StatusCodes.BadCertificateInvalid) from trouble

    async def check(self, chain: Chain, application: Any) -> None:
        """Checks each new session; `application` is the name that the client gives itself.

        Raises:
            ServiceError: why it is refused.
        """
        try:
            if (verdict := self._verdict(chain)) is not None:
                raise ServiceError(verdict)  # noqa: TRY301
            await self._validator.validate(chain.leaf, application)
        except ServiceError as refusal:
            self.refuse(chain.subject, ua.StatusCode(refusal.code).name)
            raise

    def refuse(self, subject: str, reason: str) -> None:
        """Counts and logs a refused client."""
        self.refused += 1
        log.warning("refused client %s: %s", subject, reason)


class NoService(PermissionRuleset):  # type: ignore[misc]
    """A channel without the right to create sessions, opened by `subject`."""

    def __init__(self, trust: Trust, subject: str) -> None:
        self._trust = trust
        self._subject = subject

    def check_validity(self, user: Any, action_type_id: Any, body: Any) -> bool:
        self._trust.refuse(self._subject, "BadUserAccessDenied")
        return False


class TrustingFactory(SecurityPolicyFactory):  # type: ignore[misc]
    """Assigns rights to a channel by the certificate with which it was opened."""

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

    def create(self, peer_certificate: bytes | None) -> Any:
        """Raises ServiceError if it is not a certificate, or not suitable for the policy."""
        chain = self._trust.read_chain(peer_certificate or b"")
        if not has_rsa_key(chain.leaf, KEY_BITS):
            self._trust.refuse(chain.subject, "BadCertificatePolicyCheckFailed")
            raise ServiceError(ua.StatusCodes.BadCertificatePolicyCheckFailed)
        policy = super().create(chain.leaf_der)
        if not self._trust.trusts(chain):
            policy.permissions = NoService(self._trust, chain.subject)
        return policy


class UnsecuredFactory(SecurityPolicyFactory):  # type: ignore[misc]
    """The channel that may only list endpoints."""

    def __init__(self, trust: Trust) -> None:
        super().__init__(
            SecurityPolicyNone,
            ua.MessageSecurityMode.None_,
            permission_ruleset=NoService(trust, "without a certificate"),
        )


class Users:
    """Who may log in on a trusted channel: users with a password, and users with a trusted
    certificate."""

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
        """Called by asyncua for each new session; None refuses it.

        Without a name, `certificate` is that of the login, or of the channel.
        """
        user = User(role=UserRole.User, name=username)
        if username is not None:
            known = self._passwords.get(username)
            if known is None or not compare_digest(known.encode(), (password or "").encode()):
                self._trust.refuse(f"user {username}", "BadUserAccessDenied")
                return None
        elif certificate:
            chain = self._trust.read_chain(certificate)
            now = datetime.now(UTC)
            valid = chain.leaf.not_valid_before_utc <= now <= chain.leaf.not_valid_after_utc
            if not valid or not self._trust.trusts(chain):
                self._trust.refuse(chain.subject, "BadUserAccessDenied")
                return None
        return user
