"""What an OPC UA device can be asked for: policies, logins, history, alarms, more nodes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.core.deadline import Deadline
from edge_lab.devices import TruthAlarm, TruthSignals, TruthTick
from edge_lab.devices.alarms import AlarmState, state_of
from edge_lab.devices.plant import PLANTS
from edge_lab.devices.signals import JUMP, LEVEL, reading, trend_begins
from edge_lab.pki import Authority, KeyKind
from edge_lab.topology import (
    Alarm,
    FastNodes,
    Login,
    OpcUaOptions,
    SecurityMode,
    SecurityPolicy,
    Signal,
    SlowNodes,
)
from edge_lab.topology.device import OpcUaPoint
from tests.devices.plant_site import (
    HERE,
    Site,
    as_client,
    certificate,
    press_spec,
    require_namespaces,
    start_site,
    store,
)
from tests.devices.test_device import run_device

pytestmark = pytest.mark.slow(reason="OPC UA devices are started, and their past comes about")


CLIENT = HERE / "opcua_options_client.py"
ALL = OpcUaOptions(
    policies=tuple(SecurityPolicy),
    modes=(SecurityMode.SIGN_AND_ENCRYPT, SecurityMode.SIGN),
    logins=(Login.PASSWORD, Login.CERTIFICATE),
    users={"operator": "secret"},
    history=8000,
    alarms=(Alarm(point="force", high=200.0, severity=700), Alarm(point="position", low=-1.0)),
    signals=tuple(Signal),
    anomaly=0.3,
    fast=FastNodes(count=3, period_ms=50),
    slow=SlowNodes(count=2, period_ms=3_600_000),
    nodesets=(HERE / "nodeset.xml",),
)


@pytest.fixture(scope="module")
def press(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    require_namespaces()
    folder = tmp_path_factory.mktemp("d")
    authority = Authority.create("device CA", KeyKind.RSA)
    certificates(folder, authority)
    site = start_site(press_spec(folder, authority, nodes=ALL))
    yield site
    site.process.kill()
    site.process.wait()


def certificates(folder: Path, authority: Authority) -> None:
    """A client's, and those of users: one that is trusted, one of another authority, an old one."""
    past = datetime.now(UTC) - timedelta(days=3)
    old = type(certificate("old"))(
        **{**vars(certificate("old")), "starts": past, "lifetime": timedelta(days=1)}
    )
    store(folder, "client", authority.issue(certificate("sampler")))
    store(folder, "user", authority.issue(certificate("operator")))
    store(folder, "expired", authority.issue(old))
    foreign = Authority.create("device CA", KeyKind.RSA)
    store(folder, "foreign", foreign.issue(certificate("operator")))


def seen(site: Site, what: str) -> Any:
    return as_client([site], CLIENT, what, str(site.spec.folder.parent))


# -- on a device -------------------------------------------------------------------------


def test_each_policy_and_login_lets_in_whom_it_should(press: Site) -> None:
    before = press.client.status().refused
    found = seen(press, "logins")
    let_in = [name for name, refused in found.items() if not refused]
    assert let_in == [
        *(f"{policy} {mode}" for policy in SecurityPolicy for mode in ("Sign", "SignAndEncrypt")),
        "user certificate",
    ]
    assert {name: found[name] for name in found if name not in let_in} == {
        "wrong password": "BadUserAccessDenied",
        "no such user": "BadUserAccessDenied",
        "anonymous": "BadIdentityTokenRejected",
        "foreign certificate": "BadUserAccessDenied",
        "expired certificate": "BadUserAccessDenied",
    }
    status = press.client.status()
    assert status.reachable
    assert status.refused == before + 4


def test_history_is_the_truth(press: Site) -> None:
    Deadline.after(60).wait_for("steps", lambda: press.client.snapshot().seq > 12)
    found = seen(press, "history")
    steps = press.client.steps()
    spikes = {r.seq: r.values["spike"] for r in press.client.truth() if isinstance(r, TruthSignals)}
    times = [time for time, _ in found["force"]]
    known = {step.time: step for step in steps}
    assert found["force"] == [[time, known[time].values["force"]] for time in times]
    assert times[0] == steps[0].time
    whole = [step.time for step in steps[: len(times)]]
    assert times == whole
    for name, expected in (
        ("sequence", {step.time: step.seq for step in steps}),
        ("spike", {step.time: spikes[step.seq] for step in steps}),
    ):
        assert all(expected[time] == value for time, value in found[name])
    assert found["between"] == whole[2:7]
    assert found["backwards"] == whole[7:2:-1]
    assert found["parts"] == [whole[2:6], whole[6:7]]


def test_a_passed_limit_is_an_event_and_in_the_truth(press: Site) -> None:
    events = seen(press, "events")
    assert len(events) >= 3
    truth = {r.time: r for r in press.client.truth() if isinstance(r, TruthAlarm)}
    for event in events:
        told = truth[event["time"]]
        assert (event["source"], event["condition"]) == ("force", "force limit")
        assert event["active"] == event["retain"] == (told.state == "high")
        assert (event["severity"], event["high"]) == (700, 200.0)
        assert event["message"].endswith(f"{told.value:g}")
    steps = {step.seq: step for step in press.client.steps()}
    for alarm in truth.values():
        force = float(steps[alarm.seq].values["force"])
        assert alarm.value == force
        assert alarm.state == ("high" if force > 200 else "normal")


def test_signals_counting_nodes_and_an_imported_nodeset_are_there(press: Site) -> None:
    found = seen(press, "nodes")
    truth = {r.seq: r for r in press.client.truth() if isinstance(r, TruthSignals)}
    for seq, *values in found["samples"]:
        assert dict(zip(("spike", "dip", "rising", "falling"), values, strict=True)) == (
            truth[seq].values
        )
    wrong = [record for record in truth.values() if record.values["spike"] != record.clean["spike"]]
    assert wrong
    assert len(wrong) < len(truth)
    (first, later), slow = found["groups"]["fast"], found["groups"]["slow"]
    assert len(first) == 3
    assert min(later) > max(first)
    assert slow == [[0, 0], [0, 0]]
    ticks = [r for r in press.client.truth() if isinstance(r, TruthTick)]
    assert [tick.seq for tick in ticks] == list(range(1, len(ticks) + 1))
    assert {tick.group for tick in ticks} == {"fast"}
    assert found["speed"] == 12.5


def test_history_and_counters_go_on_after_a_kill(tmp_path: Path) -> None:
    require_namespaces()
    authority = Authority.create("device CA", KeyKind.RSA)
    certificates(tmp_path, authority)
    site = start_site(press_spec(tmp_path, authority, nodes=ALL))
    try:
        Deadline.after(60).wait_for("steps", lambda: site.client.snapshot().seq > 12)
        site.process.kill()
        site.process.wait()
        site.restart()
        history = seen(site, "history")
        assert history["sequence"][0][1] == 1
        numbers = [value for _, value in history["sequence"]]
        assert numbers == list(range(1, len(numbers) + 1))
        ticks = [r.seq for r in site.client.truth() if isinstance(r, TruthTick)]
        assert ticks == list(range(1, len(ticks) + 1))
    finally:
        site.process.kill()
        site.process.wait()


UNKNOWN = (HERE / "nodeset.xml").read_text().replace('http://opcfoundation.org/UA/" V', 'urn:no" V')


@pytest.mark.parametrize("text", [None, "no XML", UNKNOWN], ids=["missing", "no XML", "unknown"])
def test_a_nodeset_that_cannot_be_imported_is_named(tmp_path: Path, text: str | None) -> None:
    require_namespaces()
    nodeset = tmp_path / "bad.xml"
    if text is not None:
        nodeset.write_text(text)
    authority = Authority.create("device CA", KeyKind.RSA)
    spec = press_spec(tmp_path, authority, nodes=OpcUaOptions(nodesets=(nodeset,)))
    file = tmp_path / "spec.json"
    file.write_text(spec.model_dump_json())
    done = run_device(file)
    assert done.returncode == 2
    assert f"{nodeset}: this nodeset cannot be imported" in done.stderr


# -- pure --------------------------------------------------------------------------------


def test_the_points_that_an_alarm_may_name_are_those_of_the_plant() -> None:
    assert get_args(OpcUaPoint) == tuple(point.name for point in PLANTS["press"].points)


@given(st.sampled_from(Signal), st.integers(0, 2**32), st.integers(1, 10**6), st.floats(0, 1))
def test_a_signal_is_the_same_every_time_and_wrong_by_what_it_says(
    signal: Signal, seed: int, seq: int, anomaly: float
) -> None:
    found = reading(signal, seed, seq, anomaly)
    assert found == reading(signal, seed, seq, anomaly)
    match signal:
        case Signal.SPIKE:
            assert found.value - found.clean in (0, pytest.approx(JUMP))
        case Signal.DIP:
            assert found.value - found.clean in (0, pytest.approx(-JUMP))
        case _:
            passed = max(0, seq - trend_begins(signal, seed))
            assert abs(found.value - LEVEL) == passed
            assert found.is_wrong == (passed > 0)


@pytest.mark.parametrize("signal", [Signal.SPIKE, Signal.DIP])
@pytest.mark.parametrize(("anomaly", "most", "least"), [(0, 0, 0), (0.1, 140, 60), (1, 1000, 1000)])
def test_so_many_steps_are_wrong_as_asked_for(
    signal: Signal, anomaly: float, most: int, least: int
) -> None:
    wrong = sum(reading(signal, 7, seq, anomaly).is_wrong for seq in range(1, 1001))
    assert least <= wrong <= most


@pytest.mark.parametrize(
    ("value", "state"),
    [
        (10.0, AlarmState.NORMAL),
        (10.1, AlarmState.HIGH),
        (2.0, AlarmState.NORMAL),
        (1.9, AlarmState.LOW),
    ],
)
def test_a_limit_is_passed_beyond_it(value: float, state: AlarmState) -> None:
    assert state_of(Alarm(point="force", high=10.0, low=2.0), value) is state
