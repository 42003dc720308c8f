"""What one probe came to, as data. No key and no token is ever in a record."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from edge_lab.probes.alerts import alert_name

HEAD = 300
"""So many characters of an answer's body are kept."""


class Step(StrEnum):
    """How far a probe got: where it was when it ended."""

    CONNECT = "connect"
    HANDSHAKE = "handshake"
    READ = "read before write"
    """After the handshake, before anything is written: where TLS 1.3 tells what it thinks of a
    client's certificate."""
    ANSWER = "answer"


class Ended(StrEnum):
    """How it ended there."""

    ANSWERED = "answered"
    """By an HTTP answer."""
    ACCEPTED = "accepted"
    """The connection stands, the certificate has been taken, and nothing was to be asked."""
    ALERT = "alert"
    REFUSED = "refused"
    """By a word of the protocol's own, which is `ProbeRecord.refusal`."""
    CLOSED = "closed"
    """By the peer, without an alert or an answer."""
    SILENT = "silent"
    """Nothing came in time."""
    NOT_CONNECTED = "not connected"
    NOT_TLS = "not TLS"
    """What came back to a ClientHello is no TLS."""
    LOCAL = "local"
    """The probe's own side refused: it says nothing of the peer."""


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
    """The first part of it."""


class ProbeRecord(_Model):
    """One try of one endpoint, by one probe, from one place."""

    endpoint: str
    probe: str
    client: str
    """The node that the connection was made from; `host` if none."""
    address: str
    port: int
    step: Step
    ended: Ended
    tls: str = ""
    """The protocol version that was agreed on; empty before that, and without TLS."""
    cipher: str = ""
    alpn: str = ""
    alert: Alert | None = None
    http: HttpAnswer | None = None
    refusal: str = ""
    """By name, where the protocol is neither TLS nor HTTP: an OPC UA status code."""
    server: ServerShown | None = None
    serial: str = ""
    """Of the certificate that the probe showed, in decimal, as the API server's log has it."""
    ticket: bool = False
    """Whether a session ticket came before anything was written."""
    resumed: bool = False
    """Whether the session was an earlier one's: the server showed no certificate."""
    detail: str = ""
    """In the library's words; they change from version to version and decide nothing."""
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
