"""Fields that hold any fault: loaded by its name in the catalog, dumped with all its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import PlainValidator, SerializeAsAny, TypeAdapter
from pydantic_core import PydanticCustomError

from edge_lab.faults.catalog import kind_named
from edge_lab.faults.fault import Fault


def _read(value: Any) -> Fault:
    """Raises InputError if there is no such fault."""
    if isinstance(value, Fault):
        return value
    if not isinstance(value, Mapping) or "fault" not in value:
        raise PydanticCustomError("no_fault", "a fault must be a mapping with the key `fault`")
    return kind_named(str(value["fault"])).model_validate(value)


AnyFault = Annotated[SerializeAsAny[Fault], PlainValidator(_read)]
"""A field that holds a fault of any family."""

FAULT: TypeAdapter[Fault] = TypeAdapter(AnyFault)
