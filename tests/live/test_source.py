"""What the real source asks of a lab, and makes of the answers."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError, LabError
from edge_lab.devices import DeviceClient
from edge_lab.devices.control import DeviceStatus
from edge_lab.devices.truth import FILE, TruthLog, TruthStep, TruthTick, newest_step
from edge_lab.fabric import FabricClient
from edge_lab.handle.lab import Lab, pod_status
from edge_lab.live.source import LabSource, point_values
from edge_lab.topology import Topology


def step(seq: int, **values: float) -> TruthStep:
    return TruthStep(seq=seq, time=seq * 10**9, values=values, state={}, requested=655)


# -- the newest step -----------------------------------------------------------------------


def test_the_newest_step_is_read_from_the_end_of_the_log(tmp_path: Path) -> None:
    log = TruthLog(tmp_path)
    log.describe({"device": "boiler"})
    assert newest_step(tmp_path) is None
    for seq in range(1, 4):
        log.add(step(seq, pressure=seq))
    log.add(TruthTick("fast", 70, 1))
    log.close()
    found = newest_step(tmp_path)
    assert found == step(3, pressure=3)
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'{"kind":"step","seq":4')  # being written
    assert newest_step(tmp_path) == found


def test_only_the_end_of_a_long_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_lab.devices.truth.LONGEST_LOOK", 300)
    log = TruthLog(tmp_path)
    for seq in range(1, 50):
        log.add(step(seq, pressure=seq))
    assert newest_step(tmp_path) == step(49, pressure=49)
    for _ in range(20):
        log.add(TruthTick("fast", 70, 1))
    assert newest_step(tmp_path) is None
    log.close()


def test_a_device_without_a_log_or_with_a_damaged_one_is_trouble(tmp_path: Path) -> None:
    with pytest.raises(LabError):
        newest_step(tmp_path)
    (tmp_path / FILE).write_text("not json\n")
    with pytest.raises(LabError):
        newest_step(tmp_path)


# -- values --------------------------------------------------------------------------------


def test_values_are_in_the_units_of_their_points(default_topology: Topology) -> None:
    boiler, press = (default_topology.device(name) for name in ("boiler", "press"))
    shown = {
        each.name: (each.value, each.unit)
        for each in point_values(boiler, step(7, temperature=653, pressure=214))
    }
    assert shown["sequence"] == ("7", "")
    assert shown["temperature"][0] == "65.3"  # raw: a whole number of its last decimal place
    assert shown["requested_setpoint"][0] == "65.5"
    heater = point_values(boiler, step(7, heater=1))[1]
    assert (heater.value, heater.unit) == ("1", "on")
    of_press = {each.name: each.value for each in point_values(press, step(7, force=251.5))}
    assert of_press["force"] == "251.5"


# -- the whole, from a lab -----------------------------------------------------------------


class SilentKubectl:
    def items(self, *args: str, deadline: Deadline) -> list[dict[str, Any]]:
        raise LabError("the API server does not answer")


def source_of(topology: Topology, folder: Path, **parts: Any) -> LabSource:
    run = SimpleNamespace(logs=folder, consoles=folder)
    state = SimpleNamespace(lab=topology.name, topology=topology, stack="s", restored=False)
    given: dict[str, Any] = {
        "host": None,
        "run": run,
        "state": state,
        "machines": {},
        "fabric": None,
        "kubectl": SilentKubectl(),
        "devices": {},
        "platform": None,
        "workload": None,
        **parts,
    }
    return LabSource(Lab(**given))


def test_a_silent_api_server_is_trouble_of_what_it_is_asked_for(
    default_topology: Topology, tmp_path: Path
) -> None:
    source = source_of(default_topology, tmp_path)
    for ask in (source.nodes, source.pods, source.twins):
        with pytest.raises(LabError):
            ask(Deadline.after(5))
    assert source.faults(Deadline.after(5)) == ()
    assert source.plan(Deadline.after(5)) is None
    assert source.sampled_nodes == ("edge-arm", "edge-riscv")
    assert source.twinned


class ADevice(DeviceClient):
    def status(self, deadline: Deadline | None = None) -> DeviceStatus:
        return DeviceStatus(
            name=self.folder.name,
            protocol="modbus-tcp",
            seq=7,
            reachable=False,
            trouble="gone",
            running=True,
            clients=0,
            refused=0,
            frames_out=0,
            frames_in=0,
        )


def test_a_device_is_shown_with_its_values_and_twins(
    default_topology: Topology, tmp_path: Path
) -> None:
    folder = tmp_path / "boiler"
    folder.mkdir()
    log = TruthLog(folder)
    log.add(step(7, temperature=653))
    log.close()
    source = source_of(default_topology, tmp_path, devices={"boiler": ADevice(folder)})
    seen = source.device("boiler", Deadline.after(5))
    assert (seen.status.reachable, seen.status.sequence) == (False, 7)
    assert "65.3" in {point.value for point in seen.values}
    assert [(twin.node, twin.twin) for twin in seen.twins] == [("edge-arm", "boiler-edge-arm")]


class ANode:
    def __init__(self, console: Path) -> None:
        self.console = SimpleNamespace(path=console)

    def journal(self, *, lines: int, deadline: Deadline) -> str:
        return f"{lines} lines"


def test_logs_are_those_of_the_lab_alone(default_topology: Topology, tmp_path: Path) -> None:
    (tmp_path / "fabric.log").write_text("fabric runs\n")
    (tmp_path / "secret.txt").write_text("secret\n")
    console = tmp_path / "edge-arm.console"
    console.write_text("booted\n")
    machines: Mapping[str, Any] = {
        node.name: ANode(console if node.name == "edge-arm" else tmp_path / "none")
        for node in default_topology.nodes
    }
    source = source_of(default_topology, tmp_path, machines=machines)
    limit = Deadline.after(20)
    assert source.log("console edge-arm", limit) == "booted\n"
    assert source.log("console server", limit) == ""
    assert source.log("fabric", limit) == "fabric runs\n"
    assert source.log("journal edge-arm", limit) == "200 lines"
    for name in ("secret", "../fabric", "console nobody", "journal nobody", "fabric.log"):
        with pytest.raises(InputError):
            source.log(name, limit)


def test_the_picture_has_no_state_of_its_own(default_topology: Topology, tmp_path: Path) -> None:
    assert "<circle" not in source_of(default_topology, tmp_path).picture()


# -- pods ----------------------------------------------------------------------------------


def pod(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "sampler", "namespace": "edge-lab"},
        "spec": {"nodeName": "edge-arm"},
        "status": {"phase": "Running", **status},
    }


def test_a_pod_says_why_it_does_not_run() -> None:
    ready = [{"type": "Ready", "status": "True"}]
    good = pod_status(pod(conditions=ready, containerStatuses=[{"name": "a", "restartCount": 2}]))
    assert (good.ready, good.restarts, good.reason) == (True, 2, "")
    waiting = {"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    assert pod_status(pod(containerStatuses=[waiting])).reason == "CrashLoopBackOff"
    assert pod_status(pod(reason="Evicted", phase="Failed")).reason == "Evicted"
    leaving = pod(conditions=ready)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    seen = pod_status(leaving)
    assert (seen.ready, seen.phase) == (False, "Terminating")


def test_a_pod_that_is_scheduled_nowhere_has_no_node() -> None:
    document = {"metadata": {"name": "x", "namespace": "d"}, "spec": {}, "status": {}}
    assert pod_status(document).node == ""


def test_links_have_a_deadline_with_a_fabric_that_is_silent(
    default_topology: Topology, tmp_path: Path
) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = Path(folder) / "fabric.sock"
        listener.bind(str(path))
        listener.listen()
        source = source_of(default_topology, tmp_path, fabric=FabricClient(path))
        with pytest.raises(LabError):
            source.links(Deadline.after(0.05))
