"""`python -m edge_lab.devices --spec FILE`: one simulated device, until SIGTERM."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from edge_lab.core.errors import EdgeLabError
from edge_lab.devices.protocols import protocol_of
from edge_lab.devices.spec import DeviceSpec


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m edge_lab.devices", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="the device's JSON file")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    # The protocol libraries log each connection and each refused request, which is noise.
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    for noisy in ("asyncua.client", "asyncua.server.uaprocessor", "pymodbus"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        spec = DeviceSpec.read(arguments.spec)
        protocol_of(spec.protocol).run(spec)
    except EdgeLabError as trouble:
        print(trouble, file=sys.stderr)
        return trouble.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
