"""Which network interfaces of the host can be the end of a link.

Everything on a link's wire is a part of the lab.  So an interface over which the host itself
speaks is refused: faults would cut off the host, and what is on the wire would reach it.
"""

from __future__ import annotations

import fcntl
import json
import socket
import struct
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError

CAPABILITY_REMEDY = (
    "Without being root: sudo setpriv --reuid $USER --regid $(id -g) --init-groups "
    "--inh-caps +net_raw --ambient-caps +net_raw lab up …"
)

_SIOCGIWNAME = 0x8B01
_SECONDS = 10.0

Row = Mapping[str, Any]
"""One object of what `ip -json` prints."""


@dataclass(frozen=True)
class InterfaceObjection:
    """Why an interface cannot be the end of a link."""

    message: str
    remedy: str

    def error(self) -> InputError:
        return InputError(self.message, remedy=self.remedy)


def find_objection(name: str) -> InterfaceObjection | None:
    """Why the interface `name` cannot be the end of a link now; None if it can."""
    if name not in (known := [name for _, name in socket.if_nameindex()]):
        return InterfaceObjection(
            f"this host has no network interface {name!r}", f"Available: {', '.join(known)}."
        )
    (link,) = _ip("address", "show", "dev", name) or [{}]
    routes = [
        route
        for family in ("-4", "-6")
        for route in _ip(family, "route", "show", "table", "all", "dev", name)
    ]
    return judge(name, link, routes, is_wireless=_is_wireless(name))


def judge(
    name: str, link: Row, routes: Sequence[Row], *, is_wireless: bool = False
) -> InterfaceObjection | None:
    """The same, from what `ip -json address` and `ip -json route` print of it."""
    if link.get("link_type") != "ether":
        return InterfaceObjection(
            f"{name} is not an Ethernet interface ({link.get('link_type', 'unknown')})",
            "Use a cable's interface.",
        )
    if any(route.get("dst") == "default" for route in routes):
        return InterfaceObjection(
            f"{name} carries a default route of this host",
            "Use an interface that the host does not use itself: a second card, or a USB adapter.",
        )
    addresses = [
        f"{address['local']}/{address['prefixlen']}"
        for address in link.get("addr_info", ())
        if "local" in address
    ]
    if addresses:
        return InterfaceObjection(
            f"{name} has an address of this host: {', '.join(addresses)}",
            "If the host does not need it, as root: "
            f"sysctl -w net.ipv6.conf.{name}.disable_ipv6=1; "
            f"ip address flush dev {name} (and keep NetworkManager off: "
            f"nmcli device set {name} managed no).",
        )
    if master := link.get("master"):
        return InterfaceObjection(
            f"{name} is a port of {master}",
            f"As root, if it need not be: ip link set {name} nomaster",
        )
    if is_wireless:
        return InterfaceObjection(
            f"{name} is a wireless interface, which carries frames of its own address only",
            "Use a cable's interface.",
        )
    if "UP" not in link.get("flags", ()):
        return InterfaceObjection(f"{name} is down", f"As root: ip link set {name} up")
    return None


def _ip(*words: str) -> list[Row]:
    """What `ip -json` prints; nothing where it fails, as with a family that the host lacks."""
    try:
        done = subprocess.run(
            ["ip", "-json", *words],
            capture_output=True,
            text=True,
            timeout=Deadline.scaled(_SECONDS).remaining,
            check=False,
        )
        found = json.loads(done.stdout or "[]")
    except FileNotFoundError as trouble:
        raise InputError(
            "ip is not installed", remedy="As root: apt-get install iproute2"
        ) from trouble
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [row for row in found if row]


def _is_wireless(name: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            fcntl.ioctl(asked, _SIOCGIWNAME, struct.pack("16s16x", name.encode()))
        except OSError:
            return False
    return True
