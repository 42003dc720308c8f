"""Sessions of an OPC UA device, with their pending publish requests.

asyncua keeps publish requests with the connection; here they belong to the session, which may be
activated on another connection, and whose token cannot be guessed.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.internal_session import InternalSession

from edge_lab.devices.opcua_results import some, statuses
from edge_lab.devices.opcua_subscription_service import Subscriptions
from edge_lab.devices.opcua_subscriptions import Subscription

MOST_REQUESTS = 10
"""Maximum number of pending publish requests in a session, besides one per subscription."""


class Channel(Protocol):
    """The connection of a client."""

    def send_late(self, handle: int, sequence_header: Any, response: Any) -> None:
        """Answers an earlier request, if the client is still connected."""


@dataclass(frozen=True)
class PublishRequest:
    """A pending publish request."""

    channel: Channel
    header: Any
    sequence_header: Any
    results: list[Any]
    """The results of its acknowledgements."""
    since: float = field(default_factory=time.monotonic)

    @property
    def is_too_old(self) -> bool:
        hint = self.header.TimeoutHint / 1000
        return bool(hint) and time.monotonic() - self.since > hint

    def answer(self, result: Any) -> None:
        result.Results = self.results
        self._send(ua.PublishResponse(Parameters=result))

    def refuse(self, code: int) -> None:
        response = ua.ServiceFault()
        response.ResponseHeader.ServiceResult = ua.StatusCode(code)
        self._send(response)

    def _send(self, response: Any) -> None:
        self.channel.send_late(self.header.RequestHandle, self.sequence_header, response)


class Session(InternalSession):  # type: ignore[misc]
    """A client's session, and the publisher of its subscriptions."""

    subscription_service: Subscriptions

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.external:
            self.iserver.unregister_external_session(self)
            self.auth_token = ua.NodeId(uuid.uuid4(), 1)
            self.iserver.register_external_session(self)
        self.channel: Channel | None = None
        self.certificate: bytes | None = None
        """The certificate of the channel on which it was created."""
        self.moves = False
        """Whether it is being activated on another channel than before."""
        self._application_uri = ""
        self._identity: Any = None
        self._requests: deque[PublishRequest] = deque()
        self._last_results: deque[Any] = deque()
        """Last messages of its former subscriptions."""
        self._idle: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    # -- Lifecycle -----------------------------------------------------------------------

    async def create_session(self, params: Any, sockname: Any = None) -> Any:
        self._application_uri = params.ClientDescription.ApplicationUri or ""
        return await super().create_session(params, sockname)

    def activate_session(self, params: Any, peer_certificate: bytes | None) -> Any:
        identity = self._identity_of(params.UserIdentityToken)
        if self.is_activated() and self.moves and identity != self._identity:
            raise ServiceError(ua.StatusCodes.BadIdentityChangeNotSupported)
        result = super().activate_session(params, peer_certificate)
        self._identity = identity
        for subscription in self._subscriptions:
            subscription.identity = identity
        return result

    def _identity_of(self, token: Any) -> Any:
        """The identity of a client with regard to its subscriptions."""
        match token:
            case ua.UserNameIdentityToken():
                return ("user", token.UserName)
            case ua.X509IdentityToken():
                return ("certificate", token.CertificateData)
        return ("application", self._application_uri)

    def bind(self, channel: Channel | None) -> None:
        """Binds the session to that channel only."""
        if channel is not self.channel:
            self.channel = channel
            self._refuse_all(ua.StatusCodes.BadSecureChannelClosed)

    def _start_timeout_watchdog(self) -> None:
        if self._idle is None and self.session_timeout:
            self._watch()

    def _watch(self) -> None:
        left = (self.session_timeout or 0) - (time.monotonic() - self._last_activity)
        if left > 0:
            self._idle = asyncio.get_running_loop().call_later(left, self._watch)
        else:  # its subscriptions continue, so that they can be transferred
            self._closing = asyncio.create_task(self.close_session(delete_subs=False))

    async def close_session(self, delete_subs: bool = True) -> None:
        await super().close_session(delete_subs=False)
        if self._idle is not None:
            self._idle.cancel()
        for subscription in self._subscriptions:
            if delete_subs:
                self.subscription_service.remove(subscription)
            else:
                subscription.owner = None
        self._last_results.clear()
        self._refuse_all(ua.StatusCodes.BadSessionClosed)

    @property
    def has_subscriptions(self) -> bool:
        return bool(self._subscriptions)

    @property
    def _subscriptions(self) -> list[Subscription]:
        return self.subscription_service.of(self)

    # -- publishing ----------------------------------------------------------------------

    def take_request(self, request: PublishRequest) -> None:
        """Publishes what is due, or queues the request."""
        if not self._subscriptions and not self._last_results:
            raise ServiceError(ua.StatusCodes.BadNoSubscription)
        self._drop_old_requests()
        if len(self._requests) >= len(self._subscriptions) + MOST_REQUESTS:
            self._requests.popleft().refuse(ua.StatusCodes.BadTooManyPublishRequests)
        self._requests.append(request)
        self.dispatch()

    def acknowledge(self, acknowledgement: Any) -> Any:
        try:
            subscription = self._get(acknowledgement.SubscriptionId)
        except ServiceError as refusal:
            return ua.StatusCode(refusal.code)
        return ua.StatusCode(subscription.acknowledge(acknowledgement.SequenceNumber))

    @property
    def has_requests(self) -> bool:
        self._drop_old_requests()
        return bool(self._requests)

    def dispatch(self) -> None:
        while self.has_requests:
            result = self._next_result()
            if result is None:
                return
            self._requests.popleft().answer(result)
            self._end_if_nothing_is_left()

    def tell_last(self, result: Any) -> None:
        self._last_results.append(result)
        self.dispatch()
        self._end_if_nothing_is_left()

    def _next_result(self) -> Any:
        if self._last_results:
            return self._last_results.popleft()
        late = [subscription for subscription in self._subscriptions if subscription.late]
        if not late:
            return None
        return min(
            late, key=lambda subscription: (-subscription.priority, subscription.late_since)
        ).next_result()

    def _end_if_nothing_is_left(self) -> None:
        if not self._subscriptions and not self._last_results:
            self._refuse_all(ua.StatusCodes.BadNoSubscription)

    def _drop_old_requests(self) -> None:
        for request in [request for request in self._requests if request.is_too_old]:
            self._requests.remove(request)
            request.refuse(ua.StatusCodes.BadTimeout)

    def _refuse_all(self, code: int) -> None:
        while self._requests:
            self._requests.popleft().refuse(code)

    # -- services ------------------------------------------------------------------------

    def _get(self, number: int) -> Subscription:
        return self.subscription_service.get(number, self)

    async def create_subscription(
        self, params: Any, callback: Any = None, request_callback: Any = None
    ) -> Any:
        return self.subscription_service.create(params, self, self._identity)

    def modify_subscription(self, params: Any) -> Any:
        subscription = self._get(params.SubscriptionId)
        subscription.revise(params)
        return ua.ModifySubscriptionResult(
            RevisedPublishingInterval=subscription.interval_ms,
            RevisedLifetimeCount=subscription.lifetime,
            RevisedMaxKeepAliveCount=subscription.keep_alive,
        )

    async def set_publishing_mode(self, params: Any) -> list[Any]:
        def set_mode(number: int) -> None:
            self._get(number).enabled = bool(params.PublishingEnabled)

        return statuses(some(params.SubscriptionIds), set_mode)

    async def delete_subscriptions(self, ids: list[int]) -> list[Any]:
        service = self.subscription_service
        results = statuses(some(ids), lambda number: service.remove(self._get(number)))
        self._end_if_nothing_is_left()
        return results

    async def transfer_subscriptions(self, params: Any, callback: Any = None) -> list[Any]:
        numbers = some(params.SubscriptionIds)
        return [
            self.subscription_service.transfer(
                number, self, self._identity, bool(params.SendInitialValues)
            )
            for number in numbers
        ]

    def republish(self, params: Any) -> Any:
        return self._get(params.SubscriptionId).republish(params.RetransmitSequenceNumber)

    async def create_monitored_items(self, params: Any) -> list[Any]:
        return self._get(params.SubscriptionId).create_items(params)

    async def modify_monitored_items(self, params: Any) -> list[Any]:
        return self._get(params.SubscriptionId).modify_items(params)

    async def set_monitoring_mode(self, params: Any) -> list[Any]:
        subscription = self._get(params.SubscriptionId)
        return subscription.set_mode(params.MonitoringMode, params.MonitoredItemIds)

    async def delete_monitored_items(self, params: Any) -> list[Any]:
        return self._get(params.SubscriptionId).delete_items(params.MonitoredItemIds)

    def set_triggering(self, params: Any) -> Any:
        return self._get(params.SubscriptionId).set_triggering(params)
