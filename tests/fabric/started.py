"""The fabric as a process, with real sockets on loopback."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from edge_lab.core.deadline import Deadline
from edge_lab.core.ports import choose_ports
from edge_lab.fabric import FabricClient, FabricConfig, LinkConfig

LINKS = 3
PATIENCE = 60.0
"""s for what comes, on a host that may be busy."""


def command(config: Path, control: Path) -> list[str]:
    words = [sys.executable, "-m", "edge_lab.fabric", "--config", config, "--socket", control]
    return [str(each) for each in words]


class Started:
    """A fabric of three links on one network, and the sockets of their endpoints."""

    def __init__(self, folder: Path) -> None:
        ports = choose_ports(2 * LINKS)
        self.pairs = list(zip(ports[::2], ports[1::2], strict=True))
        self.folder = folder
        self.config = folder / "fabric.json"
        FabricConfig(
            networks=("n",),
            links=tuple(
                LinkConfig(name=f"l{n}", network="n", fabric_port=port, endpoint_port=own)
                for n, (port, own) in enumerate(self.pairs)
            ),
            seed=3,
        ).write(self.config)
        self.client = FabricClient(folder / "control")
        self.process = self.start()
        self.client.wait_ready(Deadline.after(PATIENCE))
        self.ends = [self.endpoint(n) for n in range(LINKS)]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command(self.config, self.client.socket_path),
            stderr=subprocess.PIPE,
            text=True,
        )

    def endpoint(self, number: int) -> socket.socket:
        port, own = self.pairs[number]
        end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        end.bind(("127.0.0.1", own))
        end.connect(("127.0.0.1", port))
        end.settimeout(PATIENCE)
        return end

    def close(self) -> None:
        for end in self.ends:
            end.close()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE)
        if self.process.stderr:
            self.process.stderr.close()
