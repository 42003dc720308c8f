"""The configuration of a node's mapper: one JSON file, read once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ApiConfig:
    """The API server, and the mapper's credentials. All but `url` are paths of PEM files."""

    url: str
    authority: str
    certificate: str
    key: str


@dataclass(frozen=True)
class DmiConfig:
    """Two Unix sockets: the edge core's, and the one for calls to the mapper."""

    socket: str
    own: str


@dataclass(frozen=True)
class OpcUaConfig:
    """The mapper as an OPC UA client. All but `uri` are paths of PEM files."""

    uri: str
    authority: str
    certificate: str
    key: str


@dataclass(frozen=True)
class Config:
    """One of `api` and `dmi` is set: the transport of twins."""

    node: str
    api: ApiConfig | None = None
    dmi: DmiConfig | None = None
    opcua: OpcUaConfig | None = None


def parse_config(text: str) -> Config:
    """Parses the configuration in `text`; ValueError if it is invalid."""
    try:
        raw: dict[str, Any] = json.loads(text)
        config = Config(
            node=raw["node"],
            api=ApiConfig(**raw["api"]) if raw.get("api") else None,
            dmi=DmiConfig(**raw["dmi"]) if raw.get("dmi") else None,
            opcua=OpcUaConfig(**raw["opcua"]) if raw.get("opcua") else None,
        )
    except (KeyError, TypeError) as trouble:
        raise ValueError(f"not a configuration of a mapper: {trouble}") from trouble
    if (config.api is None) == (config.dmi is None):
        raise ValueError("not a configuration of a mapper: it needs one of api and dmi")
    return config


def read_config(path: Path) -> Config:
    """The configuration in the file `path`."""
    return parse_config(path.read_text(encoding="utf-8"))
