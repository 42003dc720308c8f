"""The fabric beside VDE: `python -m edge_lab.bench.fabric [--json]`.

Both carry the same frames between the same sender and the same receiver, turn about, in
one run.  The sender hands over many frames in one system call, the receiver takes many
with one recvmmsg(2); what differs is the socket they do it on:

- fabric: UDP sockets on loopback, as a QEMU `-netdev dgram` NIC has.  Three links are
  plugged in, so that the fabric learns and looks up addresses; the third is idle.  The
  sender lets the kernel cut its datagrams (UDP_SEGMENT), as sending them one by one takes
  twice the time of Unix datagrams and would be the bottleneck; the fabric receives separate
  datagrams either way.
- vde_switch: the data socket of a VDE plug (libvdeplug opens it, `vde_datafd` gives it),
  one Unix datagram a frame.  Three plugs, the third idle.
- captured: the fabric, with a capture of the sender's link into a file.
- from a port, to a port: the fabric, with an interface of the host as the one end: one end of a
  veth pair, whose other end the sender or the receiver has as a packet socket.  As root only;
  left out otherwise.
- wirefilter: no switch at all.  The benchmark itself answers at the two ends where
  wirefilter plugs in, so that it is spared the two switches it would need in a lab.

A Unix socket holds its sender back when the receiver is slow, UDP drops.  So two rates
are given: what arrives in a flood, and the highest rate at which nothing is lost that was
not meant to be (found by halving; a sender held back counts at the rate it reached).

How soon a change takes effect is measured at the receiver of a flood: from the moment at which
the client is called until the last frame comes, and until the first one comes again.

Latency is one way, stamped by the sender and read by the receiver on the same clock, at a
thousand frames a second; `direct` is the same without anything in between.  Everything
runs at the niceness that the fabric gives itself, where that is allowed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from edge_lab.bench.effects import effects
from edge_lab.bench.figures import Figure
from edge_lab.bench.media import (
    DELAY_MS,
    LOSS,
    Medium,
    captured_fabric,
    direct_udp,
    direct_unix,
    fabric,
    faulty_fabric,
)
from edge_lab.bench.ports import port_media
from edge_lab.bench.rates import highest_rate, latencies, trial
from edge_lab.bench.vde import vde_switch, wirefilter
from edge_lab.measuring.percentile import percentile

SIZES = (1514, 64)
FLOOD_FRAMES = 200_000
EFFECT_TIMES = 100
"""Changes of state while frames flow, of each kind."""

FABRIC, SWITCH = "fabric", "vde_switch"


def measure(rounds: int, say: Callable[[str], None]) -> list[Figure]:
    """Everything, `rounds` times, the contenders turn about."""
    figures: dict[tuple[str, str], Figure] = {}

    def note(what: str, contender: str, unit: str, value: float) -> None:
        figure = figures.setdefault((what, contender), Figure(what, contender, unit))
        figure.values.append(value)
        say(f"  {what}, {contender}: {value:,.0f} {unit}")

    plain: dict[str, Medium] = {FABRIC: fabric, SWITCH: vde_switch}
    watched: dict[str, Medium] = {"captured": captured_fabric}
    ports = dict(port_media())
    if not ports:
        say("from a port, to a port: left out, as only root can make a cable for them")
    faulty: dict[str, Medium] = {FABRIC: faulty_fabric, "wirefilter": wirefilter}
    slow = f"{DELAY_MS:g} ms and {LOSS * 100:g} % loss"
    for number in range(1, rounds + 1):
        say(f"round {number} of {rounds}")
        for size in SIZES:
            for name, medium in plain.items():
                seen = trial(medium, FLOOD_FRAMES, size, 0)
                note(f"flood, {size} bytes", name, "frames/s", seen.arrived_per_second)
            for name, medium in plain.items():
                value = highest_rate(medium, size, 0.0, 800_000)
                note(f"no loss, {size} bytes", name, "frames/s", value)
            for name, medium in (watched | ports).items():
                seen = trial(medium, FLOOD_FRAMES, size, 0)
                note(f"flood, {size} bytes", name, "frames/s", seen.arrived_per_second)
            for name, medium in ports.items():
                value = highest_rate(medium, size, 0.0, 800_000)
                note(f"no loss, {size} bytes", name, "frames/s", value)
        for name, medium in faulty.items():
            value = highest_rate(medium, 1514, LOSS, 800_000)
            note(f"{slow}, 1514 bytes", name, "frames/s", value)
        ways: dict[str, tuple[Medium, str]] = {
            FABRIC: (fabric, "latency"),
            SWITCH: (vde_switch, "latency"),
            "direct UDP": (direct_udp, "latency"),
            "direct Unix": (direct_unix, "latency"),
            **{name: (medium, "latency") for name, medium in ports.items()},
        }
        late: dict[str, tuple[Medium, str]] = {
            FABRIC: (faulty_fabric, f"latency with {slow}"),
            "wirefilter": (wirefilter, f"latency with {slow}"),
        }
        for table in (ways, late):
            for name, (medium, what) in table.items():
                took = latencies(medium)
                for percent in (50, 99):
                    note(f"{what}, p{percent}", name, "us", percentile(took, percent))
        seen_after = effects(EFFECT_TIMES)
        for what, seconds in (
            ("drop takes effect in a flood", seen_after.stopped),
            ("heal takes effect in a flood", seen_after.resumed),
        ):
            for percent in (50, 99):
                note(f"{what}, p{percent}", FABRIC, "us", percentile(seconds, percent) * 1e6)
    return list(figures.values())


# -- what is printed -------------------------------------------------------------------------


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    queue = Path("/proc/sys/net/unix/max_dgram_qlen").read_text().strip()
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": [round(average, 2) for average in os.getloadavg()],
        "net.unix.max_dgram_qlen": int(queue),
    }


def _table(figures: list[Figure]) -> str:
    lines = []
    for what in dict.fromkeys(figure.what for figure in figures):
        row = [figure for figure in figures if figure.what == what]
        ours = row[0]
        lines.append(f"{what} ({ours.unit})")
        for figure in row:
            spread = f"{min(figure.values):,.0f} to {max(figure.values):,.0f}"
            ratio = ours.median / figure.median if figure.median else float("inf")
            beside = "" if figure is ours else f"   fabric is {ratio:.2f} times that"
            lines.append(f"  {figure.contender:12} {figure.median:>12,.0f}  ({spread}){beside}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_lab.bench.fabric", description=__doc__)
    parser.add_argument("--json", action="store_true", help="machine-readable figures")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    for tool in ("vde_switch", "wirefilter"):
        if shutil.which(tool) is None:
            print(f"{tool} is not installed (Debian: vde2)", file=sys.stderr)
            return 3
    before = machine()
    figures = measure(arguments.rounds, lambda words: print(words, file=sys.stderr))
    if arguments.json:
        print(json.dumps({"machine": before, "figures": [asdict(figure) for figure in figures]}))
    else:
        print("\n".join(f"{key}: {value}" for key, value in before.items()))
        print(_table(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
