"""`python3 -m edge_mapper CONFIG`: serves the devices of one node until SIGTERM."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys
from pathlib import Path

from . import VERSION
from .config import Config, read_config
from .lines import Lines
from .mapper import Mapper

log = logging.getLogger("edge_mapper")


async def serve(config: Config) -> None:
    """Runs until it is cancelled."""
    mapper = Mapper(config.node, Lines(config.opcua))
    try:
        if config.dmi is not None:
            from .dmi import DmiTransport

            await DmiTransport(mapper, config.dmi).run()
        elif config.api is not None:
            from .api import ApiTransport

            await ApiTransport(mapper, config.api).run()
    finally:
        await mapper.close()


async def _until_told(config: Config) -> None:
    task = asyncio.ensure_future(serve(config))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def main(arguments: list[str]) -> int:
    """The exit status."""
    # The journal has the time already.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(message)s")
    for chatty in ("asyncua", "pymodbus"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    if len(arguments) != 1:
        print("usage: python3 -m edge_mapper CONFIG", file=sys.stderr)
        return 2
    try:
        config = read_config(Path(arguments[0]))
    except (OSError, ValueError) as trouble:
        print(f"{arguments[0]}: {trouble}", file=sys.stderr)
        return 2
    log.info("edge-mapper %s for node %s", VERSION, config.node)
    asyncio.run(_until_told(config))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
