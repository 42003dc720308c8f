"""Device specifications: from a topology, through JSON, with mistakes named."""

from __future__ import annotations

import json
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from edge_lab.core.errors import InputError
from edge_lab.devices.spec import DeviceSpec, IdentityFiles, device_spec
from edge_lab.topology import Protocol, Topology

GOOD: dict[str, Any] = {
    "name": "boiler",
    "protocol": Protocol.MODBUS,
    "seed": 11,
    "period_ms": 1000,
    "address": IPv4Interface("10.78.0.101/24"),
    "mac": "52:54:00:ed:00:06",
    "fabric_port": 21001,
    "endpoint_port": 21002,
    "folder": Path("/run/boiler"),
}
FILES = IdentityFiles(certificate=Path("a.crt"), key=Path("a.key"), trust=Path("trust"))


def test_a_specification_comes_back_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    spec = DeviceSpec(**GOOD)
    file.write_text(spec.model_dump_json())
    assert DeviceSpec.read(file) == spec


def test_a_topology_says_all_but_ports_and_paths(default_topology: Topology) -> None:
    spec = device_spec(
        default_topology,
        default_topology.device("press"),
        fabric_port=1,
        endpoint_port=2,
        folder=Path("/run/press"),
        identity=FILES,
    )
    assert str(spec.address) == "10.78.0.102/24"
    assert spec.mac == default_topology.mac(default_topology.link("press-plant"))
    assert spec.model.name == "press"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"mac": "52-54-00-ed-00-06"}, "MAC"),
        ({"plant": "reactor"}, "available: boiler, press"),
        ({"protocol": "opcua"}, "certificate"),
        ({"period_ms": 0}, "period_ms"),
        ({"fabric_port": 70_000}, "fabric_port"),
        ({"address": "nowhere"}, "address"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_mistake_is_named_with_its_file(
    tmp_path: Path, change: dict[str, Any], word: str
) -> None:
    file = tmp_path / "spec.json"
    file.write_text(DeviceSpec(**GOOD).model_dump_json())
    changed = DeviceSpec.read(file).model_dump(mode="json") | change
    file.write_text(json.dumps(changed))
    with pytest.raises(InputError, match=word) as caught:
        DeviceSpec.read(file)
    assert str(file) in str(caught.value)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read the file"):
        DeviceSpec.read(tmp_path / "none.json")
