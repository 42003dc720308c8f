"""A device's end of its link: an anonymous network namespace with a single tap.

The UDP socket is created first, in the host's namespace, and stays there: a socket belongs to
the namespace in which it was created.  The tap is created after `unshare`, in the new namespace,
which has no name and ends with its process.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

from edge_lab.core.errors import LabError

TUN = Path("/dev/net/tun")
NIC = "plant0"
"""The name of the tap in the device's namespace."""

MAX_FRAME = 65_536
_BATCH = 64
"""Maximum number of frames forwarded before other events are handled."""

# <linux/if_tun.h>, <linux/sockios.h>, <linux/if.h>, <sched.h>
_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_IFF_UP = 0x1
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000


def open_wire(endpoint_port: int, fabric_port: int) -> socket.socket:
    """The UDP socket of a device's end: one datagram is one Ethernet frame.

    Raises:
        LabError: the port is in use.
    """
    wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wire.setblocking(False)
    try:
        wire.bind(("127.0.0.1", endpoint_port))
    except OSError as trouble:
        wire.close()
        raise LabError(
            f"UDP port {endpoint_port} on 127.0.0.1 cannot be bound: {trouble.strerror}",
            remedy="Another process uses it, perhaps the same device of a running lab; "
            "`lab down` ends that.",
        ) from trouble
    wire.connect(("127.0.0.1", fabric_port))
    return wire


def enter_namespace(*, as_root: bool | None = None) -> None:
    """Moves this process, which must have a single thread, to a new network namespace.

    Without root it enters a user namespace too, in which it is root.

    Raises:
        LabError: the kernel does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    if as_root is None:
        as_root = os.geteuid() == 0
    flags = _CLONE_NEWNET | (0 if as_root else _CLONE_NEWUSER)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags):
        number = ctypes.get_errno()
        raise LabError(
            f"cannot create a network namespace: {os.strerror(number)}",
            remedy="Without root, the kernel must allow user namespaces: "
            "sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces, "
            "and no AppArmor restriction on them.",
        )
    if not as_root:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")


def join_namespace(pid: int) -> None:
    """Moves this process to the network namespace of another one.

    Raises:
        LabError: it has ended, or the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        with Path(f"/proc/{pid}/ns/net").open("rb") as namespace:
            failed = libc.setns(namespace.fileno(), _CLONE_NEWNET)
    except OSError as trouble:
        raise LabError(f"process {pid} has no namespace: {trouble.strerror}") from trouble
    if failed:
        raise LabError(
            f"cannot join the network namespace of process {pid}: "
            f"{os.strerror(ctypes.get_errno())}",
            remedy="Containers as devices need root.",
        )


def open_tap(address: IPv4Interface, mac: str, device: Path = TUN) -> int:
    """A tap with that address, up, in this process's namespace. Returns its descriptor.

    Raises:
        LabError: the tun device cannot be opened, or the tap cannot be configured.
    """
    try:
        tap = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as trouble:
        raise LabError(
            f"cannot open {device}: {trouble.strerror}",
            remedy=f"The lab needs read/write permission on {device}; Debian's default is 0666. "
            "If it is missing: `modprobe tun`.",
        ) from trouble
    try:
        request = struct.pack("16sH22x", NIC.encode(), _IFF_TAP | _IFF_NO_PI)
        fcntl.ioctl(tap, _TUNSETIFF, request)
        commands = (
            "link set dev lo up",
            # No IPv6: its neighbour discovery would clutter captures.
            f"link set dev {NIC} addrgenmode none",
            f"link set dev {NIC} address {mac}",
            f"address add {address} dev {NIC}",
            f"link set dev {NIC} up",
        )
        done = subprocess.run(
            ["ip", "-batch", "-"], input="\n".join(commands), text=True, capture_output=True
        )
        if done.returncode:
            raise LabError(f"cannot set up the device's NIC: {done.stderr.strip()}")  # noqa: TRY301
    except OSError as trouble:
        os.close(tap)
        if isinstance(trouble, FileNotFoundError):
            raise LabError(
                "ip is not installed",
                remedy="Install iproute2; `lab doctor` shows what is missing.",
            ) from trouble
        raise LabError(f"cannot create a tap: {trouble.strerror}") from trouble
    except BaseException:
        os.close(tap)
        raise
    return tap


def set_nic(up: bool) -> None:
    """Takes the device's NIC, in this process's namespace, up or down.

    While it is down, nothing is answered on it, not even ARP; within the namespace the kernel
    still knows its address.

    Raises:
        LabError: there is none, or the kernel does not allow it.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        request = struct.pack("16sH22x", NIC.encode(), 0)
        try:
            (flags,) = struct.unpack_from("H", fcntl.ioctl(line, _SIOCGIFFLAGS, request), 16)
            flags = flags | _IFF_UP if up else flags & ~_IFF_UP
            fcntl.ioctl(line, _SIOCSIFFLAGS, struct.pack("16sH22x", NIC.encode(), flags))
        except OSError as trouble:
            state = "up" if up else "down"
            raise LabError(f"cannot take {NIC} {state}: {trouble.strerror}") from trouble


def frames_of_tap(tap: int) -> Iterator[bytes]:
    """The frames that wait at a tap, up to one batch."""
    for _ in range(_BATCH):
        try:
            yield os.read(tap, MAX_FRAME)
        except BlockingIOError:
            return


def frames_of_wire(wire: socket.socket) -> Iterator[bytes]:
    """The frames that wait at a link, up to one batch."""
    for _ in range(_BATCH):
        try:
            frame = wire.recv(MAX_FRAME)
        except BlockingIOError:
            return
        except ConnectionRefusedError:
            continue
        yield frame


def send_to_wire(wire: socket.socket, frame: bytes) -> int:
    """Sends a frame; returns the number of sent frames, 1 or 0: as with a real cable, it is lost
    without a peer or buffer space."""
    try:
        wire.send(frame)
    except (ConnectionRefusedError, BlockingIOError):
        return 0
    return 1


class Pump:
    """Copies frames between tap and link, in both directions, from the event loop."""

    def __init__(self, tap: int, wire: socket.socket) -> None:
        self._tap = tap
        self._wire = wire
        self.to_wire = 0
        self.to_tap = 0

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._tap, self._out)
        loop.add_reader(self._wire, self._in)

    def stop(self) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._tap)
        loop.remove_reader(self._wire)

    def _out(self) -> None:
        for frame in frames_of_tap(self._tap):
            self.to_wire += send_to_wire(self._wire, frame)

    def _in(self) -> None:
        for frame in frames_of_wire(self._wire):
            try:
                os.write(self._tap, frame)
                self.to_tap += 1
            except OSError as trouble:
                # EINVAL is a frame shorter than a header, EIO a tap that is down.
                if trouble.errno not in (errno.EINVAL, errno.EIO, errno.EAGAIN):
                    raise
