"""The result of one probe, as data. A record never contains a key or a token."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edge_lab.probes.alerts import alert_name

HEAD = 300
"""Maximum characters of a response body that are kept."""


class Step(StrEnum):
    """The step at which a probe ended."""

    CONNECT = "connect"
    HANDSHAKE = "handshake"
    READ = "read before write"
    """After the handshake, before anything is written: when a TLS 1.3 server refuses a client's
    certificate."""
    ANSWER = "answer"


class Ended(StrEnum):
    """How it ended there."""

    ANSWERED = "answered"
    """By an HTTP answer."""
    ACCEPTED = "accepted"
    """Connected, the certificate was accepted, and there was no request to make."""
    ALERT = "alert"
    REFUSED = "refused"
    """Refused by a status code of the protocol, which is `ProbeRecord.refusal`."""
    CLOSED = "closed"
    """Closed by the peer, without an alert or a response."""
    SILENT = "silent"
    """Nothing was received in time."""
    NOT_CONNECTED = "not connected"
    NOT_TLS = "not TLS"
    """The answer to a ClientHello was not TLS."""
    LOCAL = "local"
    """The probe's own side refused: it says nothing about the peer."""


class Direction(StrEnum):
    RECEIVED = "received"
    SENT = "sent"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Alert(_Model):
    number: Annotated[int, Field(ge=0, le=255)]
    direction: Direction = Direction.RECEIVED
    fatal: bool = True

    @property
    def name(self) -> str:
        return alert_name(self.number)

    def __str__(self) -> str:
        return f"{self.number} {self.name}"


class ServerShown(_Model):
    """The certificate that the server presented."""

    subject: str
    issuer: str
    names: tuple[str, ...] = ()
    """Its subject alternative names."""
    starts: datetime
    ends: datetime
    serial: str


class HttpAnswer(_Model):
    status: int
    body: str = ""
    """The beginning of the body."""


class ProbeRecord(_Model):
    """One attempt at one endpoint, by one probe, from one place."""

    endpoint: str
    probe: str
    client: str
    """The node that connected; `host` if none."""
    address: str
    port: int
    step: Step
    ended: Ended
    tls: str = ""
    """The negotiated protocol version; empty before that, and without TLS."""
    cipher: str = ""
    alpn: str = ""
    alert: Alert | None = None
    http: HttpAnswer | None = None
    refusal: str = ""
    """By name, where the protocol is neither TLS nor HTTP: an OPC UA status code."""
    server: ServerShown | None = None
    serial: str = ""
    """Serial number of the probe's certificate, in decimal, as in the API server's log."""
    ticket: bool = False
    """Whether a session ticket was received before anything was written."""
    resumed: bool = False
    """Whether an earlier session was resumed: the server presented no certificate."""
    detail: str = ""
    """The library's message; it changes between versions and is not used in verdicts."""
    seconds: float
    time: int
    """ns since 1970 at which it began."""

    @property
    def shown(self) -> str:
        """In a few words, for tables."""
        if self.http is not None:
            return f"HTTP {self.http.status}"
        if self.alert is not None:
            return f"alert {self.alert}"
        if self.refusal:
            return self.refusal
        return self.ended.value

    def __str__(self) -> str:
        tls = f", {self.tls} {self.cipher}".rstrip() if self.tls else ""
        return (
            f"{self.probe} at {self.endpoint} from {self.client}: {self.shown} ({self.step}{tls})"
        )
