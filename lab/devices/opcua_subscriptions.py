"""Subscriptions: publishing and republishing.

They replace asyncua's own, which answer Good to unsupported requests: a transferred subscription
publishes nothing more, an unknown message is republished empty, queues and deadbands differ from
the requested ones.  The states are those of OPC 10000-4, 5.14.1.2.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, Protocol

from asyncua import ua
from asyncua.common.utils import ServiceError

from edge_lab.devices.opcua_events import EventFilterRefused
from edge_lab.devices.opcua_monitoring import (
    SLOWEST_MS,
    DataItem,
    EventItem,
    MonitoredItem,
    check_mode,
    check_timestamps,
)
from edge_lab.devices.opcua_results import some, statuses

FASTEST_MS = 10.0
"""The shortest publishing interval."""
MOST_KEEP_ALIVE = 5_000
MOST_LIFETIME = 15_000
"""Publishing intervals."""
MOST_UNACKNOWLEDGED = 5_000
"""Maximum number of messages that a subscription keeps for republishing."""
_LAST_SEQUENCE = 2**32 - 1


class Publisher(Protocol):
    """The interface of a session for its subscriptions."""

    @property
    def has_requests(self) -> bool:
        """Whether a publish request is pending."""

    def dispatch(self) -> None:
        """Publishes what is due, as far as there are publish requests."""

    def tell_last(self, result: Any) -> None:
        """Publishes the last message of a former subscription of the session."""


def publishing_interval(asked: float) -> float:
    """ms; the shortest one for an invalid interval."""
    return min(max(float(asked), FASTEST_MS), SLOWEST_MS) if not math.isnan(asked) else FASTEST_MS


class Subscription:
    """Belongs to one session at a time, or to none until it is transferred or expires."""

    def __init__(
        self, number: int, asked: Any, owner: Publisher, identity: Any, server: Any
    ) -> None:
        self.number = number
        self.owner: Publisher | None = owner
        self.identity = identity
        """Who may transfer it."""
        self.late = False
        """Whether something is to be published as soon as there is a request."""
        self.late_since = 0.0
        self.expired: Callable[[Subscription], None] = lambda subscription: None
        self.enabled = bool(asked.PublishingEnabled)
        self._server = server
        self._items: dict[int, MonitoredItem] = {}
        self._item_numbers = count(1)
        self._sequence = 1
        self._unacknowledged: dict[int, Any] = {}
        self._silent_cycles = 0
        self._unserved_cycles = 0
        self._has_published = False
        self._timer: asyncio.TimerHandle | None = None
        self.revise(asked)

    # -- its own parameters --------------------------------------------------------------

    def revise(self, asked: Any) -> None:
        """Sets the parameters of CreateSubscription and ModifySubscription."""
        self.interval_ms = publishing_interval(asked.RequestedPublishingInterval)
        self.keep_alive = min(max(asked.RequestedMaxKeepAliveCount, 1), MOST_KEEP_ALIVE)
        lifetime = max(asked.RequestedLifetimeCount, 3 * self.keep_alive)
        self.lifetime = min(lifetime, MOST_LIFETIME)
        self.priority = asked.Priority
        self._most = asked.MaxNotificationsPerPublish or math.inf
        self.touch()
        self._schedule()

    def touch(self) -> None:
        """The client has used it, so its lifetime restarts."""
        self._unserved_cycles = 0

    def close(self) -> None:
        self._stop_timer()
        self.owner = None
        for item in self._items.values():
            item.delete()
        self._items.clear()

    # -- publishing ----------------------------------------------------------------------

    def _schedule(self) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._due = loop.time() + self.interval_ms / 1000
        self._timer = loop.call_at(self._due, self._cycle)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cycle(self) -> None:
        loop = asyncio.get_running_loop()
        self._due = max(self._due + self.interval_ms / 1000, loop.time())
        self._timer = loop.call_at(self._due, self._cycle)
        if self.owner is not None and self.owner.has_requests:
            self._unserved_cycles = 0
        else:
            self._unserved_cycles += 1
            if self._unserved_cycles >= self.lifetime:
                self.expired(self)
                return
        self._silent_cycles += 1
        due = not self._has_published or self._silent_cycles >= self.keep_alive
        if (due or self._waiting) and not self.late:
            self.late, self.late_since = True, loop.time()
        if self.late and self.owner is not None:
            self.owner.dispatch()

    @property
    def _waiting(self) -> bool:
        return self.enabled and any(item.waiting for item in self._items.values())

    def next_result(self) -> Any:
        """The next message: notifications, or a keep-alive."""
        changes, events = self._take()
        message = ua.NotificationMessage(SequenceNumber=self._sequence)
        if changes:
            message.NotificationData.append(ua.DataChangeNotification(MonitoredItems=changes))
        if events:
            message.NotificationData.append(ua.EventNotificationList(Events=events))
        if message.NotificationData:
            self._keep(message)
        self._silent_cycles, self._unserved_cycles, self._has_published = 0, 0, True
        more = self._waiting
        self.late = more
        return ua.PublishResult(
            SubscriptionId=self.number,
            AvailableSequenceNumbers=self.available,
            MoreNotifications=more,
            NotificationMessage=message,
        )

    def last_result(self, status: int) -> Any:
        """The status change that reports its end to a client, without its own sequence number."""
        return ua.PublishResult(
            SubscriptionId=self.number,
            MoreNotifications=False,
            NotificationMessage=ua.NotificationMessage(
                SequenceNumber=self._sequence,
                NotificationData=[ua.StatusChangeNotification(Status=ua.StatusCode(status))],
            ),
        )

    def _take(self) -> tuple[list[Any], list[Any]]:
        changes: list[Any] = []
        events: list[Any] = []
        if self.enabled:
            for item in self._items.values():
                room = self._most - len(changes) - len(events)
                told = item.take(int(min(room, item.waiting)))
                (events if isinstance(item, EventItem) else changes).extend(told)
        return changes, events

    def _keep(self, message: Any) -> None:
        self._unacknowledged[self._sequence] = message
        self._sequence = self._sequence % _LAST_SEQUENCE + 1
        while len(self._unacknowledged) > MOST_UNACKNOWLEDGED:
            del self._unacknowledged[next(iter(self._unacknowledged))]

    @property
    def available(self) -> list[int]:
        """Sequence numbers that can be republished."""
        return list(self._unacknowledged)

    def acknowledge(self, sequence: int) -> int:
        """The status code of an acknowledgement."""
        known = self._unacknowledged.pop(sequence, None) is not None
        return int(ua.StatusCodes.Good if known else ua.StatusCodes.BadSequenceNumberUnknown)

    def republish(self, sequence: int) -> Any:
        """Republishes a message; it is kept until it is acknowledged."""
        if sequence not in self._unacknowledged:
            raise ServiceError(ua.StatusCodes.BadMessageNotAvailable)
        return self._unacknowledged[sequence]

    def move(self, owner: Publisher, identity: Any, send_initial: bool) -> None:
        """Continues in another session."""
        self.owner, self.identity = owner, identity
        self.touch()
        self._has_published = False
        if send_initial:
            for item in self._items.values():
                item.send_initial()

    # -- monitored items -----------------------------------------------------------------

    def create_items(self, asked: Any) -> list[Any]:
        check_timestamps(asked.TimestampsToReturn)
        return [
            self._create_item(request, asked.TimestampsToReturn)
            for request in some(asked.ItemsToCreate)
        ]

    def _create_item(self, request: Any, stamps: int) -> Any:
        number = next(self._item_numbers)
        item: MonitoredItem
        try:
            if request.ItemToMonitor.AttributeId == ua.AttributeIds.EventNotifier:
                item = EventItem(number, request, self._server, self._queued)
            else:
                item = DataItem(
                    number, request, stamps, self.interval_ms, self._server, self._queued
                )
        except ServiceError as refusal:
            return _told_of_filter(
                ua.MonitoredItemCreateResult(StatusCode=ua.StatusCode(refusal.code)), refusal
            )
        self._items[number] = item
        result = ua.MonitoredItemCreateResult(
            MonitoredItemId=number,
            RevisedSamplingInterval=item.sampling_ms,
            RevisedQueueSize=item.size,
        )
        if item.filter_result is not None:
            result.FilterResult = item.filter_result
        return result

    def modify_items(self, asked: Any) -> list[Any]:
        check_timestamps(asked.TimestampsToReturn)
        return [
            self._modify_item(request, asked.TimestampsToReturn)
            for request in some(asked.ItemsToModify)
        ]

    def _modify_item(self, request: Any, stamps: int) -> Any:
        try:
            item = self._item(request.MonitoredItemId)
            item.modify(request.RequestedParameters, stamps, self.interval_ms)
        except ServiceError as refusal:
            return _told_of_filter(
                ua.MonitoredItemModifyResult(StatusCode=ua.StatusCode(refusal.code)), refusal
            )
        result = ua.MonitoredItemModifyResult(
            RevisedSamplingInterval=item.sampling_ms, RevisedQueueSize=item.size
        )
        if item.filter_result is not None:
            result.FilterResult = item.filter_result
        return result

    def set_mode(self, mode: int, numbers: Iterable[int]) -> list[Any]:
        check_mode(mode)
        return statuses(some(numbers), lambda number: self._item(number).set_mode(mode))

    def delete_items(self, numbers: Iterable[int]) -> list[Any]:
        return statuses(some(numbers), self._delete_item)

    def _delete_item(self, number: int) -> None:
        self._item(number).delete()
        del self._items[number]
        for other in self._items.values():
            other.links.discard(number)

    def set_triggering(self, asked: Any) -> Any:
        triggering = self._item(asked.TriggeringItemId)
        add, remove = asked.LinksToAdd, asked.LinksToRemove
        some(add or remove)

        def unlink(number: int) -> None:
            if number not in triggering.links:
                raise ServiceError(ua.StatusCodes.BadMonitoredItemIdInvalid)
            triggering.links.remove(number)

        removed = statuses(remove, unlink)
        added = statuses(add, lambda number: triggering.links.add(self._item(number).number))
        return ua.SetTriggeringResult(AddResults=added, RemoveResults=removed)

    def offer(self, event: Any, item_number: int | None = None, everywhere: bool = False) -> None:
        """Delivers an event to the items of its source node, or of all nodes."""
        for item in self._items.values():
            if (
                isinstance(item, EventItem)
                and item_number in (None, item.number)
                and (everywhere or item.node == event.emitting_node)
            ):
                item.offer(event)

    def has_item(self, number: int) -> bool:
        return number in self._items

    def _queued(self, item: MonitoredItem) -> None:
        """An item has a notification, and with it those that it triggers."""
        for number in item.links:
            self._items[number].triggered = True

    def _item(self, number: int) -> MonitoredItem:
        if number not in self._items:
            raise ServiceError(ua.StatusCodes.BadMonitoredItemIdInvalid)
        return self._items[number]


def _told_of_filter(result: Any, refusal: ServiceError) -> Any:
    if isinstance(refusal, EventFilterRefused):
        result.FilterResult = refusal.result
    return result
