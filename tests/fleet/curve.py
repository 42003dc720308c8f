"""Holds fleets of several sizes beside a control plane on this host, and draws the curve:

nice -n 19 .venv/bin/python -m tests.fleet.curve build/fleet.html 50 200
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.data import LABS
from edge_lab.evidence.fleet import FleetLoad
from edge_lab.fleet.fleet import fleet_beside
from edge_lab.fleet.measuring import FleetMeasuring
from edge_lab.oracles.fleet import judge_load, scale_limit
from edge_lab.report.fleetpage import fleet_html
from edge_lab.topology import Timing, load_topology
from tests.controlplane import control_plane, require

TIMING = Timing(node_lease=20, node_monitor_period=2, node_monitor_grace=20)
HOLD_SECONDS = 60.0
GROW_SECONDS = 600.0


def main(page: Path, sizes: list[int]) -> None:
    """Writes the page, and prints each verdict."""
    kwok = require("kwok")["kwok"]
    loads: list[FleetLoad] = []
    with (
        tempfile.TemporaryDirectory(prefix="el") as folder,
        control_plane(Path(folder), load_topology(LABS / "default.yaml"), TIMING) as plane,
        fleet_beside(
            plane.place(kwok, lease_s=TIMING.node_lease),
            nodes=sizes[0],
            deadline=Deadline.scaled(GROW_SECONDS),
        ) as fleet,
    ):
        growth = fleet.growth
        for size in sizes:
            if size > fleet.size:
                growth = fleet.grow(size, Deadline.scaled(GROW_SECONDS))
            loads.append(FleetMeasuring(fleet, plane).held(HOLD_SECONDS, growth))
            print(judge_load(loads[-1]), flush=True)
    print(scale_limit(loads))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(fleet_html(loads), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(size) for size in sys.argv[2:]])
