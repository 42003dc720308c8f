"""Hostile frames from one NIC of a node, by a program that runs in the guest."""

from __future__ import annotations

import json
import shlex
from enum import StrEnum

from edge_lab.fixtures.nodes import LabNode
from edge_lab.oracles.frames import SentFrames, parse_sent_frames


class Kind(StrEnum):
    MALFORMED = "malformed"
    """Random bytes after the Ethernet header, and IPv4, IPv6, ARP and TCP headers whose lengths
    are wrong."""
    CONTROL = "control protocols"
    """Spanning tree (with the best priority), LLDP, pause frames, and random VLAN tags, one or two
    of them."""
    OVERSIZE = "oversize"
    """Longer than the MTU of the network, up to 9,000 bytes."""
    NEIGHBOR = "neighbor's address"
    """With the MAC address of the device as their source."""
    FLOOD = "flood"
    """As many as the node can send, each with another source, to addresses that nobody has: more
    than the table of the switch holds."""


PER_SECOND = 200
"""Frames per second of all kinds but the flood."""
JUMBO = 9000

_PROGRAM = """
import errno, json, random, socket, struct, subprocess, sys, time
kind, nic, neighbor, seconds, per_second, seed, jumbo = json.loads(sys.argv[1])
rng = random.Random(seed)
with open(f"/sys/class/net/{nic}/address") as file:
    own = bytes.fromhex(file.read().strip().replace(":", ""))
with open(f"/sys/class/net/{nic}/mtu") as file:
    mtu = file.read().strip()
BROADCAST = b"\\xff" * 6
def resolved(address):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"edge-lab", (address, 9))
    for _ in range(50):
        with open("/proc/net/arp") as table:
            for line in table:
                words = line.split()
                if words[0] == address and words[3] != "00:00:00:00:00:00":
                    return bytes.fromhex(words[3].replace(":", ""))
        time.sleep(0.1)
    sys.exit(f"no MAC address of {address} in the neighbor table")
def invented():
    return bytes([rng.randrange(256) & 0xFE]) + rng.randbytes(5)
def malformed():
    to = rng.choice([BROADCAST, mac, invented()])
    body = rng.choice([
        lambda: struct.pack("!H", rng.randrange(65536)) + rng.randbytes(rng.randrange(1500)),
        lambda: b"\\x08\\x00" + bytes([rng.randrange(256)]) + rng.randbytes(rng.randrange(60)),
        lambda: b"\\x08\\x00\\x45\\x00" + struct.pack("!H", rng.randrange(65536))
            + rng.randbytes(4) + b"\\x40\\x06" + rng.randbytes(rng.randrange(40)),
        lambda: b"\\x86\\xdd\\x60" + rng.randbytes(rng.randrange(80)),
        lambda: b"\\x08\\x06" + rng.randbytes(rng.randrange(40)),
    ])()
    return to + own + body
def control():
    return rng.choice([
        lambda: b"\\x01\\x80\\xc2\\x00\\x00\\x00" + own + b"\\x00\\x26\\x42\\x42\\x03"
            + b"\\x00\\x00\\x00\\x00\\x00" + b"\\x00" * 8 + b"\\x00" * 4 + b"\\x00" * 8
            + b"\\x80\\x01" + b"\\x00\\x00\\x14\\x00\\x02\\x00\\x0f\\x00",
        lambda: b"\\x01\\x80\\xc2\\x00\\x00\\x0e" + own + b"\\x88\\xcc"
            + rng.randbytes(rng.randrange(1400)),
        lambda: b"\\x01\\x80\\xc2\\x00\\x00\\x01" + own + b"\\x88\\x08\\x00\\x01\\xff\\xff"
            + b"\\x00" * 42,
        lambda: rng.choice([BROADCAST, mac]) + own
            + b"".join(b"\\x81\\x00" + rng.randbytes(2) for _ in range(rng.choice([1, 2])))
            + b"\\x08\\x00" + rng.randbytes(60),
    ])()
def oversize():
    to = rng.choice([BROADCAST, mac])
    return to + own + b"\\x08\\x00" + rng.randbytes(rng.randrange(1500, jumbo))
def impersonated():
    return BROADCAST + mac + b"\\x88\\xb5" + rng.randbytes(46)
def flood():
    return invented() + invented() + b"\\x88\\xb5" + bytes(46)
makers = {"malformed": malformed, "control protocols": control, "oversize": oversize,
          "neighbor's address": impersonated, "flood": flood}
mac = resolved(neighbor)
sent, refused, number = 0, {}, 0
def set_mtu(value):
    subprocess.run(["ip", "link", "set", nic, "mtu", str(value)], check=True)
if kind == "oversize":
    set_mtu(jumbo)
try:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
        sender.bind((nic, 0))
        began = time.monotonic()
        while (elapsed := time.monotonic() - began) < seconds:
            if kind != "flood" and number > elapsed * per_second:
                time.sleep(1 / per_second)
                continue
            number += 1
            try:
                sender.send(makers[kind]())
                sent += 1
            except OSError as trouble:
                name = errno.errorcode.get(trouble.errno, str(trouble.errno))
                refused[name] = refused.get(name, 0) + 1
finally:
    if kind == "oversize":
        set_mtu(mtu)
print(json.dumps({"sent": sent, "refused": refused, "seconds": elapsed}))
"""


def send(
    node: LabNode, nic: str, neighbor: str, kind: Kind, seconds: float, *, seed: int = 1
) -> SentFrames:
    """Sends frames of a kind by `nic`, as root, for so many seconds of the node's clock.

    `neighbor` is the IPv4 address of an endpoint of the same network.
    """
    asked = json.dumps([kind, nic, neighbor, seconds, PER_SECOND, seed, JUMBO])
    command = f"python3 -I -c {shlex.quote(_PROGRAM)} {shlex.quote(asked)}"
    return parse_sent_frames(node.output(command, seconds=60 + 3 * seconds))
