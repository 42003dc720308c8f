"""Options of devices in a topology: read as they are written, and each mistake with its line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from edge_lab.core.errors import InputError
from edge_lab.devices.protocols import protocol_of
from edge_lab.devices.spec import IdentityFiles, device_spec
from edge_lab.topology import (
    Device,
    OpcUaOptions,
    Protocol,
    SecurityPolicy,
    Topology,
    WordOrder,
    load_topology,
    parse_topology,
)
from tests.devices.plant_site import HERE
from tests.invalidfiles import Mistake, assert_answered, with_mistake

GOOD = """\
name: small
stacks: [kubernetes+kubelet]
networks:
  - {name: plant, subnet: 10.78.0.0/24}
nodes:
  - {name: server, arch: x86_64, role: server}
links:
  - {name: server-plant, endpoint: server, network: plant, address: 10.78.0.1}
  - {name: meter-plant, endpoint: meter, network: plant, address: 10.78.0.9}
  - {name: press-plant, endpoint: press, network: plant, address: 10.78.0.10}
devices:
  - name: meter
    protocol: modbus-rtu-tcp
    modbus: {word_order: little}
  - name: press
    protocol: opcua
    opcua:
      policies: [Basic256Sha256, Aes256Sha256RsaPss]
      modes: [SignAndEncrypt, Sign]
      logins: [anonymous, password]
      users: {operator: secret}
      history: 1000
      alarms:
        - {point: force, high: 240, low: 5, severity: 700}
      signals: [spike, dip, rising]
      anomaly: 0.05
      fast: {count: 10}
      slow: {count: 5, period_ms: 30000}
      nodesets: [models/nodeset.xml]
"""
FILES = IdentityFiles(certificate=Path("a.crt"), key=Path("a.key"), trust=Path("trust"))


def written(folder: Path, text: str = GOOD) -> Path:
    (folder / "models").mkdir()
    shutil.copyfile(HERE / "nodeset.xml", folder / "models" / "nodeset.xml")
    file = folder / "lab.yaml"
    file.write_text(text)
    return file


def test_options_come_to_the_device_as_they_are_written(tmp_path: Path) -> None:
    topology = load_topology(written(tmp_path))
    meter, press = (
        device_spec(
            topology,
            device,
            fabric_port=1,
            endpoint_port=2,
            folder=Path("/run/device"),
            identity=FILES,
        )
        for device in topology.devices
    )
    assert meter.protocol == Protocol.MODBUS_RTU
    assert meter.modbus.word_order is WordOrder.LITTLE
    assert meter.model.name == "boiler"
    assert press.nodes.policies[1] is SecurityPolicy.AES256SHA256RSAPSS
    assert press.nodes.groups["fast"].period_ms == 100
    assert press.nodes.groups["slow"].period_ms == 30_000
    assert press.nodes.nodesets == (tmp_path / "models" / "nodeset.xml",)


def test_paths_do_not_depend_on_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path)
    monkeypatch.chdir(tmp_path)
    (device,) = load_topology(Path("lab.yaml")).devices[1:]
    assert device.opcua is not None
    assert device.opcua.nodesets == (tmp_path / "models" / "nodeset.xml",)
    again = Topology.model_validate_json(load_topology(Path("lab.yaml")).model_dump_json())
    assert again == load_topology(Path("lab.yaml"))


def test_a_nodeset_that_is_not_there_is_named_with_its_line(tmp_path: Path) -> None:
    file = written(tmp_path, GOOD.replace("models/", "elsewhere/"))
    with pytest.raises(InputError, match="there is no nodeset") as caught:
        load_topology(file)
    assert caught.value.line == GOOD.splitlines().index("      nodesets: [models/nodeset.xml]") + 1
    assert "relative to the folder of the topology file" in str(caught.value)


MISTAKES: dict[str, Mistake] = {
    "a misspelt option": ("word_order", "wordorder", ["unknown key", "word_order"], "wordorder"),
    "an order that is none": ("little", "middle", ["'big' or 'little'"], "word_order"),
    "a policy that is none": (
        "Aes256Sha256RsaPss",
        "Basic256",
        ["opcua.policies.1"],
        "policies",
    ),
    "a policy twice": (
        "Aes256Sha256RsaPss",
        "Basic256Sha256",
        ["Basic256Sha256 is listed twice"],
        "policies",
    ),
    "a password without users": (
        "      users: {operator: secret}\n",
        "",
        ["the login password needs users"],
        "opcua:",
    ),
    "users without the login": (
        "anonymous, password",
        "anonymous",
        ["users need the login password"],
        "opcua:",
    ),
    "a point that the plant does not have": (
        "point: force",
        "point: temperature",
        ["alarms.0.point", "oil_temperature"],
        "point: temperature",
    ),
    "an alarm without a limit": (
        "high: 240, low: 5, ",
        "",
        ["an alarm needs a limit"],
        "point: force",
    ),
    "limits the wrong way round": (
        "low: 5",
        "low: 500",
        ["low (500) must be less than high (240)"],
        "point: force",
    ),
    "no count of nodes": ("count: 10", "count: 0", ["opcua.fast.count"], "fast:"),
    "a part that is none": ("anomaly: 0.05", "anomaly: 5", ["opcua.anomaly"], "anomaly"),
    "options of another protocol": (
        "protocol: opcua\n",
        "protocol: modbus-tcp\n",
        ["the options opcua are not for a device that speaks modbus-tcp"],
        "- name: press",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_answered_with_its_line(mistake: str) -> None:
    text = with_mistake(GOOD, MISTAKES[mistake])
    with pytest.raises(InputError) as caught:
        parse_topology(text, "lab.yaml")
    assert_answered(caught.value, MISTAKES[mistake], text, "lab.yaml")


@pytest.mark.parametrize(
    ("options", "sampled"),
    [
        ({"protocol": "modbus-tcp"}, True),
        ({"protocol": "modbus-tcp", "modbus": {"word_order": "little"}}, False),
        ({"protocol": "modbus-rtu-tcp"}, False),
        ({"protocol": "modbus-rtu", "serial": {"baud": 9600}}, False),
        ({"protocol": "opcua"}, True),
        ({"protocol": "opcua", "opcua": {"policies": ["Aes256Sha256RsaPss"]}}, False),
        ({"protocol": "opcua", "opcua": {"modes": ["Sign"]}}, False),
        ({"protocol": "opcua", "opcua": {"logins": ["certificate"]}}, False),
        ({"protocol": "opcua", "opcua": {"history": 10, "signals": ["spike"]}}, True),
    ],
)
def test_the_sampler_reads_what_it_can(options: dict[str, object], sampled: bool) -> None:
    device = Device.model_validate({"name": "any", **options})
    assert protocol_of(device.protocol).can_be_sampled(device) is sampled


def test_a_twin_needs_a_login_that_the_mapper_has() -> None:
    wanted = {"name": "press", "protocol": "opcua", "twins": ["edge"]}
    with pytest.raises(ValueError, match="accepts only user certificates"):
        Device.model_validate({**wanted, "opcua": {"logins": ["certificate"]}})
    both = {"logins": ["certificate", "anonymous"]}
    assert Device.model_validate({**wanted, "opcua": both}).twins == ("edge",)


def test_what_is_not_asked_for_is_not_there() -> None:
    plain = OpcUaOptions()
    assert plain.history == 0
    assert not any((plain.alarms, plain.signals, plain.groups, plain.nodesets))
