"""Run in a peer's namespace: hands out sockets of that namespace over a Unix socket.

The answer to `tcp` is a new TCP socket, to `neighbours` what the kernel has learnt by ARP;
`forget` makes it forget that.  `run` and the words of a Python command are answered with what
it prints, or with nothing if it fails.
"""

from __future__ import annotations

import socket
import subprocess
import sys


def main(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(path)
        door.listen()
        while True:
            caller, _ = door.accept()
            with caller:
                match caller.recv(4000).decode().split():
                    case ["tcp"]:
                        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as given:
                            socket.send_fds(caller, [b"!"], [given.fileno()])
                    case ["neighbours"]:
                        caller.sendall(ip("neighbour", "show") or b"\n")
                    case ["forget"]:
                        ip("neighbour", "flush", "all")
                        caller.sendall(b"!")
                    case ["run", *words]:
                        done = subprocess.run([sys.executable, *words], capture_output=True)
                        sys.stderr.buffer.write(done.stderr)
                        caller.sendall(done.stdout if done.returncode == 0 else b"")


def ip(*words: str) -> bytes:
    return subprocess.run(["ip", *words], capture_output=True, check=True).stdout


if __name__ == "__main__":
    main(sys.argv[1])
