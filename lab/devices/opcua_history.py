"""OPC UA's HistoryRead: raw values, a status for each node.

asyncua accepts any bytes as a continuation point, never releases one, and answers unsupported
reads (modified values, bounds, nodes without a history) as if they were plain ones.
"""

from __future__ import annotations

import logging
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.history import HistoryManager

from edge_lab.devices.continuation import ContinuationPoints, Rest
from edge_lab.devices.history import Period, StepHistory
from edge_lab.devices.index_range import parse_index_range
from edge_lab.devices.opcua_attributes import stamped
from edge_lab.devices.refusals import RefusalLog

log = logging.getLogger(__name__)

MOST_AT_ONCE = 10_000
"""Maximum number of values in one answer; the rest is read by continuation point."""

_NEVER = ua.get_win_epoch()
"""The value by which a client omits a time."""


class History(HistoryManager):  # type: ignore[misc]
    """Reads from `steps`, if there is one."""

    def __init__(self, iserver: Any, refusals: RefusalLog) -> None:
        super().__init__(iserver)
        self._refusals = refusals
        self.steps: StepHistory | None = None

    def read_for_client(self, params: Any, points: ContinuationPoints[Any]) -> list[Any]:
        """The results of a HistoryRead; invalid requests were refused before."""
        points.begin()
        return [self._read(params, item, points) for item in params.NodesToRead]

    def _read(self, params: Any, item: Any, points: ContinuationPoints[Any]) -> Any:
        result = ua.HistoryReadResult()
        try:
            if params.ReleaseContinuationPoints:
                points.take(item.ContinuationPoint, item.NodeId)
                return result
            rest = self._rest(params.HistoryReadDetails, item, points)
            values, result.ContinuationPoint = points.divide(rest)
        except ServiceError as refusal:
            result.StatusCode = ua.StatusCode(refusal.code)
        except Exception:
            log.exception("cannot read the history of %s", item.NodeId.to_string())
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadInternalError)
        else:
            stamps = params.TimestampsToReturn
            result.HistoryData = ua.HistoryData([stamped(value, stamps) for value in values])
            if not values:
                result.StatusCode = ua.StatusCode(ua.StatusCodes.GoodNoData)
        if result.StatusCode.is_bad():
            self._refusals.note("history", item.NodeId.to_string(), result.StatusCode.value)
        return result

    def _rest(self, details: Any, item: Any, points: ContinuationPoints[Any]) -> Rest[Any]:
        """The remaining values of a request."""
        self._check(item)
        if item.ContinuationPoint:
            return points.take(item.ContinuationPoint, item.NodeId)
        if not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified:
            raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
        start = None if details.StartTime in (None, _NEVER) else details.StartTime
        end = None if details.EndTime in (None, _NEVER) else details.EndTime
        most = details.NumValuesPerNode
        if (start is not None) + (end is not None) + (most > 0) < 2:
            # OPC 10000-11, 6.5.3.1: two of the three shall be specified.
            raise ServiceError(ua.StatusCodes.BadHistoryOperationInvalid)
        assert self.steps is not None
        values = self.steps.raw(item.NodeId, Period(start, end, details.ReturnBounds))
        return Rest(item.NodeId, values, min(most or MOST_AT_ONCE, MOST_AT_ONCE))

    def _check(self, item: Any) -> None:
        """Refuses an unknown node, one without a history, or an unavailable part of it."""
        node = self.iserver.aspace.get(item.NodeId)
        if node is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        access = node.attributes.get(ua.AttributeIds.AccessLevel)
        if self.steps is None or access is None or not _may(access):
            raise ServiceError(ua.StatusCodes.BadHistoryOperationUnsupported)
        user = node.attributes.get(ua.AttributeIds.UserAccessLevel)
        if user is not None and not _may(user):
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        encoding = item.DataEncoding
        if encoding is not None and (encoding.Name or encoding.NamespaceIndex):
            raise ServiceError(ua.StatusCodes.BadDataEncodingInvalid)
        if item.IndexRange:
            parse_index_range(item.IndexRange)
            raise ServiceError(ua.StatusCodes.BadIndexRangeNoData)


def _may(access: Any) -> bool:
    """Whether an access level permits reading the history."""
    return bool(int(access.value.Value.Value) & ua.AccessLevel.HistoryRead.mask)
