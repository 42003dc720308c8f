"""The base model of all data of the fabric."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Immutable; rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)
