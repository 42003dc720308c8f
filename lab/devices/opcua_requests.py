"""The requests that an OPC UA device supports, and their validation.

An invalid request is refused as a whole here, with a ServiceFault; errors of one item are
reported by its own status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_from_binary

MOST_ITEMS = 10_000
"""Maximum number of operations in a request: asyncua's OperationLimits."""


@dataclass(frozen=True)
class Service:
    """A supported request. `items` is the field of its parameters with the operations."""

    name: str
    items: str = ""
    needs_session: bool = True

    @property
    def request(self) -> Any:
        return ua.NodeId(getattr(ua.ObjectIds, f"{self.name}Request_Encoding_DefaultBinary"))

    @property
    def parameters(self) -> Any:
        """The class of its parameters; None if there is nothing to decode."""
        return getattr(ua, f"{self.name}Parameters", None)


_SERVICES = (
    Service("FindServers", needs_session=False),
    Service("GetEndpoints", needs_session=False),
    Service("CreateSession", needs_session=False),
    Service("ActivateSession", needs_session=False),
    Service("CloseSession", needs_session=False),
    Service("CloseSecureChannel", needs_session=False),
    Service("Read", "NodesToRead"),
    Service("Write", "NodesToWrite"),
    Service("HistoryRead", "NodesToRead"),
    Service("Browse", "NodesToBrowse"),
    Service("BrowseNext", "ContinuationPoints"),
    Service("TranslateBrowsePathsToNodeIds", "BrowsePaths"),
    Service("RegisterNodes", "NodesToRegister"),
    Service("UnregisterNodes", "NodesToUnregister"),
    Service("Call", "MethodsToCall"),
    Service("AddNodes", "NodesToAdd"),
    Service("AddReferences", "ReferencesToAdd"),
    Service("DeleteNodes", "NodesToDelete"),
    Service("DeleteReferences", "ReferencesToDelete"),
    Service("CreateSubscription"),
    Service("ModifySubscription"),
    Service("DeleteSubscriptions", "SubscriptionIds"),
    Service("TransferSubscriptions", "SubscriptionIds"),
    Service("SetPublishingMode", "SubscriptionIds"),
    Service("CreateMonitoredItems", "ItemsToCreate"),
    Service("ModifyMonitoredItems", "ItemsToModify"),
    Service("DeleteMonitoredItems", "MonitoredItemIds"),
    Service("SetMonitoringMode", "MonitoredItemIds"),
    Service("SetTriggering"),
    Service("Publish"),
    Service("Republish"),
)
SERVICES = {service.request: service for service in _SERVICES}
BROWSE_NEXT = Service("BrowseNext").request
_TIMESTAMPS = (
    ua.TimestampsToReturn.Source,
    ua.TimestampsToReturn.Server,
    ua.TimestampsToReturn.Both,
    ua.TimestampsToReturn.Neither,
)
_BAD_ENUMERATIONS = {
    ua.TimestampsToReturn: ua.StatusCodes.BadTimestampsToReturnInvalid,
    ua.BrowseDirection: ua.StatusCodes.BadBrowseDirectionInvalid,
    ua.MonitoringMode: ua.StatusCodes.BadMonitoringModeInvalid,
}


def service_of(type_id: Any) -> Service:
    """The service that a request is for.

    Raises:
        ServiceError: BadServiceUnsupported.
    """
    service = SERVICES.get(type_id)
    if service is None:
        raise ServiceError(ua.StatusCodes.BadServiceUnsupported)
    return service


def decoded(service: Service, body: Any) -> Any:
    """The parameters of a request. `body` is left as it is.

    Raises:
        ServiceError: it cannot be decoded.
    """
    if service.parameters is None:
        return None
    try:
        return struct_from_binary(service.parameters, body.copy())
    # asyncua's decoder raises exceptions of any kind.
    except Exception as trouble:
        raise ServiceError(_reason(trouble)) from trouble


def _reason(trouble: Exception) -> int:
    """The status for an invalid value of an enumeration, otherwise BadDecodingError."""
    for kind, code in _BAD_ENUMERATIONS.items():
        if isinstance(trouble, ValueError) and str(trouble).endswith(f"valid {kind.__name__}"):
            return int(code)
    return int(ua.StatusCodes.BadDecodingError)


def check_request(service: Service, parameters: Any) -> None:
    """Refuses a request that is invalid as a whole.

    Raises:
        ServiceError: why.
    """
    if service.name == "Read" and not parameters.MaxAge >= 0:
        raise ServiceError(ua.StatusCodes.BadMaxAgeInvalid)
    timestamps = getattr(parameters, "TimestampsToReturn", None)
    history = service.name == "HistoryRead"
    allowed = _TIMESTAMPS[:-1] if history else _TIMESTAMPS
    if timestamps is not None and timestamps not in allowed:
        raise ServiceError(ua.StatusCodes.BadTimestampsToReturnInvalid)
    if service.items:
        items = getattr(parameters, service.items)
        if not items:
            raise ServiceError(ua.StatusCodes.BadNothingToDo)
        if len(items) > MOST_ITEMS:
            raise ServiceError(ua.StatusCodes.BadTooManyOperations)
    reads = history and not parameters.ReleaseContinuationPoints
    if reads and not isinstance(parameters.HistoryReadDetails, _HISTORY_DETAILS):
        raise ServiceError(ua.StatusCodes.BadHistoryOperationInvalid)


_HISTORY_DETAILS = (
    ua.ReadRawModifiedDetails,
    ua.ReadProcessedDetails,
    ua.ReadAtTimeDetails,
    ua.ReadEventDetails,
    ua.ReadAnnotationDataDetails,
)
