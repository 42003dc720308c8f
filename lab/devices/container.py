"""A container as a device: its network namespace gets the tap of the link, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

import docker
from docker.errors import APIError, DockerException, ImageNotFound
from docker.models.containers import Container

from edge_lab.core.errors import InputError, LabError
from edge_lab.core.process import MARK
from edge_lab.devices.control import ControlServer, DeviceSnapshot, DeviceStatus
from edge_lab.devices.faults import DEVICE_FAULT, DeviceFault
from edge_lab.devices.spec import DeviceSpec
from edge_lab.devices.truth import TruthLog
from edge_lab.devices.wire import Pump, join_namespace, open_tap, open_wire, set_nic

log = logging.getLogger(__name__)

LABEL = "edge-lab.device"
"""The label of each container with the folder of its device."""
_CONNECT_SECONDS = 3.0


def run_container(spec: DeviceSpec) -> None:
    """Runs the device's container until SIGTERM. Ends up in the container's network namespace.

    Raises:
        InputError: Docker does not have the image, or DOCKER_HOST is no socket of this host.
        LabError: there is no Docker engine, the container has ended, or the link is unavailable.
    """
    spec.folder.mkdir(parents=True, exist_ok=True)
    wire = open_wire(spec.endpoint_port, spec.fabric_port)
    with started(spec) as (container, pid):
        join_namespace(pid)
        tap = open_tap(spec.address, spec.mac)
        asyncio.run(ContainerDevice(spec, container, pid).run(tap, wire))


@contextlib.contextmanager
def started(spec: DeviceSpec) -> Iterator[tuple[Container, int]]:
    """The container, running without any network, and the pid of its first process."""
    label = f"{LABEL}={spec.folder}"
    _engine_is_here()
    try:
        engine = docker.from_env()
        for left in engine.containers.list(all=True, filters={"label": label}):
            _remove(left)
        # The mark lets `lab down` find it after a crash; then it removes itself.
        mark = os.environ.get(MARK)
        container = engine.containers.create(
            spec.image,
            network_mode="none",
            auto_remove=True,
            labels={LABEL: str(spec.folder)},
            environment={MARK: mark} if mark else {},
        )
    except ImageNotFound as trouble:
        raise InputError(
            f"Docker has no image {spec.image!r} for the device {spec.name}",
            remedy=f"docker pull {spec.image}",
        ) from trouble
    except DockerException as trouble:
        raise LabError(
            f"no container for the device {spec.name}: {trouble}",
            remedy="A Docker engine must run here; set DOCKER_HOST if it has another socket.",
        ) from trouble
    try:
        container.start()
        container.reload()
        pid = int(container.attrs["State"]["Pid"])
        if not pid:
            raise LabError(f"the container of {spec.name} has ended at once")
        yield container, pid
    except DockerException as trouble:
        raise LabError(f"the container of {spec.name}: {trouble}") from trouble
    finally:
        _remove(container)


def _engine_is_here() -> None:
    """InputError if Docker runs on another host: its namespaces could not be joined."""
    host = os.environ.get("DOCKER_HOST", "")
    if host and not host.startswith("unix://"):
        raise InputError(
            f"DOCKER_HOST is {host!r}, and the Docker engine of a device must run on this host",
            remedy="Name its Unix socket (unix:///run/docker.sock), or unset DOCKER_HOST.",
        )


def _remove(container: Container) -> None:
    with contextlib.suppress(APIError):  # it is being removed already
        container.remove(force=True)


class ContainerDevice:
    """Carries the frames of a container, and reports its status."""

    def __init__(self, spec: DeviceSpec, container: Container, pid: int) -> None:
        self._spec = spec
        self._container = container
        self._pid = pid
        self._truth = TruthLog(spec.folder)
        self._running = True
        self._fault: DeviceFault | None = None
        self._pump: Pump | None = None

    async def run(self, tap: int, wire: socket.socket) -> None:
        """Serves until SIGTERM or SIGINT; LabError if the container ends before."""
        loop = asyncio.get_running_loop()
        asked, over = asyncio.Event(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, asked.set)
        # Its values are unknown, but a checkpoint expects a log.
        self._truth.describe({"device": self._spec.name, "image": self._spec.image})
        first = os.pidfd_open(self._pid)
        loop.add_reader(first, over.set)
        self._pump = Pump(tap, wire)
        self._pump.start()
        control = ControlServer(
            self._spec.folder,
            {
                "status": self._status,
                "snapshot": self._snapshot,
                "pause": self._pause,
                "resume": self._resume,
                "fault": self._misbehave,
            },
        )
        try:
            await control.start()
            log.info("%s runs %s on %s", self._spec.name, self._spec.image, self._spec.address)
            waits = {asyncio.create_task(event.wait()) for event in (asked, over)}
            _, left = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in left:
                wait.cancel()
            if not asked.is_set():
                raise LabError(f"the container of {self._spec.name} has ended")
        finally:
            loop.remove_reader(first)
            os.close(first)
            await control.stop()
            self._pump.stop()
            self._truth.close()

    async def _status(self, request: Mapping[str, Any]) -> DeviceStatus:
        limit = min(_CONNECT_SECONDS, float(request.get("within", "inf")))
        began = time.monotonic()
        trouble = await self._trouble(limit)
        took = (time.monotonic() - began) * 1000
        return DeviceStatus(
            name=self._spec.name,
            protocol=self._spec.protocol,
            seq=0,
            reachable=not trouble,
            trouble=trouble,
            running=self._running,
            clients=0,
            refused=0,
            fault=self._fault,
            answer_ms=None if trouble else took,
            frames_out=self._pump.to_wire if self._pump else 0,
            frames_in=self._pump.to_tap if self._pump else 0,
        )

    async def _trouble(self, limit: float) -> str:
        """Why the container's port cannot be reached over the link; empty if it can."""
        if self._fault is not None:
            return "its NIC is down"
        if self._spec.port is None:
            return ""
        address = str(self._spec.address.ip)
        try:
            _, writer = await asyncio.wait_for(
                asyncio.open_connection(address, self._spec.port), limit
            )
        except (OSError, TimeoutError) as trouble:
            return f"{type(trouble).__name__}: {trouble}"
        writer.close()
        return ""

    async def _snapshot(self, request: Mapping[str, Any]) -> DeviceSnapshot:
        return DeviceSnapshot(
            name=self._spec.name,
            plant="",
            seq=0,
            time=0,
            state={},
            requested=0,
            truth_size=self._truth.size,
        )

    async def _pause(self, request: Mapping[str, Any]) -> DeviceSnapshot:
        if self._running:
            await self._ask_engine(self._container.pause)
            self._running = False
        return await self._snapshot(request)

    async def _resume(self, request: Mapping[str, Any]) -> None:
        if not self._running:
            await self._ask_engine(self._container.unpause)
            self._running = True

    async def _ask_engine(self, does: Any) -> None:
        try:
            await asyncio.to_thread(does)
        except DockerException as trouble:
            raise LabError(f"the container of {self._spec.name}: {trouble}") from trouble

    async def _misbehave(self, request: Mapping[str, Any]) -> DeviceStatus:
        asked = request.get("fault")
        fault = DEVICE_FAULT.validate_python(asked) if asked is not None else None
        if fault is not None:
            fault.check(self._spec.protocol)
        set_nic(up=fault is None)  # there is one fault only
        self._fault = fault
        return await self._status(request)
