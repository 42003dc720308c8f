"""Requests of an OPC UA device's clients: each is processed in the session of its token.

asyncua processes every request in the session that was last created on its connection, whatever
authentication token it has, and keeps sessions when their connections are lost only if they have
subscriptions.
"""

from __future__ import annotations

from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.uaprocessor import UaProcessor
from asyncua.ua.ua_binary import struct_from_binary

from edge_lab.devices.opcua_sessions import PublishRequest, Session


def _type(number: int) -> Any:
    return ua.NodeId(number)


_CREATE_SESSION = _type(ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary)
_ACTIVATE_SESSION = _type(ua.ObjectIds.ActivateSessionRequest_Encoding_DefaultBinary)
_CLOSE_SESSION = _type(ua.ObjectIds.CloseSessionRequest_Encoding_DefaultBinary)
_PUBLISH = _type(ua.ObjectIds.PublishRequest_Encoding_DefaultBinary)
_SET_TRIGGERING = _type(ua.ObjectIds.SetTriggeringRequest_Encoding_DefaultBinary)
_MODIFY_ITEMS = _type(ua.ObjectIds.ModifyMonitoredItemsRequest_Encoding_DefaultBinary)
_WITHOUT_SESSION = frozenset(
    _type(number)
    for number in (
        ua.ObjectIds.CreateSessionRequest_Encoding_DefaultBinary,
        ua.ObjectIds.FindServersRequest_Encoding_DefaultBinary,
        ua.ObjectIds.GetEndpointsRequest_Encoding_DefaultBinary,
        ua.ObjectIds.RegisterServerRequest_Encoding_DefaultBinary,
        ua.ObjectIds.RegisterServer2Request_Encoding_DefaultBinary,
        ua.ObjectIds.CloseSecureChannelRequest_Encoding_DefaultBinary,
    )
)


class SessionProcessor(UaProcessor):  # type: ignore[misc]
    """Processes the requests of one channel, each in the session of its token."""

    def attach(self, typeid: Any, requesthdr: Any) -> None:
        """Serves a request in the session whose token it has.

        Raises:
            ServiceError: there is no such session, or it is not served on this channel.
        """
        if typeid in _WITHOUT_SESSION:
            return
        session = self.iserver.lookup_external_session(requesthdr.AuthenticationToken)
        if session is None:
            raise ServiceError(ua.StatusCodes.BadSessionIdInvalid)
        if typeid == _ACTIVATE_SESSION:
            if session.certificate != self._peer_certificate:
                raise ServiceError(ua.StatusCodes.BadSecurityChecksFailed)
            session.moves = session.channel is not self
            if session.moves and not session.is_activated():
                raise ServiceError(ua.StatusCodes.BadSecureChannelIdInvalid)
            return
        if session.channel is not self:
            raise ServiceError(ua.StatusCodes.BadSecureChannelIdInvalid)
        self.session = session
        if typeid != _CLOSE_SESSION and not session.is_activated():
            raise ServiceError(ua.StatusCodes.BadSessionNotActivated)

    async def _process_message(self, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        self.attach(typeid, requesthdr)
        if typeid == _CREATE_SESSION:
            return await self._create_session(typeid, requesthdr, seqhdr, body)
        if typeid == _ACTIVATE_SESSION:
            return await self._activate_session(typeid, requesthdr, seqhdr, body)
        if typeid == _PUBLISH:
            self._admit(typeid, body)
            self._publish(requesthdr, seqhdr, body)
            return True
        if typeid == _SET_TRIGGERING:
            self._admit(_MODIFY_ITEMS, body)
            params = struct_from_binary(ua.SetTriggeringParameters, body)
            response = ua.SetTriggeringResponse(Parameters=self.session.set_triggering(params))
            self.send_response(requesthdr.RequestHandle, seqhdr, response)
            return True
        return await super()._process_message(typeid, requesthdr, seqhdr, body)

    async def _create_session(self, *message: Any) -> Any:
        before = self.session
        try:
            done = await super()._process_message(*message)
        except BaseException:
            if self.session is not None and self.session is not before:
                await self.session.close_session()
            self.session = before
            raise
        self.session.certificate = self._peer_certificate
        self.session.bind(self)
        return done

    async def _activate_session(self, typeid: Any, requesthdr: Any, *message: Any) -> Any:
        session = self.iserver.lookup_external_session(requesthdr.AuthenticationToken)
        before, self.session = self.session, session
        try:
            done = await super()._process_message(typeid, requesthdr, *message)
        except BaseException:
            self.session = before
            raise
        session.bind(self)
        return done

    def _admit(self, typeid: Any, body: Any) -> None:
        """Whether the channel's rights and the user's allow it."""
        self.session.touch()
        permissions = self._connection.security_policy.permissions
        if permissions and permissions.check_validity(self.session.user, typeid, body) is False:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)

    def _publish(self, header: Any, sequence_header: Any, body: Any) -> None:
        session: Session = self.session
        params = struct_from_binary(ua.PublishParameters, body)
        results = [
            session.acknowledge(acknowledgement)
            for acknowledgement in params.SubscriptionAcknowledgements or []
        ]
        session.take_request(PublishRequest(self, header, sequence_header, results))

    @property
    def _peer_certificate(self) -> bytes | None:
        certificate: bytes | None = self._connection.security_policy.peer_certificate
        return certificate

    def send_late(self, handle: int, sequence_header: Any, response: Any) -> None:
        if not self._transport.is_closing():
            self.send_response(handle, sequence_header, response)

    async def _session_watchdog_loop(self) -> None:
        """Nothing: sessions handle their timeouts themselves, independent of channels."""

    async def close(self) -> None:
        """The connection is lost. A session with subscriptions continues, for another channel."""
        for session in self.iserver.sessions:
            if session.channel is self:
                session.bind(None)
                if not session.is_activated() or not session.has_subscriptions:
                    await session.close_session()


def accept_unknown_members() -> None:
    """Decodes numbers that are not members of an enumeration, so that only the item is refused:
    asyncua fails the whole request, with all other items."""
    for kind in (
        ua.DataChangeTrigger,
        ua.FilterOperator,
        ua.MonitoringMode,
    ):
        kind._missing_ = classmethod(_unknown_member)


def _unknown_member(kind: Any, value: Any) -> Any:
    if not isinstance(value, int):
        return None
    member = int.__new__(kind, value)
    member._name_, member._value_ = f"Unknown{value}", value
    return member
