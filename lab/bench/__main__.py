"""`python -m edge_lab.bench`: measures the lab itself and writes docs/performance.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from edge_lab.addons import load_topology
from edge_lab.bench import fabric, growth, lifecycle
from edge_lab.bench.page import performance_page
from edge_lab.core.errors import EdgeLabError
from edge_lab.core.step import Phase, StepEvent, listening


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_lab.bench", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs/performance.md"))
    parser.add_argument("--topology", type=Path, default=Path("labs/default.yaml"))
    parser.add_argument("--rounds", type=int, default=3, help="of the fabric's benchmark")
    parser.add_argument("--nodes", type=int, nargs="*", default=(2, 4, 8), help="of labs that grow")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    machine = fabric.machine()
    try:
        figures = fabric.measure(arguments.rounds, console.print)

        def tell(event: StepEvent) -> None:
            if event.phase in (Phase.START, Phase.WARNING):
                console.print(event.title, markup=False, highlight=False)

        with listening(tell):
            times = lifecycle.measure(load_topology(arguments.topology))
            sizes = growth.measure(arguments.nodes)
    except EdgeLabError as trouble:
        console.print(str(trouble), style="red", markup=False)
        return trouble.exit_code
    page = performance_page(machine, [times], figures, sizes)
    arguments.output.write_text(page, encoding="utf-8")
    console.print(f"wrote {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
