"""Monitored items: what a client monitors, and its queued notifications."""

from __future__ import annotations

import asyncio
import math
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.event_objects import EventQueueOverflowEvent
from asyncua.common.utils import ServiceError

from edge_lab.devices.opcua_attributes import stamped
from edge_lab.devices.opcua_events import EventSelection
from edge_lab.devices.opcua_filters import DataFilter
from edge_lab.devices.opcua_queue import MOST, EventQueue, ValueQueue, revised

SLOWEST_MS = 3_600_000.0
"""The longest interval of sampling and of publishing."""

_STAMPS = (
    ua.TimestampsToReturn.Source,
    ua.TimestampsToReturn.Server,
    ua.TimestampsToReturn.Both,
    ua.TimestampsToReturn.Neither,
)
_MODES = (ua.MonitoringMode.Disabled, ua.MonitoringMode.Sampling, ua.MonitoringMode.Reporting)
_REFUSALS = frozenset(
    (
        ua.StatusCodes.BadNodeIdInvalid,
        ua.StatusCodes.BadNodeIdUnknown,
        ua.StatusCodes.BadAttributeIdInvalid,
        ua.StatusCodes.BadIndexRangeInvalid,
        ua.StatusCodes.BadDataEncodingInvalid,
        ua.StatusCodes.BadDataEncodingUnsupported,
        ua.StatusCodes.BadNotReadable,
        ua.StatusCodes.BadUserAccessDenied,
    )
)
"""Statuses of a read that make an item invalid; with all others its value may recover."""


def check_timestamps(stamps: int) -> None:
    if stamps not in _STAMPS:
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)


def check_mode(mode: int) -> None:
    if mode not in _MODES:
        raise ServiceError(ua.StatusCodes.BadMonitoringModeInvalid)


class MonitoredItem(ABC):
    """One item that a client monitors."""

    queue: ValueQueue
    filter_result: Any = None
    """The filter result for the client, if any."""
    sampling_ms = 0.0
    size: int

    def __init__(self, number: int, handle: int, mode: int) -> None:
        check_mode(mode)
        self.number = number
        self.handle = handle
        self.mode = mode
        self.links: set[int] = set()
        """Items that are reported when this one has a notification."""
        self.triggered = False

    @property
    def waiting(self) -> int:
        """Queued notifications."""
        reports = self.mode == ua.MonitoringMode.Reporting or self.triggered
        return len(self.queue) if reports else 0

    def take(self, most: int) -> list[Any]:
        found = [self._notification(told) for told in self.queue.take(min(most, self.waiting))]
        if not len(self.queue):
            self.triggered = False
        return found

    def set_mode(self, mode: int) -> None:
        before, self.mode = self.mode, mode
        if mode == ua.MonitoringMode.Disabled:
            self.triggered = False
            self.queue.clear()
            self._disable()
        elif before == ua.MonitoringMode.Disabled:
            self.enable()

    def enable(self) -> None:  # noqa: B027
        """Monitoring starts."""

    def _disable(self) -> None:  # noqa: B027
        """Monitoring ends."""

    def send_initial(self) -> None:  # noqa: B027
        """Queues the current value, changed or not."""

    def delete(self) -> None:
        self._disable()

    @abstractmethod
    def modify(self, asked: Any, stamps: int, publishing_ms: float) -> None:
        """Changes all parameters, or raises ServiceError and changes none."""

    @abstractmethod
    def _notification(self, told: Any) -> Any:
        """The notification for a queued item."""


class DataItem(MonitoredItem):
    """An attribute's value. It is checked when it changes, at most at the sampling rate."""

    def __init__(
        self,
        number: int,
        request: Any,
        stamps: int,
        publishing_ms: float,
        server: Any,
        queued: Callable[[MonitoredItem], None],
    ) -> None:
        asked = request.RequestedParameters
        super().__init__(number, asked.ClientHandle, request.MonitoringMode)
        self._watched = request.ItemToMonitor
        self._server = server
        self._queued = queued
        self._callback: int | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._sampled_at = -math.inf
        self._reported: Any = None
        """The last value that has passed the filter."""
        read = self._read()
        if read.StatusCode is not None and read.StatusCode.value in _REFUSALS:
            raise ServiceError(read.StatusCode.value)
        self._filter = self._filter_of(asked)
        self._stamps = stamps
        self.sampling_ms = sampling_interval(asked.SamplingInterval, publishing_ms)
        self.size = revised(asked.QueueSize)
        self.queue = ValueQueue(self.size, asked.DiscardOldest)
        if self.mode != ua.MonitoringMode.Disabled:
            self.enable()

    def _filter_of(self, asked: Any) -> DataFilter:
        node, attribute = self._watched.NodeId, self._watched.AttributeId
        return DataFilter.of(asked.Filter, node, attribute, self._server.aspace)

    def enable(self) -> None:
        status, callback = self._server.aspace.add_datachange_callback(
            self._watched.NodeId, self._watched.AttributeId, self._changed
        )
        status.check()
        self._callback = callback
        self._sample()

    def _disable(self) -> None:
        self._reported = None
        self._stop_timer()
        if self._callback is not None:
            self._server.aspace.delete_datachange_callback(self._callback)
            self._callback = None

    def send_initial(self) -> None:
        if self.mode == ua.MonitoringMode.Reporting and not len(self.queue):
            self._reported = None
            self._sample()

    def modify(self, asked: Any, stamps: int, publishing_ms: float) -> None:
        self._filter = self._filter_of(asked)
        self._stamps = stamps
        self.handle = asked.ClientHandle
        self.sampling_ms = sampling_interval(asked.SamplingInterval, publishing_ms)
        self.size = revised(asked.QueueSize)
        self.queue.resize(self.size, asked.DiscardOldest)
        if self._timer is not None:
            self._stop_timer()
            self._sample()

    async def _changed(self, callback: int, value: Any, error: Any = None) -> None:
        """Called by asyncua when the attribute is written."""
        loop = asyncio.get_running_loop()
        due = self._sampled_at + self.sampling_ms / 1000
        if loop.time() >= due:
            self._sample()
        elif self._timer is None:
            self._timer = loop.call_at(due, self._sample)

    def _sample(self) -> None:
        self._stop_timer()
        self._sampled_at = asyncio.get_running_loop().time()
        value = self._read()
        if self._filter.passes(self._reported, value):
            self._reported = value
            self.queue.put(value)
            self._queued(self)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _read(self) -> Any:
        both = ua.ReadParameters(
            TimestampsToReturn=ua.TimestampsToReturn.Both, NodesToRead=[self._watched]
        )
        return self._server.attribute_service.read_for_client(both)[0]

    def _notification(self, told: Any) -> Any:
        return ua.MonitoredItemNotification(
            ClientHandle=self.handle, Value=stamped(told, self._stamps)
        )


class EventItem(MonitoredItem):
    """The events of an object."""

    def __init__(
        self,
        number: int,
        request: Any,
        server: Any,
        queued: Callable[[MonitoredItem], None],
    ) -> None:
        asked = request.RequestedParameters
        super().__init__(number, asked.ClientHandle, request.MonitoringMode)
        self.node = request.ItemToMonitor.NodeId
        self._space = server.aspace
        self._queued = queued
        read = self._space.read_attribute_value(self.node, ua.AttributeIds.EventNotifier)
        if read.StatusCode is not None and not read.StatusCode.is_good():
            raise ServiceError(read.StatusCode.value)
        notifies = (read.Value.Value or 0) if read.Value is not None else 0
        if not ua.ua_binary.test_bit(notifies, ua.EventNotifier.SubscribeToEvents):
            raise ServiceError(ua.StatusCodes.BadNotSupported)
        self._selection, self.filter_result = EventSelection.of(asked.Filter, self._space)
        self.size = revised(asked.QueueSize or MOST)
        self.queue = EventQueue(self.size, asked.DiscardOldest, self._overflow)

    def offer(self, event: Any) -> None:
        """An event of the node."""
        if self.mode != ua.MonitoringMode.Disabled and self._selection.wants(event):
            self.queue.put(self._selection.fields(event))
            self._queued(self)

    def modify(self, asked: Any, stamps: int, publishing_ms: float) -> None:
        self._selection, self.filter_result = EventSelection.of(asked.Filter, self._space)
        self.handle = asked.ClientHandle
        self.size = revised(asked.QueueSize or MOST)
        self.queue.resize(self.size, asked.DiscardOldest)

    def _overflow(self) -> Any:
        event = EventQueueOverflowEvent(
            sourcenode=ua.NodeId(ua.ObjectIds.Server), message="events are lost"
        )
        event.SourceName = "Server"
        event.EventId = uuid.uuid4().bytes
        event.Time = event.ReceiveTime = datetime.now(UTC)
        return self._selection.fields(event)

    def _notification(self, told: Any) -> Any:
        return ua.EventFieldList(ClientHandle=self.handle, EventFields=told)


def sampling_interval(asked: float, publishing_ms: float) -> float:
    """ms; 0 means each change, and an invalid interval is replaced by the publishing interval."""
    if math.isnan(asked) or asked < 0:
        return publishing_ms
    return min(float(asked), SLOWEST_MS)
