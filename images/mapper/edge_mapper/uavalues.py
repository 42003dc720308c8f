"""Conversion of OPC UA's values to those of twins, and back.

As text: a LocalizedText is its text, a ByteString base64, a DateTime ISO 8601 in UTC, a
QualifiedName `index:name`, a StatusCode its name, a structure a JSON object of its fields.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from .fields import MALFORMED
from .lines import Declined, Refusal
from .values import (
    Refused,
    Value,
    parse_array,
    parse_bytes,
    parse_decimal,
    parse_integer,
    parse_truth,
    single,
)

_UTC = timezone.utc  # noqa: UP017 - has another name before Python 3.11
_NODE_ID = re.compile(
    r"(?:ns=([0-9]{1,5});)?(?=i=[0-9]{1,10}$|[sgb]=)([isgb])=(.+)", re.ASCII | re.DOTALL
)
_LEAST_FLOAT = 2.0**-150
"""What is not more than this is nothing in 32 bits."""


def check_node_id(text: str) -> None:
    """ValueError if the text names no node. Parsed here: asyncua takes long to import."""
    found = _NODE_ID.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a node id")
    namespace, kind, identifier = found.groups()
    if int(namespace or 0) > 0xFFFF or (kind == "i" and int(identifier) > 0xFFFF_FFFF):
        raise ValueError(f"a number is too large in {text!r}")
    if kind == "g":
        UUID(identifier)
    if kind == "b":
        base64.b64decode(identifier.encode("ascii"), validate=True)


# -- reading -------------------------------------------------------------------------------


def answer_of(read: Any) -> Value | Refusal:
    """What a DataValue says: a value, or why there is none."""
    if read.StatusCode is not None and not read.StatusCode.is_good():
        return Refusal(status_text(read.StatusCode))
    variant = read.Value
    if variant is None or (variant.Value is None and variant.VariantType.name not in _TEXTS):
        return Refusal("its value is null")
    try:
        return plain(variant.Value, variant.VariantType)
    except MALFORMED as trouble:
        return Refusal(f"its value makes no sense: {type(trouble).__name__} {trouble}")


_TEXTS = ("String", "ByteString", "LocalizedText", "XmlElement")
"""Types of which null and empty are one and the same to a reader."""


def status_text(status: Any) -> str:
    """A status by name and number."""
    return f"{status.name} ({status.value:#010X})".replace("0X", "0x")


def plain(value: Any, kind: Any = None) -> Value:
    """A value of asyncua's as a twin's; `kind` is its variant's type."""
    name = getattr(kind, "name", "")
    if isinstance(value, float):
        return single(value) if name == "Float" else value
    if isinstance(value, list):
        return [plain(each, kind) for each in value]
    if value is None:
        return "" if name in _TEXTS else None
    if isinstance(value, Enum):
        return plain(value.value, kind)
    if isinstance(value, bool | int | str | bytes):
        return value
    if isinstance(value, datetime):
        return _time_text(value)
    if isinstance(value, UUID):
        return str(value)
    return _structured(value)


def _structured(value: Any) -> Value:
    from asyncua import ua

    if isinstance(value, ua.LocalizedText):
        return value.Text or ""
    if isinstance(value, ua.QualifiedName):
        return f"{value.NamespaceIndex}:{value.Name or ''}"
    if isinstance(value, ua.StatusCode):
        return str(value.name)
    if isinstance(value, ua.XmlElement):
        return value.Value or ""
    if isinstance(value, ua.Variant):
        return plain(value.Value, value.VariantType)
    if isinstance(value, ua.DataValue):
        return plain(value.Value)
    if isinstance(value, ua.NodeId):
        return str(value.to_string())
    if is_dataclass(value):
        return {
            each.name: plain(
                getattr(value, each.name),
                ua.VariantType.Float if "Float" in str(each.type) else None,
            )
            for each in fields(value)
        }
    return str(value)


def _time_text(value: datetime) -> str:
    text = value.astimezone(_UTC).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0') if '.' in text else text}Z"


# -- writing -------------------------------------------------------------------------------


def packable(value: Value, kind: Any, is_array: bool | None = None) -> Any:
    """The value as a variant of that type; Declined if the type does not hold it.

    Text stands for a value of the node's type, and for an array if it looks like one;
    `is_array` says whether the node holds one, where its type is text itself.
    """
    from asyncua import ua
    from asyncua.ua.ua_binary import variant_to_binary

    if is_array is None:
        is_array = isinstance(value, str) and value.startswith("[") and kind.name not in _TEXTS
    try:
        if isinstance(value, str) and is_array:
            value = parse_array(value, lambda text: _scalar(text, kind))
        elif isinstance(value, list):
            value = _each(value, kind)
        else:
            value = _scalar(value, kind)
        variant = ua.Variant(value, kind)
        variant_to_binary(variant)
    except Refused as trouble:
        raise Declined(f"{trouble}, which {kind.name} asks for") from trouble
    except Declined:
        raise
    # What does not fit is met in many ways: by struct, by an attribute that is not there.
    except Exception as trouble:
        raise Declined(f"{value!r} does not fit into {kind.name}") from trouble
    return variant


def _each(values: list[Value], kind: Any) -> list[Value]:
    return [_each(each, kind) if isinstance(each, list) else _scalar(each, kind) for each in values]


_INTEGERS = ("SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64")
_FRACTIONS = ("Float", "Double")


def _scalar(value: Value, kind: Any) -> Any:
    """A value of one of the types that asyncua packs as that kind."""
    name = kind.name
    if name == "Boolean":
        value = parse_truth(value) if isinstance(value, str) else value
        if isinstance(value, bool):
            return value
    elif name in _INTEGERS:
        value = parse_integer(value) if isinstance(value, str) else value
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float | Decimal) and value == int(value):
            return int(value)
    elif name in _FRACTIONS:
        value = parse_decimal(value) if isinstance(value, str) else value
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            found = float(value)
            if name == "Float" and 0.0 < abs(found) <= _LEAST_FLOAT:
                raise Declined(f"{value} is too small for a Float")
            return found
    elif name == "ByteString":
        return parse_bytes(value) if isinstance(value, str) else _bytes(value)
    elif isinstance(value, str) and name in _FROM_TEXT:
        return _FROM_TEXT[name](value)
    raise Declined(f"{value!r} does not fit into {name}")


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise Declined(f"{value!r} does not fit into ByteString")
    return value


def _time(text: str) -> datetime:
    """ISO 8601, in UTC if it does not say."""
    found = datetime.fromisoformat(re.sub(r"[zZ]$", "+00:00", text))
    if found.tzinfo is None:
        found = found.replace(tzinfo=_UTC)
    return found.astimezone(_UTC)


def _localized(text: str) -> Any:
    from asyncua import ua

    return ua.LocalizedText(text)


def _qualified(text: str) -> Any:
    from asyncua import ua

    return ua.QualifiedName.from_string(text)


def _node_id(text: str) -> Any:
    from asyncua import ua

    check_node_id(text)
    return ua.NodeId.from_string(text)


def _xml(text: str) -> Any:
    from asyncua import ua

    return ua.XmlElement(text)


def _status(text: str) -> Any:
    from asyncua import ua

    return ua.StatusCode(getattr(ua.StatusCodes, text))


_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "String": str,
    "DateTime": _time,
    "Guid": UUID,
    "LocalizedText": _localized,
    "QualifiedName": _qualified,
    "NodeId": _node_id,
    "XmlElement": _xml,
    "StatusCode": _status,
}
