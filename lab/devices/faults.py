"""Faults of devices, as data.

A fault changes how a device answers, never what it shows: the ground truth stays correct.  Its
description follows the device's name: "boiler slow by 2 s".
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from edge_lab.core.errors import InputError
from edge_lab.devices.protocols.catalog import PLUGINS, protocol_of

LONGEST_DELAY_MS = 60_000.0

Milliseconds = Annotated[float, Field(ge=0, le=LONGEST_DELAY_MS, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seed = Annotated[int, Field(ge=0)]
Period = Annotated[float | None, Field(ge=0.05, le=86_400, allow_inf_nan=False)]


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def needs_server(self) -> bool:
        """Whether it is only possible for a device that the lab itself serves."""
        return True

    def exists_on(self, protocol: str) -> bool:
        """Whether a device of that protocol can have this fault."""
        descriptor = protocol_of(protocol)
        served = descriptor.is_served or not self.needs_server
        return served and getattr(self, "kind", "") in descriptor.faults

    def check(self, protocol: str) -> None:
        """Raises InputError if a device of that protocol cannot have this fault."""
        if not self.exists_on(protocol):
            exists = " and ".join(sorted(name for name in PLUGINS.names() if self.exists_on(name)))
            kind = getattr(self, "kind", "")
            raise InputError(
                f"the fault {kind!r} does not exist on {protocol}",
                remedy=f"It is one of {exists}.",
            )


class Gone(_Fault):
    """The device is gone.

    `silent`: as without power. Nothing answers on its link, not even ARP; when it is back, old
    connections are reset and OPC UA sessions are unknown, as after a restart of the device.
    `refused`: connections are refused, and existing ones are closed.
    """

    kind: Literal["gone"] = "gone"
    how: Literal["silent", "refused"] = "silent"

    @property
    def needs_server(self) -> bool:
        return self.how != "silent"

    def __str__(self) -> str:
        return "gone" if self.how == "silent" else "gone, refusing connections"


class Slow(_Fault):
    """Each answer is delayed by `delay_ms` ± `jitter_ms` (uniform); the order is kept.

    In OPC UA the answers of the handshake are delayed too, so that connecting takes several
    times as long.
    """

    kind: Literal["slow"] = "slow"
    delay_ms: Milliseconds
    jitter_ms: Milliseconds = 0.0
    seed: Seed = 0

    @model_validator(mode="after")
    def _not_before_the_request(self) -> Slow:
        if self.jitter_ms > self.delay_ms:
            raise ValueError("jitter_ms must not be more than delay_ms")
        return self

    def __str__(self) -> str:
        jitter = f" ± {_time(self.jitter_ms)}" if self.jitter_ms else ""
        return f"slow by {_time(self.delay_ms)}{jitter}"


class Exceptions(_Fault):
    """Requests are not executed but answered with a Modbus exception of that code.

    In OPC UA, reads return BadDeviceFailure, whatever the code; there `probability` is the
    fraction of the plant's steps that cannot be read.
    """

    kind: Literal["exceptions"] = "exceptions"
    code: int = Field(6, ge=1, le=255, description="6 is 'server device busy'.")
    probability: Probability = 1.0
    seed: Seed = 0

    def __str__(self) -> str:
        return f"answers with exception {self.code}{_part(self.probability)}"


class Junk(_Fault):
    """An answer is replaced by the same number of bytes that are not valid in the protocol."""

    kind: Literal["junk"] = "junk"
    probability: Probability = 1.0
    seed: Seed = 0

    def __str__(self) -> str:
        return f"answers with junk{_part(self.probability)}"


class Split(_Fault):
    """Each answer is sent in `pieces`, `gap_ms` apart."""

    kind: Literal["split"] = "split"
    pieces: int = Field(3, ge=2, le=1000)
    gap_ms: Milliseconds = 100.0

    def __str__(self) -> str:
        return f"answers in {self.pieces} pieces {_time(self.gap_ms)} apart"


class Late(_Fault):
    """Each answer is held back until the next request has arrived.

    So a client that has stopped waiting receives, as the answer to its request, that to the
    earlier one, with the earlier transaction identifier.  RTU frames have none: their clients
    cannot detect it.
    """

    kind: Literal["late"] = "late"

    def __str__(self) -> str:
        return "answers one request late"


class BadCrc(_Fault):
    """Answers are complete, but have a wrong checksum."""

    kind: Literal["bad-crc"] = "bad-crc"
    probability: Probability = 1.0
    seed: Seed = 0

    def __str__(self) -> str:
        return f"answers with a bad CRC{_part(self.probability)}"


class Busy(_Fault):
    """The number of connections is limited, as for a gateway with few sockets.

    Further connections are closed as soon as they are accepted; existing ones are served. Reads of
    the device by itself do not count as clients, but need a free socket.
    """

    kind: Literal["busy"] = "busy"
    connections: int = Field(1, ge=0, le=32)

    def __str__(self) -> str:
        some = "connection" if self.connections == 1 else "connections"
        return (
            f"takes at most {self.connections} {some}" if self.connections else f"takes no {some}"
        )


class SessionDrop(_Fault):
    """All sessions are closed at once with their subscriptions, and all connections; with
    `period_s` again after each period.  A client must create a new session."""

    kind: Literal["session-drop"] = "session-drop"
    period_s: Period = None

    def __str__(self) -> str:
        return f"drops all sessions{_again(self.period_s)}"


class Reset(_Fault):
    """The device resets in the middle of a transaction: it has received a request, and its answer
    is never sent; with `period_s` again after each period.

    Connections are lost silently: clients notice it by the answer to their next request.  The
    memory is kept.
    """

    kind: Literal["reset"] = "reset"
    period_s: Period = None

    def __str__(self) -> str:
        return f"resets in mid transaction{_again(self.period_s)}"


class BrownOut(_Fault):
    """The supply voltage drops for `off_ms`; with `period_s` again after each period.

    Meanwhile the device has no power, as with `gone`.  Afterwards it starts with the default
    setpoint and coils; the number of the step continues.
    """

    kind: Literal["brown-out"] = "brown-out"
    off_ms: float = Field(500, ge=0, le=10_000, allow_inf_nan=False)
    period_s: Period = None

    def __str__(self) -> str:
        return f"without power for {_time(self.off_ms)}{_again(self.period_s)}"


class Hang(_Fault):
    """The task that answers hangs until the watchdog resets the device; with `period_s` again
    after each period.

    Meanwhile TCP accepts connections and acknowledges requests, but nothing is answered.
    """

    kind: Literal["hang"] = "hang"
    period_s: Period = None

    def __str__(self) -> str:
        return f"hangs until its watchdog bites{_again(self.period_s)}"


class SlowClock(_Fault):
    """The device's clock has only `rate` of its frequency: its steps come later."""

    kind: Literal["slow-clock"] = "slow-clock"
    rate: float = Field(0.5, ge=0.1, le=0.9, allow_inf_nan=False)

    def __str__(self) -> str:
        return f"has a clock at {self.rate * 100:g} % of its rate"


class Untrusted(_Fault):
    """No client's certificate is trusted any more, except the device's own.

    Existing sessions are closed, new ones are refused and counted.
    """

    kind: Literal["untrusted"] = "untrusted"

    def __str__(self) -> str:
        return "trusts no client"


AnyFault = (
    Gone
    | Slow
    | Exceptions
    | Junk
    | Split
    | Late
    | BadCrc
    | Busy
    | SessionDrop
    | Untrusted
    | Reset
    | BrownOut
    | Hang
    | SlowClock
)
DeviceFault = Annotated[AnyFault, Field(discriminator="kind")]
DEVICE_FAULT: TypeAdapter[DeviceFault] = TypeAdapter(DeviceFault)


def _time(ms: float) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms:g} ms"


def _again(period_s: float | None) -> str:
    return f" every {period_s:g} s" if period_s else ""


def _part(probability: float) -> str:
    return "" if probability == 1 else f" {probability * 100:g} % of the time"
