"""A client's connection with an OPC UA device: each message is answered or ends the connection.

asyncua only logs errors of a channel's messages, so that the client waits; and it accepts
messages on a channel that was never opened.
"""

from __future__ import annotations

import logging
from typing import Any

from asyncua import ua
from asyncua.common.connection import SecureConnection
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SecurityPolicyNone
from asyncua.crypto.uacrypto import InvalidSignature
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, uatcp_to_binary
from cryptography import exceptions as cryptography
from cryptography import x509

from edge_lab.devices.access import NoService, Trust
from edge_lab.devices.opcua_requests import (
    BROWSE_NEXT,
    SERVICES,
    check_request,
    decoded,
    service_of,
)
from edge_lab.devices.opcua_session_processor import SessionProcessor
from edge_lab.devices.refusals import RefusalLog

log = logging.getLogger(__name__)

_HEADER = 8
_TYPES = (b"HEL", b"OPN", b"MSG", b"CLO", b"ERR")
_CHUNKS = (b"F", b"C", b"A")


def _is_known(kind: bytes, chunk: bytes) -> bool:
    return kind in _TYPES and chunk in _CHUNKS


class Channel(SecureConnection):  # type: ignore[misc]
    """Reports errors of a message as a ServiceError."""

    def __init__(self, limits: Any, trust: Trust) -> None:
        super().__init__(SecurityPolicyNone(), limits)
        self._trust = trust

    def select_policy(self, uri: str, peer_certificate: Any, mode: Any = None) -> None:
        if not any(policy.matches(uri) for policy in self._policies):
            raise ServiceError(ua.StatusCodes.BadSecurityPolicyRejected)
        if not any(policy.matches(uri, mode) for policy in self._policies):
            raise ServiceError(ua.StatusCodes.BadSecurityModeRejected)
        super().select_policy(uri, peer_certificate, mode)

    def receive_from_header_and_body(self, header: Any, body: Any) -> Any:
        opening = header.MessageType == ua.MessageType.SecureOpen
        if not self.is_open() and header.MessageType in (
            ua.MessageType.SecureMessage,
            ua.MessageType.SecureClose,
        ):
            raise ServiceError(ua.StatusCodes.BadTcpSecureChannelUnknown)
        try:
            return super().receive_from_header_and_body(header, body)
        except (InvalidSignature, cryptography.InvalidSignature, ValueError) as trouble:
            # An invalid signature, or data that the key cannot decrypt.
            if opening:
                self._trust.refuse(self._subject, "BadSecurityChecksFailed")
            raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed) from trouble

    @property
    def _subject(self) -> str:
        """Who has opened the channel, or tries to."""
        certificate = self.security_policy.peer_certificate
        if not certificate:
            return "without a certificate"
        return x509.load_der_x509_certificate(certificate).subject.rfc4514_string()

    def _check_sym_header(self, security_hdr: Any) -> None:
        try:
            super()._check_sym_header(security_hdr)
        except ua.UaError as trouble:
            raise ServiceError(ua.StatusCodes.BadSecureChannelTokenUnknown) from trouble

    def _check_incoming_chunk(self, chunk: Any) -> None:
        header = chunk.MessageHeader
        opening = header.MessageType == ua.MessageType.SecureOpen
        if not opening and header.ChannelId != self.security_token.ChannelId:
            raise ServiceError(ua.StatusCodes.BadTcpSecureChannelUnknown)
        try:
            super()._check_incoming_chunk(chunk)
        except ua.UaError as trouble:
            raise ServiceError(ua.StatusCodes.BadSequenceNumberInvalid) from trouble


class Processor(SessionProcessor):
    """Answers each request, or ends the connection with an error message."""

    def __init__(self, iserver: Any, transport: Any, limits: Any, trust: Trust) -> None:
        super().__init__(iserver, transport, limits)
        self._refusals: RefusalLog = iserver.refusals
        self._connection = Channel(self._limits, trust)

    async def process(self, header: Any, body: Any) -> bool:
        if not _is_known(header.MessageType, header.ChunkType):
            self.end(int(ua.StatusCodes.BadTcpMessageTypeInvalid))
            return False
        try:
            return bool(await super().process(header, body))
        except (ServiceError, ua.UaStatusCodeError) as refusal:
            self.end(int(refusal.code))
        # Invalid input makes asyncua raise exceptions of any kind.
        except Exception:
            log.warning("an unreadable message", exc_info=log.isEnabledFor(logging.DEBUG))
            self.end(int(ua.StatusCodes.BadDecodingError))
        return False

    def end(self, code: int) -> None:
        """Tells the client why the connection ends."""
        status = ua.StatusCode(code)
        log.warning("closing a connection: %s", status.name)
        message = ua.ErrorMessage(status, status.name)
        self._transport.write(uatcp_to_binary(ua.MessageType.Error, message))

    async def process_message(self, seqhdr: Any, body: Any) -> Any:
        try:
            head = body.copy()
            nodeid_from_binary(head)
            struct_from_binary(ua.RequestHeader, head)
        except Exception:  # noqa: BLE001, as above
            fault = ua.ServiceFault()
            fault.ResponseHeader.ServiceResult = ua.StatusCode(ua.StatusCodes.BadDecodingError)
            self.send_response(0, seqhdr, fault)
            return True
        return await super().process_message(seqhdr, body)

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        try:
            return await self._serve(typeid, requesthdr, seqhdr, body)
        except ServiceError as refusal:
            service = SERVICES.get(typeid)
            name = service.name if service else f"unknown type {typeid.to_string()}"
            self._refusals.note("request", name, int(refusal.code))
            raise

    async def _serve(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        service = service_of(typeid)
        self.attach(typeid, requesthdr)
        # Requests without rights are refused by asyncua.
        permissions = self._connection.security_policy.permissions
        allowed = not isinstance(permissions, NoService)
        active = self.session is not None and self.session.is_activated()
        if not service.needs_session or (allowed and active):
            parameters = decoded(service, body)
            check_request(service, parameters)
            if typeid == BROWSE_NEXT:
                return await self._browse_next(parameters, requesthdr, seqhdr)
        try:
            return await super()._process_message(typeid, requesthdr, seqhdr, body)
        except (InvalidSignature, cryptography.InvalidSignature) as trouble:
            raise ServiceError(ua.StatusCodes.BadApplicationSignatureInvalid) from trouble

    async def _browse_next(self, parameters: Any, requesthdr: Any, seqhdr: Any) -> bool:
        self.session.touch()
        response = ua.BrowseNextResponse()
        response.Parameters.Results = await self.session.browse_next(parameters)
        self.send_response(requesthdr.RequestHandle, seqhdr, response)
        return True


class Connection(OPCUAProtocol):  # type: ignore[misc]
    processor: Any
    _buffer: bytes

    def __init__(self, trust: Trust, **asyncua: Any) -> None:
        super().__init__(**asyncua)
        self._trust = trust

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self.processor = Processor(self.iserver, transport, self.limits, self._trust)
            self.processor.set_policies(self.policies)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The rest is an incomplete message, for whose end asyncua would wait forever.
        begin = self._buffer[:_HEADER]
        if len(begin) < _HEADER or self.transport is None or self.transport.is_closing():
            return
        code = None
        if not _is_known(begin[:3], begin[3:4]):
            code = ua.StatusCodes.BadTcpMessageTypeInvalid
        elif int.from_bytes(begin[4:], "little") > self.limits.max_recv_buffer:
            code = ua.StatusCodes.BadTcpMessageTooLarge
        if code is not None and self.processor is not None:
            self.processor.end(int(code))
            self._buffer = b""
            self.transport.close()


class Listener(BinaryServer):  # type: ignore[misc]
    def __init__(self, trust: Trust, *asyncua: Any) -> None:
        super().__init__(*asyncua)
        self._trust = trust

    def _make_protocol(self) -> Connection:
        return Connection(
            self._trust,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )
