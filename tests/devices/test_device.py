"""Real device processes, with real clients at the other end of their wire."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Interface
from itertools import pairwise
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.devices import TruthStep, TruthWrite, restore_device
from edge_lab.devices.control import SOCKET
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.points import read_block
from edge_lab.devices.wire import open_tap
from edge_lab.pki import Authority, KeyKind
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

slow = pytest.mark.slow(reason="a device, or a client of it, as a process for it alone")


HERE = Path(__file__).parent
MODBUS_CLIENT, OPCUA_CLIENT = HERE / "modbus_client.py", HERE / "opcua_client.py"


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    require_namespaces()


@pytest.fixture(scope="module")
def boiler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    site = start_site(boiler_spec(tmp_path_factory.mktemp("d")))
    yield site
    site.process.kill()
    site.process.wait()


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    foreign = Authority.create("device CA", KeyKind.RSA)
    store(folder, "client", authority.issue(certificate("sampler")))
    store(folder, "foreign", foreign.issue(certificate("sampler")))
    past = datetime.now(UTC) - timedelta(days=3)
    expired = certificate("sampler")
    expired = type(expired)(**{**vars(expired), "starts": past, "lifetime": timedelta(days=1)})
    store(folder, "expired", authority.issue(expired))
    site = start_site(press_spec(folder, authority))
    yield site
    site.process.kill()
    site.process.wait()


def folder_of(site: Site) -> str:
    return str(site.spec.folder.parent)


def shown(site: Site) -> dict[int, TruthStep]:
    return {step.seq: step for step in site.client.steps()}


# -- Modbus ------------------------------------------------------------------------------


@pytest.mark.slow(reason="a device as a process, asked on a wire")
def test_every_modbus_block_is_one_step_of_the_truth(boiler: Site) -> None:
    blocks = as_client([boiler], MODBUS_CLIENT, "read")
    truth = shown(boiler)
    seen = set()
    for block in blocks:
        seq, raw = read_block(boiler.spec.model.points, block)
        assert raw == truth[seq].values
        seen.add(seq)
    assert len(seen) > 5


@slow
def test_only_the_setpoint_register_can_be_written(boiler: Site) -> None:
    assert as_client([boiler], MODBUS_CLIENT, "write") == {
        "setpoint": 0,
        "reads back": [655],
        "too low": 3,
        "read-only": 2,
        "two at once": 2,
        "coil": 2,
        "beyond": 2,
        "too many": 3,
    }


@slow
def test_a_written_setpoint_is_in_the_truth_and_active_from_the_next_step(boiler: Site) -> None:
    as_client([boiler], MODBUS_CLIENT, "write")
    after = boiler.client.snapshot().seq + 1
    Deadline.after(60).wait_for("a step", lambda: boiler.client.snapshot().seq > after)
    records = list(boiler.client.truth())
    (*_, write) = [record for record in records if isinstance(record, TruthWrite)]
    assert (write.address, write.value) == ("100", 655)
    steps = [r for r in records if isinstance(r, TruthStep) and r.seq > write.seq]
    assert {step.values["setpoint"] for step in steps} == {655}


@slow
def test_the_truth_is_what_the_model_says_for_the_seed(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path))
    try:
        Deadline.after(60).wait_for("steps", lambda: site.client.snapshot().seq > 8)
    finally:
        site.process.kill()
        site.process.wait()
    plant = PLANTS["boiler"]
    state = plant.initial(site.spec.seed)
    for step in site.client.steps():
        setpoint = plant.setpoint.initial
        state = plant.advance(state, setpoint, 0.05, site.spec.seed, step.seq)
        assert step.values == plant.raw(state, setpoint)


# -- OPC UA ------------------------------------------------------------------------------


@slow
def test_every_opcua_read_is_one_step_of_the_truth(press: Site) -> None:
    readings = as_client([press], OPCUA_CLIENT, "read", folder_of(press))
    truth = shown(press)
    seen = set()
    for values, times in readings:
        seq = values.pop("sequence")
        assert values == truth[seq].values
        assert times == [truth[seq].time]
        seen.add(seq)
    assert len(seen) > 5


@slow
def test_a_subscription_brings_every_step(press: Site) -> None:
    seen = as_client([press], OPCUA_CLIENT, "subscribe", folder_of(press))
    assert len(seen) > 5
    assert all(after > before for before, after in pairwise(seen))


@slow
def test_only_the_requested_setpoint_can_be_written_over_opcua(press: Site) -> None:
    assert as_client([press], OPCUA_CLIENT, "write", folder_of(press)) == {
        "reads back": 300.5,
        "too low": "BadOutOfRange",
        "no double": "BadTypeMismatch",
        "read-only": "BadNotWritable",
    }
    (*_, write) = [each for each in press.client.truth() if isinstance(each, TruthWrite)]
    assert (write.address, write.value) == ("ns=2;s=press.requested_setpoint", 300.5)


@slow
def test_who_is_not_trusted_is_refused_and_counted(press: Site) -> None:
    before = press.client.status().refused
    assert as_client([press], OPCUA_CLIENT, "refused", folder_of(press)) == {
        "foreign": "BadCertificateUntrusted",
        "expired": "BadCertificateTimeInvalid",
        "other URI": "BadCertificateUriInvalid",
        "unsecured": "BadUserAccessDenied",
        "borrowed": "BadUserAccessDenied",
        "signed only": "UaError",
    }
    assert press.client.status().refused == before + 5
    log = press.log.read_text()
    assert "refused client CN=sampler: BadCertificateUntrusted" in log
    assert "refused client without a certificate: BadUserAccessDenied" in log
    assert "Traceback" not in log


# -- life --------------------------------------------------------------------------------


@slow
@pytest.mark.parametrize("which", ["boiler", "press"])
def test_a_device_reads_itself_over_its_own_protocol(
    which: str, request: pytest.FixtureRequest
) -> None:
    site: Site = request.getfixturevalue(which)
    status = site.client.status()
    assert status.reachable
    assert status.running
    assert status.clients == 0


@slow
def test_a_killed_device_goes_on_with_the_next_step(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path))
    try:
        site.process.kill()
        site.process.wait()
        before = site.client.steps()[-1]
        site.restart()
        Deadline.after(60).wait_for("a step", lambda: site.client.snapshot().seq > before.seq + 2)
    finally:
        site.process.kill()
        site.process.wait()
    steps = site.client.steps()
    assert [step.seq for step in steps] == list(range(1, len(steps) + 1))


@slow
def test_sigterm_ends_a_device_cleanly_and_leaves_no_socket(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path))
    assert site.end() == 0
    assert not (site.spec.folder / SOCKET).exists()
    with pytest.raises(LabError, match="does not answer"):
        site.client.status()


@slow
def test_a_paused_device_answers_but_stands_still(boiler: Site) -> None:
    paused = boiler.client.pause()
    try:
        as_client([boiler], MODBUS_CLIENT, "read")
        status = boiler.client.status()
        assert status.reachable
        assert not status.running
        assert boiler.client.snapshot().seq == paused.seq
    finally:
        boiler.client.resume()
    Deadline.after(60).wait_for("a step", lambda: boiler.client.snapshot().seq > paused.seq)


@slow
def test_a_restored_device_goes_on_from_what_was_saved(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path))
    try:
        site.client.pause()
        saved = site.client.save(tmp_path / "saved")
        site.client.resume()
        Deadline.after(60).wait_for("steps", lambda: site.client.snapshot().seq > saved.seq + 3)
        site.end()
        first_life = shown(site)
        assert restore_device(tmp_path / "saved", site.spec.folder) == saved
        site.restart()
        Deadline.after(60).wait_for("steps", lambda: site.client.snapshot().seq > saved.seq + 3)
        site.end()
    finally:
        site.process.kill()
        site.process.wait()
    second_life = shown(site)
    assert min(seq for seq in second_life if seq > saved.seq) == saved.seq + 1
    # The plant is the same machine: what follows a state follows it every time.
    for seq in range(1, saved.seq + 3):
        assert second_life[seq].values == first_life[seq].values


# -- trouble -----------------------------------------------------------------------------


def test_a_busy_port_is_a_lab_error_with_its_number(tmp_path: Path) -> None:
    spec = boiler_spec(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", spec.endpoint_port))
        file = tmp_path / "spec.json"
        file.write_text(spec.model_dump_json())
        done = run_device(file)
    assert done.returncode == 3
    assert f"UDP port {spec.endpoint_port} on 127.0.0.1 cannot be bound" in done.stderr


def test_a_specification_that_cannot_be_right_ends_with_2(tmp_path: Path) -> None:
    file = tmp_path / "spec.json"
    file.write_text("{}")
    done = run_device(file)
    assert done.returncode == 2
    assert str(file) in done.stderr


@slow
def test_a_trust_store_without_certificates_is_a_lab_error(tmp_path: Path) -> None:
    spec = press_spec(tmp_path, Authority.create("device CA", KeyKind.RSA))
    assert spec.identity is not None
    (spec.identity.trust / "ca.crt").unlink()
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    done = run_device(file)
    assert done.returncode == 3
    assert "has no certificate" in done.stderr


def run_device(spec: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "edge_lab.devices", "--spec", str(spec)],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_missing_tun_device_is_explained(tmp_path: Path) -> None:
    with pytest.raises(LabError, match="cannot open") as caught:
        open_tap(IPv4Interface("10.0.0.1/24"), "52:54:00:ed:00:01", tmp_path / "none")
    assert "needs read/write permission on" in str(caught.value)
    assert "0666" in str(caught.value)


@slow
def test_a_tap_can_be_made_in_a_user_namespace() -> None:
    """The way of a user without root, as far as root can go it."""
    text = (
        "from ipaddress import IPv4Interface\n"
        "from edge_lab.devices.wire import enter_namespace, open_tap\n"
        "enter_namespace(as_root=False)\n"
        "open_tap(IPv4Interface('10.0.0.1/24'), '52:54:00:ed:00:01')\n"
        "import socket; socket.create_server(('10.0.0.1', 502))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    if "user namespaces" in done.stderr:
        pytest.skip("this kernel allows no user namespaces")
    assert done.returncode == 0, done.stderr


@slow
def test_nothing_is_left_of_a_killed_device(tmp_path: Path) -> None:
    site = start_site(boiler_spec(tmp_path))
    namespace = (Path("/proc") / str(site.process.pid) / "ns" / "net").readlink()
    site.process.send_signal(signal.SIGKILL)
    site.process.wait()
    left = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                left.append((entry / "ns" / "net").readlink())
            except OSError:
                continue
    assert namespace not in left
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as port:
        port.bind(("127.0.0.1", site.spec.endpoint_port))
    assert os.getpid() != site.process.pid
