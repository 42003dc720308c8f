"""Options of devices: those of Modbus and of OPC UA."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

OpcUaPoint = Literal["phase", "force", "position", "parts", "oil_temperature", "setpoint"]
"""The points of an OPC UA device: the names in edge_lab.devices.plant."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _all_different(values: tuple[StrEnum, ...]) -> tuple[StrEnum, ...]:
    if twice := sorted({str(value) for value in values if values.count(value) > 1}):
        raise ValueError(f"{', '.join(twice)} is listed twice")
    return values


Once = AfterValidator(_all_different)


# -- Modbus ------------------------------------------------------------------------------


class WordOrder(StrEnum):
    """Which register of a 32-bit value comes first; the bytes of a register stay big-endian."""

    BIG = "big"
    """The high word."""
    LITTLE = "little"
    """The low word."""


class ModbusOptions(_Model):
    word_order: WordOrder = Field(
        WordOrder.BIG, description="Which register of a 32-bit value comes first: the high word."
    )


# -- Serial line --------------------------------------------------------------------------

PSEUDO_TERMINAL = "pty"
"""Instead of a port: the lab makes a pseudo-terminal."""


class Parity(StrEnum):
    EVEN = "even"
    ODD = "odd"
    NONE = "none"


class SerialOptions(_Model):
    """A serial line and its settings; the defaults are those of Modbus (V1.02, section 2.5.1)."""

    port: str = Field(
        PSEUDO_TERMINAL,
        pattern=r"^(pty|/dev/.+)$",
        description="A serial port of the host, as /dev/ttyUSB0; or pty: the lab makes one.",
    )
    baud: int = Field(19_200, ge=300, le=921_600)
    parity: Parity = Parity.EVEN
    stop_bits: Literal[1, 2] = 1


# -- OPC UA ------------------------------------------------------------------------------


class SecurityPolicy(StrEnum):
    BASIC256SHA256 = "Basic256Sha256"
    AES128SHA256RSAOAEP = "Aes128Sha256RsaOaep"
    AES256SHA256RSAPSS = "Aes256Sha256RsaPss"


class SecurityMode(StrEnum):
    SIGN = "Sign"
    SIGN_AND_ENCRYPT = "SignAndEncrypt"


class Login(StrEnum):
    """How a user proves who they are, once the channel's certificate is trusted."""

    ANONYMOUS = "anonymous"
    PASSWORD = "password"  # noqa: S105
    CERTIFICATE = "certificate"


class Signal(StrEnum):
    """A node whose values are sometimes or permanently wrong."""

    SPIKE = "spike"
    """A sine with occasional spikes of one step."""
    DIP = "dip"
    """A sine with occasional dips of one step."""
    RISING = "rising"
    """Constant at first, then growing by one with each step."""
    FALLING = "falling"
    """Constant at first, then falling by one with each step."""


class Alarm(_Model):
    """A condition that becomes active when a point passes a limit, in the point's unit."""

    point: OpcUaPoint
    high: float | None = Field(None, description="Active above it.", allow_inf_nan=False)
    low: float | None = Field(None, description="Active below it.", allow_inf_nan=False)
    severity: int = Field(500, ge=1, le=1000)

    @model_validator(mode="after")
    def _has_limits(self) -> Alarm:
        if self.high is None and self.low is None:
            raise ValueError("an alarm needs a limit: high, low or both")
        if self.high is not None and self.low is not None and self.low >= self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        return self


class FastNodes(_Model):
    """Nodes that all count up by one in each period."""

    count: int = Field(1, ge=1, le=1000)
    period_ms: int = Field(100, ge=10, le=60_000, description="Time between two values, ms.")


class SlowNodes(_Model):
    """Like fast nodes, with a longer default period."""

    count: int = Field(1, ge=1, le=1000)
    period_ms: int = Field(10_000, ge=10, le=3_600_000, description="Time between two values, ms.")


class OpcUaOptions(_Model):
    policies: Annotated[tuple[SecurityPolicy, ...], Once] = Field(
        (SecurityPolicy.BASIC256SHA256,), min_length=1
    )
    modes: Annotated[tuple[SecurityMode, ...], Once] = Field(
        (SecurityMode.SIGN_AND_ENCRYPT,),
        min_length=1,
        description="Combined with each of the policies.",
    )
    logins: Annotated[tuple[Login, ...], Once] = Field((Login.ANONYMOUS,), min_length=1)
    users: dict[str, str] = Field(
        default_factory=dict, description="Passwords by name, for the login `password`."
    )
    history: int = Field(
        0, ge=0, le=100_000, description="Values of each node kept for HistoryRead; 0 keeps none."
    )
    alarms: tuple[Alarm, ...] = ()
    signals: Annotated[tuple[Signal, ...], Once] = ()
    anomaly: float = Field(
        0.02,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Fraction of the steps that spike or dip.",
    )
    fast: FastNodes | None = None
    slow: SlowNodes | None = None
    nodesets: tuple[Path, ...] = Field(
        (), description="NodeSet2 XML files to import, relative to the topology file."
    )

    @property
    def login(self) -> Login:
        """The credentials with which a device reads itself."""
        return Login.ANONYMOUS if Login.ANONYMOUS in self.logins else self.logins[0]

    @property
    def groups(self) -> dict[str, FastNodes | SlowNodes]:
        """The counting nodes, by the name of their folder."""
        groups = {"fast": self.fast, "slow": self.slow}
        return {name: group for name, group in groups.items() if group is not None}

    @model_validator(mode="after")
    def _consistent(self) -> OpcUaOptions:
        if Login.PASSWORD in self.logins and not self.users:
            raise ValueError("the login password needs users, as in users: {operator: secret}")
        if self.users and Login.PASSWORD not in self.logins:
            raise ValueError("users need the login password, as in logins: [password]")
        points = [alarm.point for alarm in self.alarms]
        if twice := [point for point in dict.fromkeys(points) if points.count(point) > 1]:
            raise ValueError(f"{twice[0]} has more than one alarm; give one both limits")
        return self
