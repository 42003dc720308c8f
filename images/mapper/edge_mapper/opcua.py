"""Lines that speak OPC UA.

A device's `configData`: url, and optional policy (without it Basic256Sha256), mode
("Sign" or "SignAndEncrypt"), user and password.  A property's: nodeId as text, and digits
(decimal places to report, left out for as many as it takes).  KubeEdge's names for the same
are taken too: securityPolicy, securityMode, userName, nodeID.  The server's certificate must
be signed by the authority that the mapper was given.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .config import OpcUaConfig
from .fields import one_of, whole
from .lines import Declined, Gone, Line, Refusal, Unavailable
from .objects import Property
from .reads import Reader
from .uavalues import answer_of, check_node_id, packable
from .values import Value, ValueType, text_of

ANSWER_SECONDS = 30.0
"""A handshake with 2048-bit keys takes an emulated processor seconds."""
MOST_DIGITS = 17
"""Decimal places; a double has no more to tell."""
MOST_NODES = 1000
"""In one read, until a server says that it takes fewer."""

POLICIES = (
    "Basic256Sha256",
    "Aes128Sha256RsaOaep",
    "Aes256Sha256RsaPss",
    "Basic256",
    "Basic128Rsa15",
)
MODES = ("SignAndEncrypt", "Sign")


class NodeReader(Reader[str]):
    """Reads nodes by their ids, as many in one request as the server takes."""

    def __init__(self, request: Callable[[Sequence[str]], Any]) -> None:
        super().__init__()
        self._request = request
        self._most = MOST_NODES

    def groups(self, items: Sequence[str]) -> list[Sequence[str]]:
        return [items[first : first + self._most] for first in range(0, len(items), self._most)]

    def part(self, group: Sequence[str], second: Sequence[str]) -> None:
        self._most = min(self._most, len(second))

    async def ask(self, group: Sequence[str]) -> dict[str, Value | Refusal]:
        answers = await self._request(group)
        return {node: answer_of(answer) for node, answer in zip(group, answers, strict=True)}


class OpcUaLine(Line):
    """One session with one server; asyncua is imported with the first."""

    def __init__(self, config: Mapping[str, Any], own: OpcUaConfig) -> None:
        super().__init__()
        self._url = str(config["url"])
        if not self._url.startswith("opc.tcp://"):
            raise ValueError(f"url: {self._url!r} does not begin with opc.tcp://")
        self._policy = one_of(
            config.get("policy", config.get("securityPolicy", POLICIES[0])), "policy", POLICIES
        )
        self._mode = one_of(config.get("mode", config.get("securityMode", MODES[0])), "mode", MODES)
        self._user = str(config.get("user", config.get("userName", "")))
        self._password = str(config.get("password", ""))
        self._own = own
        self._client: Any = None
        self._reader = NodeReader(self._read)

    def check(self, of: Property) -> None:
        check_node_id(node_of(of))
        digits = of.visitor.get("digits")
        if digits is not None:
            whole(digits, "digits", 0, MOST_DIGITS)

    def text(self, of: Property, value: Value) -> str:
        digits = of.visitor.get("digits")
        value = of.model.type.conform(value)
        return text_of(value, None if digits is None else int(digits))

    # -- the session -----------------------------------------------------------------------

    async def _session(self) -> Any:
        if self._client is None:
            # An emulated processor takes long for it. Other devices have their turn meanwhile,
            # and it is no fault of the server's.
            await asyncio.to_thread(_import_asyncua)
            try:
                self._client = await asyncio.wait_for(self._open(), ANSWER_SECONDS)
            except (Gone, Declined):
                raise
            # asyncua raises what it meets: sockets' errors, its own, and errors of parsing.
            except Exception as trouble:
                raise Gone(f"no session: {said(trouble)}") from trouble
        return self._client

    async def _open(self) -> Any:
        from asyncua import Client, ua
        from asyncua.crypto import security_policies
        from asyncua.crypto.uacrypto import CertProperties

        client = Client(self._url, timeout=ANSWER_SECONDS)
        client.application_uri = self._own.uri
        client.certificate_validator = self._check
        if self._user:
            client.set_user(self._user)
            client.set_password(self._password)
        policy = getattr(security_policies, f"SecurityPolicy{self._policy}")
        await client.set_security(
            policy,
            certificate=CertProperties(Path(self._own.certificate).read_bytes(), "pem"),
            private_key=CertProperties(Path(self._own.key).read_bytes(), "pem"),
            mode=ua.MessageSecurityMode[
                "SignAndEncrypt" if self._mode == "SignAndEncrypt" else "Sign"
            ],
        )
        try:
            await client.connect(auto_reconnect=False)
        except BaseException:  # asyncua leaves the socket open, also when it is cancelled
            client.disconnect_socket()
            raise
        return client

    async def _check(self, certificate: Any, _application: Any) -> None:
        """Refuses a server that the authority has not signed for."""
        from asyncua import ua
        from asyncua.common.utils import ServiceError
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        authority = x509.load_pem_x509_certificate(Path(self._own.authority).read_bytes())
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, ValueError, TypeError) as trouble:
            raise ServiceError(ua.StatusCodes.BadCertificateUntrusted) from trouble

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            # A server that is gone cannot be told that the session is over.
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.disconnect(), 5.0)
            client.disconnect_socket()

    # -- values ----------------------------------------------------------------------------

    async def fetch(self, properties: Sequence[Property]) -> dict[str, Value | Refusal]:
        nodes = {each.name: node_of(each) for each in properties}
        answers = await self._reader.read(list(nodes.values()))
        return {name: _placed(answers[node], node) for name, node in nodes.items()}

    async def _read(self, names: Sequence[str]) -> Any:
        client = await self._session()
        nodes = [client.get_node(name) for name in names]
        try:
            return await asyncio.wait_for(client.read_attributes(nodes), ANSWER_SECONDS)
        except Exception as trouble:
            raise await self._sorted(trouble) from trouble

    async def put(self, to: Property, value: Value) -> None:
        client = await self._session()
        from asyncua import ua

        node = client.get_node(node_of(to))
        try:
            kind = await asyncio.wait_for(_kind_of(node), ANSWER_SECONDS)
            if to.model.type is ValueType.BOOLEAN and kind is not ua.VariantType.Boolean:
                value = _as_numbers(value)
            is_array = None
            if isinstance(value, str) and value.startswith("["):
                is_array = await asyncio.wait_for(_is_array(node), ANSWER_SECONDS)
            variant = packable(value, kind, is_array)
            await asyncio.wait_for(
                node.write_attribute(ua.AttributeIds.Value, ua.DataValue(variant)), ANSWER_SECONDS
            )
        except Declined:
            raise
        except Exception as trouble:
            raise await self._sorted(trouble) from trouble

    async def _sorted(self, trouble: Exception) -> Gone | Declined:
        """What it means; the session ends with a device that does not answer."""
        found = _sort(trouble)
        if isinstance(found, Gone):
            await self.close()
        return found


def node_of(of: Property) -> str:
    """The node's id as text; ValueError if there is none."""
    found = of.visitor.get("nodeId", of.visitor.get("nodeID"))
    if found is None and not {"nodeId", "nodeID"} & of.visitor.keys():
        raise ValueError("it names no node")
    return str(found)


def _placed(answer: Value | Refusal, node: str) -> Value | Refusal:
    return Refusal(answer.why, node) if isinstance(answer, Refusal) else answer


def _as_numbers(value: Value) -> Value:
    if isinstance(value, list):
        return [_as_numbers(each) for each in value]
    return int(value) if isinstance(value, bool) else value


async def _kind_of(node: Any) -> Any:
    """The type of a node's value: as it is declared, or as it is if that leaves it open."""
    from asyncua import ua

    kind = await node.read_data_type_as_variant_type()
    if kind is not ua.VariantType.Variant:
        return kind
    return (await node.read_attribute(ua.AttributeIds.Value)).Value.VariantType


async def _is_array(node: Any) -> bool:
    from asyncua import ua

    rank = (await node.read_attribute(ua.AttributeIds.ValueRank)).Value.Value
    return int(rank) >= 0


_TOO_MUCH = (
    "BadTooManyOperations",
    "BadEncodingLimitsExceeded",
    "BadResponseTooLarge",
    "BadRequestTooLarge",
    "BadTcpMessageTooLarge",
)
"""Statuses of a request that may be made in parts."""

_OF_THE_LINE = (
    "BadCommunicationError",
    "BadConnectionClosed",
    "BadSecureChannelClosed",
    "BadSecureChannelIdInvalid",
    "BadServerHalted",
    "BadServerNotConnected",
    "BadSessionClosed",
    "BadSessionIdInvalid",
    "BadSessionNotActivated",
    "BadShutdown",
    "BadTimeout",
)
"""Statuses that say nothing of a value, but that the session is over."""


def _sort(trouble: Exception) -> Gone | Declined:
    """Whether the device has answered no, or not at all."""
    from asyncua import ua

    if isinstance(trouble, ua.UaStatusCodeError):
        lost = {getattr(ua.StatusCodes, name) for name in _OF_THE_LINE}
        if trouble.code in lost:
            return Gone(said(trouble))
        if trouble.code not in {getattr(ua.StatusCodes, name) for name in _TOO_MUCH}:
            return Unavailable(said(trouble))
    # asyncio's was another class than Python's before 3.11.
    elif isinstance(trouble, OSError | TimeoutError | asyncio.TimeoutError):
        return Gone(said(trouble))
    return Declined(said(trouble))


def said(trouble: BaseException) -> str:
    """What went wrong in one line; many of asyncua's errors have no text."""
    return f"{type(trouble).__name__} {trouble}".strip()


def _import_asyncua() -> None:
    """Imports it, for the first time or once more."""
    from cryptography.x509 import verification

    # Named in an annotation of asyncua's trust store, which serves servers; the cryptography
    # of Debian 13 does not have it.
    verification.__dict__.setdefault("Policy", object)
    import asyncua  # noqa: F401
