"""`python -m edge_lab.fabric --config FILE --socket PATH`: the fabric as a separate process."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edge_lab.core.errors import EdgeLabError
from edge_lab.fabric.config import FabricConfig
from edge_lab.fabric.loop import Loop


def main() -> int:
    """Runs until it is stopped by a signal. Exit code 2: invalid configuration; 3: port in use."""
    parser = argparse.ArgumentParser(
        prog="python -m edge_lab.fabric",
        description="Carries Ethernet frames between UDP ports of the loopback interface.",
    )
    parser.add_argument("--config", type=Path, required=True, help="JSON file: networks, links")
    parser.add_argument("--socket", type=Path, required=True, help="control socket to make")
    arguments = parser.parse_args()
    try:
        Loop(FabricConfig.read(arguments.config), arguments.socket).run()
    except EdgeLabError as error:
        # One line: the process that started it shows the last line of this log.
        print(f"fabric: {error.message}. {error.remedy}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
