"""The mapper on the lab's own simulated devices, over their wires, judged by the twin oracle."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.twins.manifests import device_manifest, model_manifest, properties_of
from edge_lab.addons.twins.missing import MISSING, partial_twin
from edge_lab.addons.twins.status import parse_status
from edge_lab.devices import TruthWrite
from edge_lab.devices.points import REQUESTED_SETPOINT
from edge_lab.oracles.twins import TwinObservation, TwinSighting, judge_twin
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import Device, ModbusOptions, OpcUaOptions, Protocol, load_topology
from edge_lab.topology.device import SecurityMode, SecurityPolicy, WordOrder
from tests.devices.plant_site import (
    Site,
    as_client,
    boiler_spec,
    certificate,
    press_spec,
    require_namespaces,
    start_site,
    store,
)

pytestmark = pytest.mark.slow(reason="device, mapper and API server as processes on a wire")


URI = "urn:edge-lab:mapper:edge-arm"
CYCLE_MS = 200
SCRIPT = Path(__file__).with_name("in_the_plant.py")
TOPOLOGY = load_topology(Path(__file__).parents[2] / "labs" / "default.yaml")


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    require_namespaces()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Path]:
    made = Authority.create("device CA", KeyKind.RSA)
    folder = tmp_path_factory.mktemp("keys")
    store(folder, "mapper", made.issue(certificate("mapper", URI)))
    (folder / "ca.crt").write_bytes(made.certificate_pem)
    other = Authority.create("device CA", KeyKind.RSA)
    (folder / "other.crt").write_bytes(other.certificate_pem)
    return made, folder


def run(
    folder: Path,
    keys: Path,
    site: Site,
    device: Device,
    wish: str,
    ca: str = "ca.crt",
    limit: float = 60.0,
    *,
    partial: bool = False,
) -> dict[str, Any]:
    model, manifest = partial_twin(
        TOPOLOGY, device, "edge-arm", name=device.name, cycle_ms=CYCLE_MS
    )
    if not partial:
        model = model_manifest(device)
        manifest = device_manifest(TOPOLOGY, device, "edge-arm", cycle_ms=CYCLE_MS)
    manifest["metadata"]["uid"] = "some uid"
    for each in manifest["spec"]["properties"]:
        if each["name"] == REQUESTED_SETPOINT:
            each["desired"] = {"value": wish}
    task = folder / "task.json"
    task.write_text(
        json.dumps(
            {
                "opcua": {
                    "uri": URI,
                    "authority": str(keys / ca),
                    "certificate": str(keys / "mapper.crt"),
                    "key": str(keys / "mapper.key"),
                },
                "devicemodels": [model],
                "devices": [manifest],
                "wishes": {manifest["metadata"]["name"]: {REQUESTED_SETPOINT: wish}},
            }
        )
    )
    found: dict[str, Any] = as_client([site], SCRIPT, str(task), "5", str(limit))
    return found


def judged(found: dict[str, Any], site: Site, device: Device) -> str:
    sightings = [
        TwinSighting(when, parse_status({"metadata": {"name": name}, "status": status}))
        for when, name, status in found["seen"]
    ]
    began, ended = sightings[0].time, sightings[-1].time
    observation = TwinObservation(
        twin=device.name,
        began=began,
        ended=ended,
        sightings=sightings,
        truth=site.client.steps(),
        points={each.point.name: each.point for each in properties_of(device)},
        raw=device.protocol != Protocol.OPCUA,
        collect_s=CYCLE_MS / 1000,
    )
    verdict = judge_twin(observation, late_after=10.0, silent_after=20.0)
    return "passed" if verdict.passed else str(verdict)


@pytest.fixture(params=["tcp", "rtu, low word first"])
def boiler(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Site, Device]]:
    rtu = request.param != "tcp"
    options = ModbusOptions(word_order=WordOrder.LITTLE if rtu else WordOrder.BIG)
    protocol = Protocol.MODBUS_RTU if rtu else Protocol.MODBUS
    site = start_site(boiler_spec(tmp_path, 200, protocol=protocol, modbus=options))
    device = TOPOLOGY.device("boiler")
    yield site, device.model_copy(update={"protocol": protocol, "modbus": options})
    site.process.kill()
    site.process.wait()


def writes(site: Site) -> list[TruthWrite]:
    return [each for each in site.client.truth() if isinstance(each, TruthWrite)]


def test_a_modbus_device_is_reported_and_set(
    boiler: tuple[Site, Device], authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    site, device = boiler
    found = run(tmp_path, authority[1], site, device, "55.5")
    assert found["confirmed"]
    assert judged(found, site, device) == "passed"
    assert errors(found) == {}
    (write,) = writes(site)
    assert write.value == 555


def errors(found: dict[str, Any]) -> dict[str, str]:
    """What cannot be read in the end, by property."""
    _, name, status = found["seen"][-1]
    return dict(parse_status({"metadata": {"name": name}, "status": status}).read_errors)


def test_a_register_that_is_not_there_hides_none_of_a_modbus_device(
    boiler: tuple[Site, Device], authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    site, device = boiler
    found = run(tmp_path, authority[1], site, device, "55.5", partial=True)
    assert found["confirmed"]
    assert judged(found, site, device) == "passed"
    (name,) = errors(found)
    assert name == MISSING
    assert "exception 2 (illegal data address)" in errors(found)[MISSING]


@pytest.fixture(params=["usual", "signed only"])
def press(
    request: pytest.FixtureRequest, authority: tuple[Authority, Path], tmp_path: Path
) -> Iterator[tuple[Site, Device]]:
    options = OpcUaOptions()
    if request.param != "usual":
        options = OpcUaOptions(
            policies=(SecurityPolicy.AES256SHA256RSAPSS,), modes=(SecurityMode.SIGN,)
        )
    site = start_site(press_spec(tmp_path, authority[0], 200, options))
    yield site, TOPOLOGY.device("press").model_copy(update={"opcua": options})
    site.process.kill()
    site.process.wait()


def test_an_opcua_device_is_reported_and_set(
    press: tuple[Site, Device], authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    site, device = press
    found = run(tmp_path, authority[1], site, device, "123.4")
    assert found["confirmed"]
    assert judged(found, site, device) == "passed"
    (write,) = writes(site)
    assert write.value == 123.4


def test_a_node_that_is_not_there_hides_none_of_an_opcua_device(
    press: tuple[Site, Device], authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    site, device = press
    found = run(tmp_path, authority[1], site, device, "123.4", partial=True)
    assert found["confirmed"]
    assert judged(found, site, device) == "passed"
    (name,) = errors(found)
    assert name == MISSING
    assert "BadNodeIdUnknown" in errors(found)[MISSING]


def test_a_server_of_another_authority_is_not_spoken_to(
    authority: tuple[Authority, Path], tmp_path: Path
) -> None:
    site = start_site(press_spec(tmp_path, authority[0], 200))
    try:
        device = TOPOLOGY.device("press")
        found = run(tmp_path, authority[1], site, device, "123.4", ca="other.crt", limit=8.0)
        assert not found["confirmed"]
        assert {status.get("state") for _, _, status in found["seen"]} == {"offline"}
        assert writes(site) == []
    finally:
        site.process.kill()
        site.process.wait()
