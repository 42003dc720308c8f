"""Lines that speak OPC UA.

A device's `configData`: url, and optional policy (without it Basic256Sha256), mode
("Sign" or "SignAndEncrypt"), user and password.  A property's: nodeId as text, and digits
(decimal places to report, left out for as many as it takes).  The server's certificate must
be signed by the authority that the mapper was given.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from .config import OpcUaConfig
from .lines import Declined, Gone, Line
from .objects import Property
from .values import Value, text_of

ANSWER_SECONDS = 30.0
"""A handshake with 2048-bit keys takes an emulated processor seconds."""
MOST_DIGITS = 17
"""Decimal places; a double has no more to tell."""


class OpcUaLine(Line):
    """One session with one server; asyncua is imported with the first."""

    def __init__(self, config: Mapping[str, Any], own: OpcUaConfig) -> None:
        super().__init__()
        self._url = str(config["url"])
        self._policy = str(config.get("policy", "Basic256Sha256"))
        self._mode = str(config.get("mode", "SignAndEncrypt"))
        self._user = str(config.get("user", ""))
        self._password = str(config.get("password", ""))
        self._own = own
        self._client: Any = None

    def check(self, of: Property) -> None:
        if "nodeId" not in of.visitor:
            raise ValueError("it names no node")
        check_node_id(str(of.visitor["nodeId"]))
        digits = of.visitor.get("digits")
        if digits is not None and not 0 <= int(digits) <= MOST_DIGITS:
            raise ValueError(f"no number has {digits} decimal places")

    def text(self, of: Property, value: Value) -> str:
        digits = of.visitor.get("digits")
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

    async def fetch(self, properties: Sequence[Property]) -> dict[str, Value]:
        client = await self._session()
        nodes = [client.get_node(str(each.visitor["nodeId"])) for each in properties]
        try:
            answers = await asyncio.wait_for(client.read_attributes(nodes), ANSWER_SECONDS)
        except Exception as trouble:
            await self.close()
            raise _sort(trouble) from trouble
        found = {
            each.name: answer.Value.Value
            for each, answer in zip(properties, answers, strict=True)
            if answer.StatusCode is None or answer.StatusCode.is_good()
            if answer.Value is not None and answer.Value.Value is not None
        }
        if not found and answers:
            raise Declined(str(answers[0].StatusCode))
        return found

    async def put(self, to: Property, value: Value) -> None:
        client = await self._session()
        from asyncua import ua

        node = client.get_node(str(to.visitor["nodeId"]))
        try:
            kind = await asyncio.wait_for(node.read_data_type_as_variant_type(), ANSWER_SECONDS)
            variant = packable(value, kind)
            await asyncio.wait_for(
                node.write_attribute(ua.AttributeIds.Value, ua.DataValue(variant)), ANSWER_SECONDS
            )
        except Declined:
            raise
        except Exception as trouble:
            sorted_out = _sort(trouble)
            if isinstance(sorted_out, Gone):
                await self.close()
            raise sorted_out from trouble


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
    # asyncio's was another class than Python's before 3.11.
    elif isinstance(trouble, OSError | TimeoutError | asyncio.TimeoutError):
        return Gone(said(trouble))
    return Declined(said(trouble))


def check_node_id(text: str) -> None:
    """ValueError if the text names no node. Parsed here: asyncua takes long to import."""
    found = _NODE_ID.fullmatch(text)
    if found is None:
        raise ValueError(f"no node is called {text!r}")
    namespace, kind, identifier = found.groups()
    if int(namespace or 0) > 0xFFFF or (kind == "i" and int(identifier) > 0xFFFF_FFFF):
        raise ValueError(f"a number is too great in {text!r}")
    if kind == "g":
        UUID(identifier)
    if kind == "b":
        base64.b64decode(identifier.encode("ascii"), validate=True)


_NODE_ID = re.compile(
    r"(?:ns=([0-9]{1,5});)?(?=i=[0-9]{1,10}$|[sgb]=)([isgb])=(.+)", re.ASCII | re.DOTALL
)


def packable(value: Value, kind: Any) -> Any:
    """The value as a variant of that type; Declined if the type does not hold it."""
    from asyncua import ua
    from asyncua.ua.ua_binary import variant_to_binary

    is_truth, is_text = kind is ua.VariantType.Boolean, kind is ua.VariantType.String
    if is_truth == isinstance(value, bool) and is_text == isinstance(value, str):
        if kind in (ua.VariantType.Float, ua.VariantType.Double):
            value = float(value)
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        try:
            variant = ua.Variant(value, kind)
            variant_to_binary(variant)
        # What does not fit is met in many ways: by struct, by an attribute that is not there.
        except Exception as trouble:
            raise Declined(f"{value!r} does not fit into {kind.name}") from trouble
        return variant
    raise Declined(f"{value!r} does not fit into {kind.name}")


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
