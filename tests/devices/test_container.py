"""A container as a device, run by a Docker engine that the tests start."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path

import docker
import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.core.ports import choose_ports
from edge_lab.devices import DeviceSpec
from edge_lab.devices.container import LABEL, started
from edge_lab.devices.faults import Gone, Slow
from edge_lab.devices.protocols import protocol_of
from edge_lab.topology import Device, Protocol
from tests.devices.engine import IMAGE, PORT, engine, make_image
from tests.devices.plant_site import Site, require_namespaces, start_site
from tests.devices.raw_peer import RawPeer, raw_peer
from tests.devices.test_device import run_device

HOST = "10.78.0.103"


@pytest.fixture(scope="module")
def docker_host() -> Iterator[str]:
    if os.geteuid() != 0:
        pytest.skip("a Docker engine needs root")
    require_namespaces()
    with engine() as address:
        make_image(address)
        yield address


def meter_spec(folder: Path, image: str = IMAGE) -> DeviceSpec:
    fabric, endpoint = choose_ports(2)
    return DeviceSpec(
        name="meter",
        protocol=Protocol.CONTAINER,
        seed=1,
        period_ms=1000,
        address=IPv4Interface(f"{HOST}/24"),
        mac="52:54:00:ed:00:08",
        fabric_port=fabric,
        endpoint_port=endpoint,
        folder=folder / "meter",
        image=image,
        port=PORT,
    )


@pytest.fixture(scope="module")
def meter(docker_host: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", docker_host)
        site = start_site(meter_spec(tmp_path_factory.mktemp("d")))
        yield site
        site.end()


@pytest.fixture(scope="module")
def peer(meter: Site) -> Iterator[RawPeer]:
    with raw_peer(meter, PORT) as peer:
        yield peer


def test_a_device_that_is_no_container_does_without_the_docker_sdk() -> None:
    look = "import sys, lab.devices.__main__; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", look]).returncode == 0


def test_an_engine_of_another_host_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://10.0.0.1:2375")
    with pytest.raises(InputError, match="must run on this host"), started(meter_spec(tmp_path)):
        pass


def containers(docker_host: str, site: Site) -> list[str]:
    client = docker.DockerClient(base_url=docker_host)
    try:
        label = f"{LABEL}={site.spec.folder}"
        found = client.containers.list(all=True, filters={"label": label})
        return [str(each.status) for each in found]
    finally:
        client.close()


def test_a_container_answers_on_the_wire(meter: Site, peer: RawPeer) -> None:
    with peer.line() as line:
        assert line.hear().bytes == b"HTTP/1.0 200 OK\r\n\r\n42\n"
    status = meter.client.status()
    assert (status.reachable, status.protocol) == (True, Protocol.CONTAINER)
    assert status.frames_out > 0
    assert list(meter.client.truth()) == []


def test_a_container_that_is_gone_does_not_answer_and_comes_back(
    meter: Site, peer: RawPeer
) -> None:
    assert not meter.client.set_fault(Gone()).reachable
    try:
        with pytest.raises(OSError, match=r"timed out|No route"):
            peer.connect(seconds=1.0)
    finally:
        assert meter.client.set_fault(None).reachable
    peer.connect().socket.close()


@pytest.mark.parametrize("wrong", [Slow(delay_ms=10), Gone(how="refused")])
def test_what_the_lab_cannot_do_to_a_container_is_refused(meter: Site, wrong: Slow | Gone) -> None:
    with pytest.raises(InputError, match="does not exist on container"):
        meter.client.set_fault(wrong)


def test_a_paused_container_is_frozen_and_goes_on(meter: Site, docker_host: str) -> None:
    saved = meter.client.save(meter.spec.folder.parent / "saved")
    assert saved.seq == 0
    meter.client.pause()
    assert containers(docker_host, meter) == ["paused"]
    assert not meter.client.status().running
    meter.client.resume()
    assert containers(docker_host, meter) == ["running"]


def test_a_killed_device_takes_its_container_s_place_when_it_is_started_anew(
    docker_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    site = start_site(meter_spec(tmp_path))
    site.process.kill()
    site.process.wait()
    assert containers(docker_host, site) == ["running"]
    site.restart()
    assert containers(docker_host, site) == ["running"]
    assert site.end() == 0
    Deadline.after(20).wait_for("no container", lambda: not containers(docker_host, site))


def test_an_image_that_docker_does_not_have_is_an_input_error(
    docker_host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    file = tmp_path / "spec.json"
    file.write_text(meter_spec(tmp_path, "edge-lab-tests/none:1").model_dump_json())
    done = run_device(file)
    assert done.returncode == 2
    assert "docker pull edge-lab-tests/none:1" in done.stderr


def test_without_an_engine_the_device_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    file = tmp_path / "spec.json"
    file.write_text(meter_spec(tmp_path).model_dump_json())
    done = run_device(file)
    assert done.returncode == 3
    assert "A Docker engine must run here" in done.stderr


@pytest.mark.parametrize(
    ("device", "says"),
    [
        ({}, "a device needs a protocol, or a container's image"),
        ({"protocol": "opcua", "image": "any"}, "image and port are not for a device"),
        ({"protocol": "modbus-tcp", "port": 80}, "image and port are not for a device"),
        ({"image": "any", "twins": ["edge"]}, "a container cannot have twins"),
    ],
)
def test_a_device_is_a_protocol_or_an_image(device: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Device.model_validate({"name": "meter", **device})
    assert Device(name="meter", image="any").protocol == Protocol.CONTAINER
    meter = Device(name="meter", image="any")
    assert not protocol_of(meter.protocol).can_be_sampled(meter)
