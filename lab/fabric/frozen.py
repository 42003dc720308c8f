"""What all data of the fabric has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """Refuses keys that it does not know, and is never changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
