"""All subscriptions of a device, and their sessions."""

from __future__ import annotations

from typing import Any

from asyncua import ua
from asyncua.common import uamethod
from asyncua.common.utils import ServiceError
from asyncua.server.subscription_service import SubscriptionService

from edge_lab.devices.opcua_subscriptions import Publisher, Subscription

_REFRESH_ENDS = frozenset(
    (
        ua.NodeId(ua.ObjectIds.RefreshStartEventType),
        ua.NodeId(ua.ObjectIds.RefreshEndEventType),
    )
)


class Subscriptions(SubscriptionService):  # type: ignore[misc]
    """Replaces asyncua's service: knows the session of each subscription."""

    subscriptions: dict[int, Subscription]

    # -- for sessions --------------------------------------------------------------------

    def create(self, asked: Any, owner: Publisher, identity: Any) -> Any:
        if len(self.subscriptions) >= self.iserver.max_subscriptions:
            raise ServiceError(ua.StatusCodes.BadTooManySubscriptions)
        self._sub_id_counter += 1
        made = Subscription(self._sub_id_counter, asked, owner, identity, self.iserver)
        made.expired = self._expire
        self.subscriptions[made.number] = made
        return ua.CreateSubscriptionResult(
            SubscriptionId=made.number,
            RevisedPublishingInterval=made.interval_ms,
            RevisedLifetimeCount=made.lifetime,
            RevisedMaxKeepAliveCount=made.keep_alive,
        )

    def of(self, owner: Publisher) -> list[Subscription]:
        return [sub for sub in self.subscriptions.values() if sub.owner is owner]

    def get(self, number: int, owner: Publisher) -> Subscription:
        """A subscription of that session; the access keeps it alive.

        Raises:
            ServiceError: the session has none with that id.
        """
        found = self.subscriptions.get(number)
        if found is None or found.owner is not owner:
            raise ServiceError(ua.StatusCodes.BadSubscriptionIdInvalid)
        found.touch()
        return found

    def remove(self, subscription: Subscription) -> None:
        del self.subscriptions[subscription.number]
        subscription.close()

    def transfer(self, number: int, owner: Publisher, identity: Any, send_initial: bool) -> Any:
        """Gives a subscription to another session of the same user; a TransferResult."""
        found = self.subscriptions.get(number)
        if found is None:
            return _refused(ua.StatusCodes.BadSubscriptionIdInvalid)
        if found.owner is owner:
            return _refused(ua.StatusCodes.BadNothingToDo)
        if found.identity != identity:
            return _refused(ua.StatusCodes.BadUserAccessDenied)
        before = found.owner
        last = found.last_result(ua.StatusCodes.GoodSubscriptionTransferred)
        found.move(owner, identity, send_initial)
        if before is not None:
            before.tell_last(last)
        return ua.TransferResult(AvailableSequenceNumbers=found.available)

    def _expire(self, subscription: Subscription) -> None:
        owner = subscription.owner
        last = subscription.last_result(ua.StatusCodes.BadTimeout)
        self.remove(subscription)
        if owner is not None:
            owner.tell_last(last)

    # -- for asyncua ---------------------------------------------------------------------

    async def create_subscription(self, *args: Any, **options: Any) -> Any:
        """Subscriptions of the server itself, which devices do not have."""
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)

    async def trigger_event(self, event: Any, subscription_id: int | None = None) -> None:
        if "Retain" in event.data_types and "NodeId" in event.data_types:
            if event.Retain:
                self._conditions[event.NodeId] = event
            else:
                self._conditions.pop(event.NodeId, None)
        if subscription_id is None:
            for subscription in self.subscriptions.values():
                subscription.offer(event)
        elif subscription_id in self.subscriptions:
            ends_refresh = event.EventType in _REFRESH_ENDS
            self.subscriptions[subscription_id].offer(event, everywhere=ends_refresh)

    @uamethod  # type: ignore[untyped-decorator]
    async def condition_refresh(
        self, parent: Any, subscription_id: int, item_number: int | None = None
    ) -> Any:
        """Reports the current conditions again, for later subscribers."""
        found = self.subscriptions.get(subscription_id)
        if found is None:
            return ua.StatusCode(ua.StatusCodes.BadSubscriptionIdInvalid)
        if item_number is not None and not found.has_item(item_number):
            return ua.StatusCode(ua.StatusCodes.BadMonitoredItemIdInvalid)
        await self._tell_refresh(ua.ObjectIds.RefreshStartEventType, subscription_id)
        for event in self._conditions.values():
            found.offer(event, item_number, everywhere=True)
        await self._tell_refresh(ua.ObjectIds.RefreshEndEventType, subscription_id)
        return None

    async def _tell_refresh(self, kind: int, subscription_id: int) -> None:
        if kind in self.standard_events:
            await self.standard_events[kind].trigger(subscription_id=subscription_id)


def _refused(code: int) -> Any:
    return ua.TransferResult(StatusCode=ua.StatusCode(code))
