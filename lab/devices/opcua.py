"""The OPC UA side of a device; the nodes are in points.py.

One security policy, Basic256Sha256 with SignAndEncrypt.  asyncua lets any client open a
channel without security (it serves to list endpoints), and checks the certificate named in
CreateSession but not the one of the channel; so what a channel may do is decided here, when
it is opened: without a trusted certificate it may do nothing but list endpoints and be
refused.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import Any

from asyncua import Client, Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import PermissionRuleset
from asyncua.crypto.security_policies import (
    SecurityPolicyBasic256Sha256,
    SecurityPolicyFactory,
    SecurityPolicyNone,
)
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.uacrypto import CertProperties
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from lab.devices.faults import DeviceFault, Exceptions, Untrusted
from lab.devices.framing import OpcUaFraming
from lab.devices.points import (
    OPCUA_NAMESPACE,
    OPCUA_NAMESPACE_INDEX,
    OPCUA_PORT,
    REQUESTED_SETPOINT,
    SEQUENCE,
    Point,
    Value,
    node_id,
)
from lab.devices.serving import LOOPBACK, Shown
from lab.devices.serving import Server as DeviceServer
from lab.devices.spec import OpcUaFiles
from lab.errors import LabError

log = logging.getLogger(__name__)


def application_uri(name: str) -> str:
    """What a device calls itself; its certificate names the same."""
    return f"urn:edge-lab:device:{name}"


class OpcUaServer(DeviceServer):
    port = OPCUA_PORT
    framing = OpcUaFraming()
    self_read_seconds = 10.0

    def __init__(self, shown: Shown, name: str, address: IPv4Address, files: OpcUaFiles) -> None:
        self._shown = shown
        self._name = name
        self._url = f"opc.tcp://{address}:{OPCUA_PORT}"
        self._files = files
        self._server: Any = None
        self._nodes: dict[str, Any] = {}
        self._types: dict[str, Any] = {}
        self._trust = _Trust(files.trust)
        self._fault: DeviceFault | None = None
        self._unread = 0
        """Values that could not be read because of the fault."""
        self._refused_before = 0
        self._showing = asyncio.Lock()

    def addresses(self) -> dict[str, str]:
        plant = self._shown.plant
        names = [SEQUENCE, *(point.name for point in plant.points), REQUESTED_SETPOINT]
        return {name: node_id(plant.name, name) for name in names}

    def values(self, raw: dict[str, int]) -> dict[str, Value]:
        return {point.name: point.value(raw[point.name]) for point in self._shown.plant.points}

    # -- life ----------------------------------------------------------------------------

    async def start(self) -> None:
        self._trust.read()
        server = self._server = _guarded_server(self._trust)
        await server.init()
        server.set_endpoint(self._url)
        server.socket_address = (LOOPBACK, OPCUA_PORT)
        server.set_server_name(f"edge-lab {self._name}")
        await server.set_application_uri(application_uri(self._name))
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        server.set_certificate_validator(self._trust.check)
        try:
            await server.load_certificate(self._files.certificate.read_bytes(), "pem")
            await server.load_private_key(self._files.key.read_bytes(), format="pem")
        except (OSError, ValueError) as trouble:
            raise LabError(f"cannot load the device's certificate and key: {trouble}") from trouble
        await self._make_nodes()
        await self.show()
        await server.start()

    async def _make_nodes(self) -> None:
        plant = self._shown.plant
        index = await self._server.register_namespace(OPCUA_NAMESPACE)
        if index != OPCUA_NAMESPACE_INDEX:
            raise LabError(f"the plant's OPC UA namespace has got the index {index}")
        folder = await self._server.nodes.objects.add_object(
            ua.NodeId(plant.name, index), ua.QualifiedName(plant.name, index)
        )
        self._types[SEQUENCE] = ua.VariantType.UInt32
        for point in plant.points:
            self._types[point.name] = _type(point)
        self._types[REQUESTED_SETPOINT] = ua.VariantType.Double
        for name, kind in self._types.items():
            node = await folder.add_variable(
                ua.NodeId(f"{plant.name}.{name}", index),
                ua.QualifiedName(name, index),
                ua.Variant(0.0 if kind == ua.VariantType.Double else 0, kind),
                varianttype=kind,
            )
            self._nodes[name] = node
        writable = self._nodes[REQUESTED_SETPOINT]
        await writable.set_writable()
        self._space.set_attribute_value_setter(
            writable.nodeid, ua.AttributeIds.Value, self._set_setpoint
        )

    @property
    def _space(self) -> Any:
        return self._server.iserver.aspace

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    @property
    def refused(self) -> int:
        return self._trust.refused

    # -- faults --------------------------------------------------------------------------

    async def set_fault(self, fault: DeviceFault | None) -> None:
        self._fault, self._unread, self._refused_before = fault, 0, self.refused
        own = self._files.certificate.read_bytes() if isinstance(fault, Untrusted) else None
        self._trust.only = x509.load_pem_x509_certificate(own) if own else None
        await self.show()

    @property
    def affected(self) -> int:
        if isinstance(self._fault, Untrusted):
            return self.refused - self._refused_before
        return self._unread

    def _fails(self) -> bool:
        """Whether the step that is shown cannot be read."""
        fault = self._fault
        if not isinstance(fault, Exceptions):
            return False
        return Random(f"{fault.seed}:{self._shown.seq}").random() < fault.probability

    # -- values --------------------------------------------------------------------------

    async def show(self) -> None:
        async with self._showing:
            await self._show()

    async def _show(self) -> None:
        shown = self._shown
        when = datetime.fromtimestamp(shown.time // 10**9, UTC).replace(
            microsecond=shown.time // 1000 % 10**6
        )
        values: dict[str, Value] = {SEQUENCE: shown.seq, **self.values(shown.raw)}
        data = {name: self._data(name, value, when) for name, value in values.items()}
        # First all at once, without an await: a Read in between sees the whole new step …
        self._answer_with(data)
        # … then again as plain values, which is what tells subscribers.
        for name, value in data.items():
            await self._space.write_attribute_value(
                self._nodes[name].nodeid, ua.AttributeIds.Value, value
            )
        if self._fails():  # so that each read is counted
            self._answer_with(data)
        requested = shown.plant.setpoint.point.value(shown.requested)
        self._store(requested, when)

    def _answer_with(self, data: Mapping[str, Any]) -> None:
        for name, value in data.items():
            self._space.set_attribute_value_callback(
                self._nodes[name].nodeid, ua.AttributeIds.Value, lambda *_, v=value: self._read(v)
            )

    def _read(self, value: Any) -> Any:
        """A client reads one value."""
        self._unread += value.StatusCode.is_bad()
        return value

    def _data(self, name: str, value: Value, when: datetime) -> Any:
        if self._fails():
            return ua.DataValue(
                ua.Variant(None, ua.VariantType.Null),
                StatusCode=ua.StatusCode(ua.StatusCodes.BadDeviceFailure),
                SourceTimestamp=when,
                ServerTimestamp=when,
            )
        return ua.DataValue(
            ua.Variant(value, self._types[name]), SourceTimestamp=when, ServerTimestamp=when
        )

    def _store(self, requested: Value, when: datetime) -> None:
        node = self._space[self._nodes[REQUESTED_SETPOINT].nodeid]
        node.attributes[ua.AttributeIds.Value].value = self._data(
            REQUESTED_SETPOINT, float(requested), when
        )

    def _set_setpoint(self, node: Any, attribute: Any, value: Any) -> None:
        """A client writes the setpoint."""
        setpoint = self._shown.plant.setpoint
        written = value.Value.Value if value.Value is not None else None
        if not isinstance(written, float) or not setpoint.accepts(setpoint.point.raw(written)):
            raise ServiceError(ua.StatusCodes.BadOutOfRange)
        raw = setpoint.point.raw(written)
        address = node_id(self._shown.plant.name, REQUESTED_SETPOINT)
        self._shown.on_write(address, written, raw)
        self._store(setpoint.point.value(raw), datetime.now(UTC))

    # -- as a client ---------------------------------------------------------------------

    async def read_itself(self) -> int:
        client = Client(self._url, timeout=self.self_read_seconds)
        client.application_uri = application_uri(self._name)
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=CertProperties(self._files.certificate.read_bytes(), "pem"),
            private_key=CertProperties(self._files.key.read_bytes(), "pem"),
            server_certificate=CertProperties(self._files.certificate.read_bytes(), "pem"),
        )
        try:
            async with client:
                node = client.get_node(node_id(self._shown.plant.name, SEQUENCE))
                return int(await node.read_value())
        finally:  # asyncua leaves it open when it is cancelled while it connects
            client.disconnect_socket()


def _type(point: Point) -> Any:
    return ua.VariantType.Double if point.digits else ua.VariantType.Int32


# -- who is let in -----------------------------------------------------------------------


class _Trust:
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

    def __init__(self, trust: _Trust, subject: str) -> None:
        self._trust = trust
        self._subject = subject

    def check_validity(self, user: Any, action_type_id: Any, body: Any) -> bool:
        self._trust.refuse(self._subject, "BadUserAccessDenied")
        return False


class _TrustingFactory(SecurityPolicyFactory):  # type: ignore[misc]
    """Gives a channel its rights by the certificate that it was opened with."""

    def __init__(self, policy: SecurityPolicyFactory, trust: _Trust) -> None:
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

    def __init__(self, trust: _Trust) -> None:
        super().__init__(
            SecurityPolicyNone,
            ua.MessageSecurityMode.None_,
            permission_ruleset=_Nothing(trust, "without a certificate"),
        )


def _guarded_server(trust: _Trust) -> Any:
    class Guarded(Server):  # type: ignore[misc]
        async def _setup_server_nodes(self) -> None:
            await super()._setup_server_nodes()
            secured = [_TrustingFactory(policy, trust) for policy in self._policies]
            self._policies[:] = [*secured, _Unsecured(trust)]

    return Guarded()
