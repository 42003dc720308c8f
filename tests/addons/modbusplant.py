"""Serves a plant of a native test by Modbus TCP, on loopback."""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Protocol


class ModbusPlant(Protocol):
    """A plant that takes its steps in a thread."""

    def run(self) -> None: ...

    def end(self) -> None:
        """Ends `run`."""

    def registers(self) -> Sequence[int]:
        """The holding registers as they are now, from 0 on."""

    def write(self, register: int, value: int) -> None: ...


@contextlib.contextmanager
def serving(plant: ModbusPlant) -> Iterator[int]:
    """Runs the plant and its server while the block runs; the server's port."""

    class Answers(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(OSError, struct.error):
                while head := self.request.recv(12, 0x100):  # MSG_WAITALL
                    number, _, _, unit, function, first, count = struct.unpack(">HHHBBHH", head)
                    if function == 6:
                        plant.write(first, count)
                        self.request.sendall(head)
                        continue
                    shown = plant.registers()[first : first + count]
                    body = struct.pack(f">BBB{len(shown)}H", unit, 3, 2 * len(shown), *shown)
                    self.request.sendall(struct.pack(">HHH", number, 0, len(body)) + body)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Server(("127.0.0.1", 0), Answers) as server:
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}),
            threading.Thread(target=plant.run),
        ]
        for thread in threads:
            thread.start()
        try:
            yield server.server_address[1]
        finally:
            plant.end()
            server.shutdown()
            for thread in threads:
                thread.join()
