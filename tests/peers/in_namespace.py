"""Run in a peer's namespace: runs a command, prints its status and what it said as JSON.

    python in_namespace.py [--line HOST:PORT] COMMAND …

With `--line`, the command has a serial line that is a TCP connection in truth, which is what a
converter does, seen from the other side; `{line}` in the command stands for its device file.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator


@contextlib.contextmanager
def serial_line(host: str, port: int) -> Iterator[str]:
    """The device file of a line whose other end is a connection with `host`."""
    master, slave = os.openpty()
    tty.setraw(slave)
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.settimeout(None)

        def out() -> None:
            with contextlib.suppress(OSError):
                while data := os.read(master, 4096):
                    connection.sendall(data)

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := connection.recv(4096):
                    os.write(master, data)

        copies = [threading.Thread(target=copy) for copy in (out, back)]
        for copy in copies:
            copy.start()
        yield os.ttyname(slave)
        connection.shutdown(socket.SHUT_RDWR)
        os.close(slave)  # the master reads EIO then
        for copy in copies:
            copy.join()
    os.close(master)


def run(command: list[str]) -> dict[str, object]:
    done = subprocess.run(command, capture_output=True, text=True)
    return {"status": done.returncode, "said": done.stdout + done.stderr}


def main(words: list[str]) -> dict[str, object]:
    if words[0] != "--line":
        return run(words)
    host, _, port = words[1].partition(":")
    with serial_line(host, int(port)) as line:
        return run([word.replace("{line}", line) for word in words[2:]])


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:])))
