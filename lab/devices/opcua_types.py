"""Whether a value may be written to an OPC UA node: its data type and number of dimensions."""

from __future__ import annotations

from typing import Any

from asyncua import ua

_SIGNED = frozenset(
    {ua.VariantType.SByte, ua.VariantType.Int16, ua.VariantType.Int32, ua.VariantType.Int64}
)
_UNSIGNED = frozenset(
    {ua.VariantType.Byte, ua.VariantType.UInt16, ua.VariantType.UInt32, ua.VariantType.UInt64}
)
_ABSTRACT = {
    ua.ObjectIds.Number: _SIGNED | _UNSIGNED | {ua.VariantType.Float, ua.VariantType.Double},
    ua.ObjectIds.Integer: _SIGNED,
    ua.ObjectIds.UInteger: _UNSIGNED,
    ua.ObjectIds.Enumeration: frozenset({ua.VariantType.Int32}),
}


def built_in_types(space: Any, data_type: Any) -> frozenset[Any] | None:
    """The built-in type of a data type; None if it is unknown or abstract."""
    seen = set()
    while data_type not in seen:
        seen.add(data_type)
        if data_type.NamespaceIndex == 0 and isinstance(data_type.Identifier, int):
            if data_type.Identifier in _ABSTRACT:
                return _ABSTRACT[data_type.Identifier]
            if data_type.Identifier == ua.ObjectIds.BaseDataType:
                return None
            if data_type.Identifier <= ua.VariantType.DiagnosticInfo.value:
                return frozenset({ua.VariantType(data_type.Identifier)})
        node = space.get(data_type)
        if node is None:
            return None
        subtype = ua.NodeId(ua.ObjectIds.HasSubtype)
        data_type = next(
            (
                reference.NodeId
                for reference in node.references
                if reference.ReferenceTypeId == subtype and not reference.IsForward
            ),
            data_type,
        )
    return None


def suits(variant: Any, kinds: frozenset[Any] | None, rank: int | None) -> bool:
    """Whether it is of one of the types, and of the node's ValueRank."""
    if kinds is not None and variant.VariantType not in kinds:
        return False
    if variant.VariantType == ua.VariantType.Null:
        return False
    return rank is None or _has_rank(variant, rank)


def rank_of(variant: Any) -> int:
    """The number of dimensions of a value; 0 for a scalar."""
    # asyncua's importer of nodesets leaves is_array unset where it should be.
    if not variant.is_array and not isinstance(variant.Value, list | tuple):
        return 0
    return len(variant.Dimensions) if variant.Dimensions else 1


def _has_rank(variant: Any, rank: int) -> bool:
    dimensions = rank_of(variant)
    match rank:
        case -2:
            return True
        case -3:
            return dimensions <= 1
        case -1:
            return dimensions == 0
        case 0:
            return dimensions >= 1
    return dimensions == rank


def bytes_as_array(variant: Any, kinds: frozenset[Any] | None, rank: int | None) -> Any:
    """Converts a ByteString to an array of Byte where one is expected; other values unchanged."""
    if (
        kinds == frozenset({ua.VariantType.Byte})
        and rank not in (None, -1)
        and variant.VariantType == ua.VariantType.ByteString
        and isinstance(variant.Value, bytes)
    ):
        return ua.Variant(list(variant.Value), ua.VariantType.Byte, is_array=True)
    return variant
