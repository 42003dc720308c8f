"""The expected result of a probe, as data: admitted, or refused and for which reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from edge_lab.probes.alerts import AlertNumber, alert_name


class Outcome(StrEnum):
    LET_IN = "let in"
    ALERT = "alert"
    """Refused in the handshake, by one of these alerts."""
    STATUS = "status"
    """Refused by an HTTP status: the handshake succeeds."""
    REFUSAL = "refusal"
    """Refused by one of these status codes of the protocol."""
    NO_TLS = "no TLS"
    """The port speaks plain text."""
    UNREACHABLE = "unreachable"
    """No connection, although the endpoint serves its own peers."""


@dataclass(frozen=True)
class Expected:
    """One outcome, and its permitted alternative."""

    outcome: Outcome
    alerts: frozenset[int] = frozenset()
    alerts_before_13: frozenset[int] = frozenset()
    """Under TLS 1.2, if different."""
    statuses: frozenset[int] = frozenset()
    """With `LET_IN`, empty for any status that admits."""
    refusals: frozenset[str] = frozenset()
    note: str = ""
    """The reason, where it is not obvious."""
    alternative: Expected | None = None

    def alerts_under(self, version: str) -> frozenset[int]:
        """The codes for a protocol version, as named in a record."""
        before = version != "TLSv1.3" and version != ""
        return self.alerts_before_13 if before and self.alerts_before_13 else self.alerts

    def __str__(self) -> str:
        also = f" or {self.alternative}" if self.alternative else ""
        if self.outcome is Outcome.ALERT:
            numbers = sorted(self.alerts | self.alerts_before_13)
            return " or ".join(f"alert {n} {alert_name(n)}" for n in numbers) + also
        if self.outcome is Outcome.REFUSAL:
            return " or ".join(sorted(self.refusals)) + also
        codes = "/".join(map(str, sorted(self.statuses)))
        if self.outcome is Outcome.STATUS:
            return f"HTTP {codes}{also}"
        return f"{self.outcome} ({codes}){also}" if codes else f"{self.outcome}{also}"


def let_in(*statuses: int, note: str = "") -> Expected:
    return Expected(Outcome.LET_IN, statuses=frozenset(statuses), note=note)


def alert(*numbers: int, before_13: tuple[int, ...] = (), note: str = "") -> Expected:
    return Expected(Outcome.ALERT, frozenset(numbers), frozenset(before_13), note=note)


def status(*codes: int, note: str = "") -> Expected:
    return Expected(Outcome.STATUS, statuses=frozenset(codes), note=note)


def refused(*names: str) -> Expected:
    return Expected(Outcome.REFUSAL, refusals=frozenset(names))


def no_tls() -> Expected:
    return Expected(Outcome.NO_TLS)


def unreachable() -> Expected:
    return Expected(Outcome.UNREACHABLE)


def either(first: Expected, second: Expected) -> Expected:
    """Either outcome passes."""
    return replace(first, alternative=second)


@dataclass(frozen=True)
class Policy:
    """The expected result of each probe at an endpoint; other probes are not made."""

    name: str
    expects: Mapping[str, Expected] = field(default_factory=lambda: MappingProxyType({}))

    def but(self, name: str = "", **changed: Expected | None) -> Policy:
        """A copy with changed expectations (`tls_1_1` for `tls-1.1`); None removes a probe."""
        expects = dict(self.expects)
        for key, expected in changed.items():
            probe = _NAMES.get(key, key.replace("_", "-"))
            expects.pop(probe, None)
            if expected is not None:
                expects[probe] = expected
        return Policy(name or self.name, MappingProxyType(expects))


_NAMES = {"tls_1_1": "tls-1.1", "tls_1_0": "tls-1.0"}

_RESUMED = "a session is resumed until it expires for any client with its ticket and secret"
_GO_KEYS = "the minimum of Go is 1,024 bits, and nothing else checks the length"

_VERSIONS = {
    "tls-1.1": alert(AlertNumber.PROTOCOL_VERSION),
    "tls-1.0": alert(AlertNumber.PROTOCOL_VERSION),
}

MUTUAL_TLS = Policy(
    "mutual TLS",
    MappingProxyType(
        {
            "right": let_in(),
            "none": alert(
                AlertNumber.CERTIFICATE_REQUIRED, before_13=(AlertNumber.HANDSHAKE_FAILURE,)
            ),
            "foreign-ca": alert(AlertNumber.UNKNOWN_CA),
            "foreign-ca-same-name": alert(AlertNumber.UNKNOWN_CA),
            "self-signed": alert(AlertNumber.UNKNOWN_CA),
            "expired": alert(AlertNumber.CERTIFICATE_EXPIRED),
            "not-yet-valid": alert(
                AlertNumber.CERTIFICATE_EXPIRED, note="Go has one alert for both ends of validity"
            ),
            "server-certificate": alert(AlertNumber.BAD_CERTIFICATE),
            "weak-key": let_in(note=_GO_KEYS),
            "sha1-signature": alert(AlertNumber.UNKNOWN_CA),
            **_VERSIONS,
            "plaintext": status(400),
            "stolen-ticket": either(
                let_in(note=_RESUMED),
                alert(AlertNumber.CERTIFICATE_REQUIRED, before_13=(AlertNumber.HANDSHAKE_FAILURE,)),
            ),
            "bad-token": alert(
                AlertNumber.CERTIFICATE_REQUIRED, before_13=(AlertNumber.HANDSHAKE_FAILURE,)
            ),
        }
    ),
)
"""Go's RequireAndVerifyClientCert: without a valid certificate the handshake fails."""

VERIFIED_BY_HTTP = Policy(
    "certificate requested, verified by HTTP",
    MappingProxyType(
        {
            "right": let_in(200),
            "none": status(401),
            "foreign-ca": status(401),
            "foreign-ca-same-name": status(401),
            "self-signed": status(401),
            "wrong-name": status(403),
            "expired": status(401),
            "not-yet-valid": status(401),
            "server-certificate": status(401),
            "weak-key": let_in(200, note=_GO_KEYS),
            "sha1-signature": status(401),
            **_VERSIONS,
            "plaintext": status(400),
            "stolen-ticket": either(let_in(200, note=_RESUMED), status(401, 403)),
            "bad-token": status(401),
        }
    ),
)
"""Go's RequestClientCert with Kubernetes' authenticators behind it: TLS accepts any certificate; an
invalid one gets 401, one without rights 403."""

ANYONE_BY_TLS = Policy(
    "anyone, by TLS",
    MappingProxyType(
        {"none": let_in(), "foreign-ca": let_in(), **_VERSIONS, "plaintext": status(400)}
    ),
)
"""TLS without client authentication."""

ANYONE_BY_HTTP = Policy("anyone, plain", MappingProxyType({"plaintext": let_in(), "tls": no_tls()}))
"""Plain HTTP without authentication: where that is harmless, or only on loopback."""

NOT_PROBED = Policy("another protocol")
"""Neither TLS nor HTTP: declared, so that it is not a finding, and tested elsewhere."""

FROM_WIRE = "from-wire"
"""The probe of a loopback endpoint from another node."""


def loopback(policy: Policy) -> Policy:
    """The policy of an endpoint that is only for its own node."""
    expects = {**policy.expects, FROM_WIRE: unreachable()}
    return Policy(f"{policy.name}; loopback only", MappingProxyType(expects))
