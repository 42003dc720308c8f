"""The Go workload for real: built here, and run against real devices on their wire."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_lab.addons.workload.manifests import sampler_config
from edge_lab.addons.workload.records import (
    SamplerStatus,
    parse_arrived,
    parse_collected,
    parse_status,
)
from edge_lab.core.deadline import Deadline
from edge_lab.oracles import SampleObservation, judge_samples
from edge_lab.oracles.sandbox.figures import parse_bench
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import Topology
from tests.devices.plant_site import (
    Site,
    boiler_spec,
    certificate,
    peer_command,
    press_spec,
    require_namespaces,
    start_site,
    store,
)
from tests.golang import assert_sound, build

pytestmark = pytest.mark.slow(reason="compiles Go, and records what devices give for a while")


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program for this machine."""
    return build("workload", tmp_path_factory.mktemp("go") / "edge")


@pytest.mark.parametrize("command", ["vet", "test", "gofmt"])
def test_the_go_module_passes_its_own_checks(edge: Path, command: str) -> None:
    assert_sound("workload", command)


@pytest.mark.parametrize("command", ["vet", "test"])
def test_so_does_what_is_built_with_spiffe(
    command: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    build("workload", tmp_path_factory.mktemp("go") / "edge-spiffe", "-tags=spiffe")
    assert_sound("workload", command, "-tags=spiffe")


# -- against devices -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[Site]]]:
    """A boiler and a press, and a folder with a sampler's certificate."""
    require_namespaces()
    folder = tmp_path_factory.mktemp("p")
    authority = Authority.create("device CA", KeyKind.RSA)
    foreign = Authority.create("device CA", KeyKind.RSA)
    for name, issuer in (("opcua", authority), ("foreign", foreign)):
        room = folder / name
        room.mkdir()
        store(room, "tls", issuer.issue(certificate("sampler")))
        (room / "ca.crt").write_bytes(authority.certificate_pem)
    # The device's certificate is right; it is the client that expects another authority.
    other = folder / "other"
    shutil.copytree(folder / "opcua", other)
    (other / "ca.crt").write_bytes(foreign.certificate_pem)
    sites = [
        start_site(boiler_spec(folder, period_ms=200)),
        start_site(press_spec(folder, authority, period_ms=200)),
    ]
    yield folder, sites
    for site in sites:
        site.process.kill()
        site.process.wait()


SCRIPT = """\
set -u
edge=$1 folder=$2 python=$3
# `wait` must not take the shell's word for killed children as a failure.
probe() { "$edge" probe "$@" --limit 60 >> "$folder/probes"; }
# until NAME NUMBER: as many are told of each device; a busy machine may take its time.
until_all() {
    for _ in $(seq 600); do
        "$edge" dump sampler > "$folder/now.json" && \
            "$python" "$folder/all.py" "$folder/now.json" "$1" "$2" && return
        sleep 0.1
    done 2> /dev/null
}
probe modbus 10.78.0.101:502 0 10
probe modbus 10.78.0.101:502 50 1
probe opcua opc.tcp://10.78.0.102:4840 'ns=2;s=press.parts' 'ns=2;s=press.sequence' \\
    --security "$folder/opcua"
probe opcua opc.tcp://10.78.0.102:4840 'ns=2;s=press.parts' --security "$folder/foreign"
probe opcua opc.tcp://10.78.0.102:4840 'ns=2;s=press.parts' --security "$folder/other"
probe tcp 10.78.0.101:502
probe tcp 10.78.0.101:503
"$edge" bench modbus-tcp 10.78.0.101:502 --registers 10 --count 20 --folder "$folder/bench" \
    > "$folder/bench.json"
"$edge" collect --folder "$folder/collector" --listen 127.0.0.1:9100 & collector=$!
"$edge" sample --config "$folder/config.json" & sampler=$!
until_all sampled 15
kill -9 $sampler
"$edge" sample --config "$folder/config.json" & sampler=$!
until_all sampled 25
kill -9 $collector
until_all waiting 5
"$edge" dump sampler > "$folder/outage.json"
"$edge" collect --folder "$folder/collector" --listen 127.0.0.1:9100 & collector=$!
for _ in $(seq 600); do
    "$edge" dump sampler > "$folder/counts.json"
    grep -q '"waiting":0.*"waiting":0' "$folder/counts.json" && break
    sleep 0.1
done
"$edge" dump collector > "$folder/arrived.json"
"$edge" dump collector --samples > "$folder/samples.jsonl"
kill $sampler; wait $sampler; echo $? > "$folder/sampler-exit"
kill $collector; wait $collector; echo $? > "$folder/collector-exit"
"""

ALL = """\
import json, sys
file, name, least = sys.argv[1:]
devices = json.load(open(file))["devices"].values()
sys.exit(len(devices) < 2 or min(counts[name] for counts in devices) < int(least))
"""


@pytest.fixture(scope="module")
def recorded(edge: Path, plant: tuple[Path, list[Site]], default_topology: Topology) -> Path:
    """A sampler killed and started again, then a collector; what they said lies in the folder."""
    folder, sites = plant
    config: dict[str, Any] = sampler_config(default_topology, default_topology.node("edge-arm"))
    config |= {
        "collector": "http://127.0.0.1:9100",
        "poll_ms": 20,
        "folder": str(folder / "sampler"),
        "listen": "127.0.0.1:9102",
        "security": {
            "certificate": str(folder / "opcua" / "tls.crt"),
            "key": str(folder / "opcua" / "tls.key"),
            "authority": str(folder / "opcua" / "ca.crt"),
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "all.py").write_text(ALL)
    done = subprocess.run(
        peer_command(
            sites, ["bash", "-c", SCRIPT, "script", str(edge), str(folder), sys.executable]
        ),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return folder


def status(file: Path) -> SamplerStatus:
    return parse_status(file.read_text())


@pytest.mark.parametrize("device", ["boiler", "press"])
def test_every_sample_arrives_once_and_equals_the_truth(
    recorded: Path, plant: tuple[Path, list[Site]], device: str
) -> None:
    _, sites = plant
    (site,) = [each for each in sites if each.spec.name == device]
    verdict = judge_samples(
        SampleObservation(
            node="edge-arm",
            device=device,
            truth=site.client.steps(),
            counts=status(recorded / "counts.json").devices[device],
            collected=parse_collected((recorded / "samples.jsonl").read_text()),
        )
    )
    assert verdict.passed, verdict
    assert verdict.arrived > 20, verdict


def test_what_the_collector_could_not_take_waited_on_disk(recorded: Path) -> None:
    outage = status(recorded / "outage.json")
    assert all(counts.waiting > 3 for counts in outage.devices.values())
    assert outage.send_errors > 0
    after = status(recorded / "counts.json")
    assert [counts.waiting for counts in after.devices.values()] == [0, 0]


def test_the_collector_counts_what_it_holds(recorded: Path) -> None:
    samples = parse_collected((recorded / "samples.jsonl").read_text())
    for counts in parse_arrived((recorded / "arrived.json").read_text()):
        numbers = [each.number for each in samples if each.device == counts.device]
        assert numbers == list(range(1, len(numbers) + 1))
        assert counts.first == 1
        assert counts.conflicts == 0


def test_the_status_file_says_what_the_status_endpoint_says(recorded: Path) -> None:
    said, written = status(recorded / "counts.json"), status(recorded / "sampler" / "status.json")
    assert (written.node, written.started) == (said.node, said.started)
    assert set(written.devices) == set(said.devices)


def test_sigterm_ends_sampler_and_collector_cleanly(recorded: Path) -> None:
    assert (recorded / "sampler-exit").read_text() == "0\n"
    assert (recorded / "collector-exit").read_text() == "0\n"


def test_a_bench_reads_the_device_and_keeps_as_many_samples_as_it_is_told(recorded: Path) -> None:
    record = parse_bench((recorded / "bench.json").read_text())
    assert record.ok, record.error
    assert (len(record.read_s), record.samples) == (20, 20)
    assert record.read > 0
    assert record.rate < 1 / min(record.read_s)  # it reads each, and writes it too


def test_probes_say_what_can_be_read_and_why_not(recorded: Path) -> None:
    lines = [json.loads(line) for line in (recorded / "probes").read_text().splitlines()]
    block, beyond, nodes, foreign, other, open_port, closed_port = lines
    assert block["ok"]
    assert len(block["registers"]) == 10
    assert not beyond["ok"]
    assert "illegal data address" in beyond["error"]
    assert nodes["ok"]
    assert len(nodes["readings"]) == 2
    assert all(reading["value"] >= 0 for reading in nodes["readings"])
    assert all(reading["timestamp"] > 0 for reading in nodes["readings"])
    assert "untrusted" in foreign["error"].lower() or "not trusted" in foreign["error"].lower()
    assert "the server's certificate" in other["error"]
    assert open_port["ok"]
    assert "refused" in closed_port["error"]


def test_pause_reaps_orphans_and_ends_on_sigterm(edge: Path) -> None:
    # unshare makes it the first process of a pid namespace, as a pod's sandbox does.
    script = f"sleep 0.1 & exec {edge} pause"
    command = ["unshare", "--pid", "--fork", "--kill-child", "bash", "-c", script]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:

        def inside() -> list[tuple[int, str, str]]:
            found = []
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    try:
                        fields = (entry / "stat").read_text()
                    except OSError:
                        continue
                    name = fields[fields.index("(") + 1 : fields.rindex(")")]
                    state, parent = fields[fields.rindex(")") + 2 :].split()[:2]
                    found.append((int(entry.name), name, f"{state} {parent}"))
            return found

        def pause_pid() -> int | None:
            if process.poll() is not None:
                assert process.stderr is not None
                pytest.skip(f"no pid namespace here: {process.stderr.read().decode()}")
            for pid, name, rest in inside():
                if name == "edge" and rest.endswith(f" {process.pid}"):
                    return pid
            return None

        pid = Deadline.after(60).wait_for("pause runs", pause_pid, every=0.02)
        Deadline.after(60).wait_for(
            "its child is reaped",
            lambda: not [each for each in inside() if each[2].endswith(f" {pid}")],
            every=0.02,
        )
        os.kill(pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
