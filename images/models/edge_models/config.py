"""The configuration of a node's programs, from a file of JSON that the lab writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .kubeapi import Api
from .registry import Source


@dataclass(frozen=True)
class Register:
    """One input of the model in the device's block of holding registers."""

    name: str
    register: int
    kind: str


@dataclass(frozen=True)
class FeedConfig:
    """The device whose steps are inputs of the model."""

    model: str
    host: str
    port: int
    unit: int
    inputs: tuple[Register, ...]
    target: int
    """Index of the input that the model predicts for the next step."""
    every: float
    """Seconds between two reads."""


@dataclass(frozen=True)
class TlsConfig:
    """A second port of the server, for other nodes; only who has a certificate is admitted."""

    host: str
    port: int
    authority: str
    certificate: str
    key: str


@dataclass(frozen=True)
class Config:
    node: str
    folder: Path
    namespace: str
    api: Mapping[str, str]
    sources: tuple[Source, ...]
    host: str
    port: int
    """Of the server, for programs of the node."""
    tls: TlsConfig | None
    feed: FeedConfig | None
    cloud: Mapping[str, str]
    """How the cloud's server is reached from this node: url, authority, certificate, key."""
    beat: float
    """Seconds between two reports to the API server."""
    health: int
    """Port of the operator's health, on the server node."""

    @property
    def journal(self) -> Path:
        """What the agent did."""
        return self.folder / "agent.jsonl"

    @property
    def requests(self) -> Path:
        """The feed's requests and their answers."""
        return self.folder / "requests.jsonl"

    def model(self, name: str) -> Path:
        return self.folder / "models" / name

    def client(self) -> Api:
        return Api(
            self.api["url"],
            authority=self.api["authority"],
            certificate=self.api["certificate"],
            key=self.api["key"],
        )


def read_config(path: Path) -> Config:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    feed, tls = found.get("feed"), found.get("tls")
    return Config(
        node=found["node"],
        folder=Path(found["folder"]),
        namespace=found["namespace"],
        api=found["api"],
        sources=tuple(Source(**one) for one in found["sources"]),
        host=found["host"],
        port=found["port"],
        tls=TlsConfig(**tls) if tls else None,
        feed=FeedConfig(**{**feed, "inputs": tuple(Register(**one) for one in feed["inputs"])})
        if feed
        else None,
        cloud=found.get("cloud", {}),
        beat=found["beat"],
        health=found.get("health", 0),
    )
