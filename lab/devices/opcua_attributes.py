"""OPC UA's Read and Write, with a status for each item.

asyncua ignores IndexRange, DataEncoding and TimestampsToReturn, refuses every write that it does
not support with BadUserAccessDenied, and fails the whole request for one item.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.server.address_space import AttributeService

from edge_lab.devices.index_range import parse_index_range, part_of, with_part
from edge_lab.devices.opcua_types import built_in_types, bytes_as_array, suits
from edge_lab.devices.refusals import RefusalLog, attribute_name

log = logging.getLogger(__name__)

Accept = Callable[[Any], Any]
"""Gets the DataValue that a client writes, applies it, and returns the new DataValue of the node;
or raises a ServiceError with the status of the item."""


class Attributes(AttributeService):  # type: ignore[misc]
    """Reads and writes of asyncua itself skip these checks."""

    def __init__(self, space: Any, refusals: RefusalLog) -> None:
        super().__init__(space)
        self._refusals = refusals
        self._accept: dict[Any, Accept] = {}

    def on_write(self, node_id: Any, accept: Accept) -> None:
        """Passes what clients write to the value of a node to `accept`."""
        self._accept[node_id] = accept

    # -- reading -------------------------------------------------------------------------

    def read_for_client(self, params: Any) -> list[Any]:
        return [self._read(item, params.TimestampsToReturn) for item in params.NodesToRead]

    def _read(self, item: Any, timestamps: Any) -> Any:
        try:
            found = self._read_item(item)
        except ServiceError as refusal:
            found = ua.DataValue(StatusCode=ua.StatusCode(refusal.code))
        except Exception:
            log.exception("cannot read %s", _named(item))
            found = ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadInternalError))
        if found.StatusCode is not None and found.StatusCode.is_bad():
            self._refusals.note("read", _named(item), found.StatusCode.value)
        return stamped(found, timestamps)

    def _read_item(self, item: Any) -> Any:
        node = self._node(item)
        if item.AttributeId == ua.AttributeIds.Value:
            self._check_access(node, ua.AccessLevel.CurrentRead, ua.StatusCodes.BadNotReadable)
        spans = parse_index_range(item.IndexRange) if item.IndexRange else ()
        found = self._aspace.read_attribute_value(item.NodeId, item.AttributeId)
        check_encoding(item, found)
        if spans and not found.StatusCode.is_bad():
            return replace(found, Value=part_of(found.Value, spans))
        return found

    # -- writing -------------------------------------------------------------------------

    async def write_for_client(self, params: Any) -> list[Any]:
        return [await self._write(item) for item in params.NodesToWrite]

    async def _write(self, item: Any) -> Any:
        try:
            status = await self._write_item(item)
        except ServiceError as refusal:
            status = ua.StatusCode(refusal.code)
        except Exception:
            log.exception("cannot write %s", _named(item))
            status = ua.StatusCode(ua.StatusCodes.BadInternalError)
        if status.is_bad():
            self._refusals.note("write", _named(item), status.value)
        return status

    async def _write_item(self, item: Any) -> Any:
        node = self._node(item)
        if item.AttributeId != ua.AttributeIds.Value:
            # No client may write other attributes of a node, whatever its WriteMask is.
            code = ua.StatusCodes.BadNotWritable
            if _bits(node, ua.AttributeIds.WriteMask):
                code = ua.StatusCodes.BadUserAccessDenied
            raise ServiceError(code)
        self._check_access(node, ua.AccessLevel.CurrentWrite, ua.StatusCodes.BadNotWritable)
        spans = parse_index_range(item.IndexRange) if item.IndexRange else ()
        self._check_combination(node, item.Value)
        written = replace(item.Value, Value=self._value(node, item, spans))
        now = datetime.now(UTC)
        accept = self._accept.get(item.NodeId)
        if accept is not None:
            new = accept(written)
        else:
            when = written.SourceTimestamp or now
            new = replace(written, SourceTimestamp=when, ServerTimestamp=now)
        return await self._aspace.write_attribute_value(item.NodeId, item.AttributeId, new)

    def _value(self, node: Any, item: Any, spans: Any) -> Any:
        """The complete new value of the node."""
        data_type = _value_of(node, ua.AttributeIds.DataType)
        kinds = built_in_types(self._aspace, data_type) if data_type is not None else None
        rank = _value_of(node, ua.AttributeIds.ValueRank)
        variant = bytes_as_array(item.Value.Value, kinds, rank)
        if not suits(variant, kinds, None if spans else rank):
            raise ServiceError(ua.StatusCodes.BadTypeMismatch)
        if not spans:
            return variant
        old = self._aspace.read_attribute_value(item.NodeId, item.AttributeId).Value
        if old.VariantType not in (variant.VariantType, ua.VariantType.Null):
            raise ServiceError(ua.StatusCodes.BadTypeMismatch)
        return with_part(old, spans, variant)

    @staticmethod
    def _check_combination(node: Any, value: Any) -> None:
        """Refuses a status or a server time: only value and source time can be written."""
        status = value.StatusCode is not None and value.StatusCode.value != ua.StatusCodes.Good
        if status and _bits(node, ua.AttributeIds.AccessLevel) & ua.AccessLevel.StatusWrite.mask:
            status = False
        if status or value.ServerTimestamp is not None or value.ServerPicoseconds is not None:
            raise ServiceError(ua.StatusCodes.BadWriteNotSupported)

    # -- both ----------------------------------------------------------------------------

    def _node(self, item: Any) -> Any:
        node = self._aspace.get(item.NodeId)
        if node is None:
            raise ServiceError(ua.StatusCodes.BadNodeIdUnknown)
        if item.AttributeId not in node.attributes:
            raise ServiceError(ua.StatusCodes.BadAttributeIdInvalid)
        return node

    @staticmethod
    def _check_access(node: Any, access: Any, otherwise: int) -> None:
        """Refuses with `otherwise` what no user may do, with BadUserAccessDenied what some may."""
        if ua.AttributeIds.AccessLevel not in node.attributes:
            if access is ua.AccessLevel.CurrentRead:
                return  # the value of a type has no access level, and can be read
            raise ServiceError(otherwise)
        if not _bits(node, ua.AttributeIds.AccessLevel) & access.mask:
            raise ServiceError(otherwise)
        if not _bits(node, ua.AttributeIds.UserAccessLevel, 0xFF) & access.mask:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)


def stamped(value: Any, timestamps: Any) -> Any:
    """A DataValue with the requested timestamps only."""
    source = timestamps in (ua.TimestampsToReturn.Source, ua.TimestampsToReturn.Both)
    server = timestamps in (ua.TimestampsToReturn.Server, ua.TimestampsToReturn.Both)
    if source and server and value.ServerTimestamp is not None:
        return value
    return replace(
        value,
        SourceTimestamp=value.SourceTimestamp if source else None,
        SourcePicoseconds=value.SourcePicoseconds if source else None,
        ServerTimestamp=(value.ServerTimestamp or datetime.now(UTC)) if server else None,
        ServerPicoseconds=value.ServerPicoseconds if server else None,
    )


def check_encoding(item: Any, value: Any) -> None:
    """Refuses an encoding where none can be selected, and any except the binary one."""
    encoding = item.DataEncoding
    if encoding is None or not (encoding.Name or encoding.NamespaceIndex):
        return
    structured = (
        getattr(item, "AttributeId", ua.AttributeIds.Value) == ua.AttributeIds.Value
        and value.Value.VariantType == ua.VariantType.ExtensionObject
    )
    if not structured:
        raise ServiceError(ua.StatusCodes.BadDataEncodingInvalid)
    if (encoding.NamespaceIndex, encoding.Name) != (0, "Default Binary"):
        raise ServiceError(ua.StatusCodes.BadDataEncodingUnsupported)


def _named(item: Any) -> str:
    name = item.NodeId.to_string()
    if item.AttributeId != ua.AttributeIds.Value:
        name += f" ({attribute_name(item.AttributeId)})"
    return f"{name} [{item.IndexRange}]" if item.IndexRange else name


def _value_of(node: Any, attribute: Any) -> Any:
    found = node.attributes.get(attribute)
    if found is None or found.value is None or found.value.Value is None:
        return None
    return found.value.Value.Value


def _bits(node: Any, attribute: Any, otherwise: int = 0) -> int:
    found = _value_of(node, attribute)
    return otherwise if found is None else int(found)
