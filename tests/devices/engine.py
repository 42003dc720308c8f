"""A Docker engine of the tests' own, without a network, and an image made here."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded

IMAGE = "edge-lab-tests/meter:1"
PORT = 8080
_SAYS = "HTTP/1.0 200 OK\r\n\r\n42\n"


@contextlib.contextmanager
def engine() -> Iterator[str]:
    """Its address, as DOCKER_HOST has it; skips where none can run."""
    for program in ("dockerd", "busybox"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed: apt-get install docker.io busybox-static")
    with tempfile.TemporaryDirectory(prefix="dk") as name:
        folder = Path(name)
        address = f"unix://{folder}/docker.sock"
        command = ["dockerd", "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
        command += ["-H", address, "--pidfile", f"{folder}/pid", "--storage-driver=vfs"]
        command += ["--bridge=none", "--iptables=false", "--ip6tables=false"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            try:
                Deadline.after(40).wait_for(
                    "a Docker engine",
                    lambda: process.poll() is not None or _answers(address),
                    every=0.2,
                    transient=(DockerException,),
                )
            except DeadlineExceeded:
                pytest.skip(f"no Docker engine runs here: {_last(folder / 'log')}")
            if process.poll() is not None:
                pytest.skip(f"no Docker engine runs here: {_last(folder / 'log')}")
            yield address
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(address: str) -> bool:
    with contextlib.closing(docker.DockerClient(base_url=address)) as client:
        return bool(client.ping())


def _last(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1]


def make_image(address: str) -> None:
    """An image whose container answers on a port, from a static busybox and nothing else."""
    busybox = shutil.which("busybox")
    assert busybox is not None
    linked = subprocess.run(["ldd", busybox], capture_output=True, text=True)
    if linked.returncode == 0:
        pytest.skip("busybox is not static: apt-get install busybox-static")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(busybox, "bin/busybox")
        script = f"#!/bin/busybox sh\nprintf '{_SAYS.encode('unicode_escape').decode()}'\n".encode()
        entry = tarfile.TarInfo("bin/says")
        entry.size, entry.mode = len(script), 0o755
        archive.addfile(entry, io.BytesIO(script))
    command = ["/bin/busybox", "nc", "-ll", "-p", str(PORT), "-e", "/bin/says"]
    with contextlib.closing(docker.DockerClient(base_url=address)) as client:
        repository, _, tag = IMAGE.partition(":")
        client.api.import_image_from_data(
            packed.getvalue(),
            repository=repository,
            tag=tag,
            changes=[f"CMD {command!r}".replace("'", '"')],
        )
