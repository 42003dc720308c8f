"""Which requests an OPC UA device serves, and what a request must be to be looked at at all.

What is refused here is refused as a whole, with a ServiceFault; what is wrong with one item is
told by its own status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.ua.ua_binary import struct_from_binary

MOST_ITEMS = 10_000
"""Operations in a request: what asyncua says in the server's OperationLimits."""


@dataclass(frozen=True)
class Service:
    """A request that is known. `items` is where its parameters list the operations."""

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
    # asyncua's decoder raises what it comes across, of any kind.
    except Exception as trouble:
        raise ServiceError(_reason(trouble)) from trouble


def _reason(trouble: Exception) -> int:
    """The status for a value that an enumeration does not have, or else BadDecodingError."""
    for kind, code in _BAD_ENUMERATIONS.items():
        if isinstance(trouble, ValueError) and str(trouble).endswith(f"valid {kind.__name__}"):
            return int(code)
    return int(ua.StatusCodes.BadDecodingError)


def check_request(service: Service, parameters: Any) -> None:
    """Refuses a request that is wrong as a whole.

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
