"""asyncua's server with the replaced services of this package.

Requests in clients' sessions are checked by these services; operations of the device itself, in
asyncua's internal session, are not.
"""

from __future__ import annotations

from typing import Any

from asyncua import Node, Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.internal_server import InternalServer
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from edge_lab.devices.access import Trust, TrustingFactory, UnsecuredFactory, Users
from edge_lab.devices.continuation import MOST, ContinuationPoints
from edge_lab.devices.opcua_attributes import Attributes
from edge_lab.devices.opcua_channel import Listener
from edge_lab.devices.opcua_history import History
from edge_lab.devices.opcua_session_processor import accept_unknown_members
from edge_lab.devices.opcua_sessions import Session
from edge_lab.devices.opcua_subscription_service import Subscriptions
from edge_lab.devices.opcua_views import Methods, Views
from edge_lab.devices.refusals import RefusalLog

_REFRESH_SEVERITY = 100
"""Severity of the events before and after those of ConditionRefresh."""


class ClientSession(Session):
    """The services of a client's session; its continuation points end with it."""

    def __init__(self, *asyncua: Any, **more: Any) -> None:
        super().__init__(*asyncua, **more)
        self._browsing: ContinuationPoints[Any] = ContinuationPoints()
        self._history: ContinuationPoints[Any] = ContinuationPoints()
        self._chain: tuple[bytes, bytes] | None = None
        """The leaf of the certificate chain with which it was created, and the whole chain."""

    async def create_session(self, params: Any, sockname: Any = None) -> Any:
        if params.ClientCertificate:
            trust = self.iserver.trust
            chain = trust.read_chain(params.ClientCertificate)
            await trust.check(chain, params.ClientDescription)
            self._chain = chain.leaf_der, params.ClientCertificate
            params.ClientCertificate = chain.leaf_der
        return await super().create_session(params, sockname)

    def activate_session(self, params: Any, peer_certificate: bytes | None) -> Any:
        if self._chain is not None and self._chain[0] == peer_certificate:
            peer_certificate = self._chain[1]  # a channel has only the leaf
        return super().activate_session(params, peer_certificate)

    async def read(self, params: Any) -> list[Any]:
        return list(self.iserver.attribute_service.read_for_client(params))

    async def write(self, params: Any) -> list[Any]:
        return list(await self.iserver.attribute_service.write_for_client(params))

    async def history_read(self, params: Any) -> list[Any]:
        return list(self.iserver.history_manager.read_for_client(params, self._history))

    async def browse(self, params: Any) -> list[Any]:
        return list(self.iserver.view_service.browse_for_client(params, self._browsing))

    async def browse_next(self, parameters: Any) -> list[Any]:
        return list(self.iserver.view_service.browse_next(parameters, self._browsing))

    async def translate_browsepaths_to_nodeids(self, params: Any) -> list[Any]:
        return list(self.iserver.view_service.translate_for_client(params))

    async def call(self, params: Any) -> list[Any]:
        return list(await self.iserver.method_service.call_for_client(params))


class Services(InternalServer):  # type: ignore[misc]
    """The part of the server behind the connections of a device."""

    method_service: Any

    def __init__(self, trust: Trust, users: Users) -> None:
        super().__init__(user_manager=users)
        self.trust = trust
        self.refusals = RefusalLog()
        self.attribute_service = Attributes(self.aspace, self.refusals)
        self.view_service = Views(self.aspace, self.refusals)
        self.method_service.stop()
        self.method_service = Methods(self.aspace, self.refusals)
        self.history_manager = History(self, self.refusals)
        self.subscription_service = Subscriptions(self.aspace, iserver=self)
        self.isession.subscription_service = self.subscription_service
        self.bind_condition_methods = _REFRESH_SEVERITY
        # Whatever address a client has used, a device returns its own: the client may
        # have sent none, or one of a relay before it.
        self.match_discovery_endpoint_url = False
        self.match_discovery_source_ip = False

    async def setup_nodes(self) -> None:
        await super().setup_nodes()
        for limit in (
            ua.ObjectIds.Server_ServerCapabilities_MaxBrowseContinuationPoints,
            ua.ObjectIds.Server_ServerCapabilities_MaxHistoryContinuationPoints,
        ):
            node = Node(self.isession, ua.NodeId(limit))
            await node.write_value(ua.Variant(MOST, ua.VariantType.UInt16))

    def create_session(
        self, name: str, user: User | None = None, external: bool = False
    ) -> ClientSession:
        nobody = User(role=UserRole.Anonymous)
        return ClientSession(
            self,
            self.aspace,
            self.subscription_service,
            name,
            user=user or nobody,
            external=external,
        )

    def decrypt_user_token(self, isession: Any, token: Any) -> Any:
        """Refuses a token without a name, which asyncua treats as anonymous."""
        if not token.UserName:
            self.trust.refuse("user without a name", "BadIdentityTokenInvalid")
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid)
        return super().decrypt_user_token(isession, token)

    def verify_x509_token(self, isession: Any, token: Any, signature: Any) -> Any:
        """Refuses an invalid user certificate, or one without proof of possession."""
        try:
            chain = self.trust.read_chain(token.CertificateData or b"")
        except ServiceError as trouble:
            raise ServiceError(ua.StatusCodes.BadIdentityTokenInvalid) from trouble
        try:
            return super().verify_x509_token(isession, token, signature)
        except (InvalidSignature, TypeError, ValueError) as trouble:
            self.trust.refuse(chain.subject, "BadUserSignatureInvalid")
            raise ServiceError(ua.StatusCodes.BadUserSignatureInvalid) from trouble

    @property
    def sessions(self) -> list[ClientSession]:
        """Those of clients."""
        return list(self._external_sessions.values())

    async def get_endpoints(self, params: Any = None, sockname: Any = None) -> list[Any]:
        """All endpoints, or those of the requested transports."""
        wanted = params.ProfileUris if params is not None else None
        return [
            endpoint
            for endpoint in await super().get_endpoints(params, sockname)
            if not wanted or endpoint.TransportProfileUri in wanted
        ]

    def find_servers(self, params: Any, sockname: Any = None) -> list[Any]:
        """The device itself, unless others are requested."""
        wanted, params.ServerUris = params.ServerUris, []
        return [
            server
            for server in super().find_servers(params, sockname)
            if not wanted or server.ApplicationUri in wanted
        ]

    def register_server(self, server: Any, conf: Any = None) -> None:
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)


class GuardedServer(Server):  # type: ignore[misc]
    """A server with the access control of `trust` and `users`."""

    def __init__(self, trust: Trust, users: Users) -> None:
        super().__init__(iserver=Services(trust, users))
        accept_unknown_members()
        self._trust = trust

    async def _setup_server_nodes(self) -> None:
        await super()._setup_server_nodes()
        secured = [TrustingFactory(policy, self._trust) for policy in self._policies]
        self._policies[:] = [*secured, UnsecuredFactory(self._trust)]

    async def start(self) -> None:
        """Like asyncua's, which does not support another class of connections."""
        await self._setup_server_nodes()
        await self.iserver.start()
        self.bserver = Listener(
            self._trust, self.iserver, *self._get_bind_socket_info(), self.limits
        )
        self.bserver.set_policies(self._policies)
        await self.bserver.start()

    async def close_sessions(self, spare: x509.Certificate | None = None) -> None:
        """Closes all sessions with their subscriptions, except those of the certificate `spare`."""
        spared = spare.public_bytes(Encoding.DER) if spare is not None else None
        for session in self.iserver.sessions:
            if spared is None or session.certificate != spared:
                await session.close_session()
