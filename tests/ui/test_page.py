"""What the page asks and is told, of a lab that is well and of one that is not."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.handle.linkstate import LinkState
from edge_lab.handle.status import LinkStatus
from edge_lab.live.lab import LiveLab
from edge_lab.live.snapshot import ActionState, LabSnapshot
from edge_lab.ui import app as app_module
from tests.live.standin import QUICK, Somewhere, StandIn
from tests.ui.conftest import Open


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app_module, "TELL_EVERY", 0.01)


def test_the_page_and_all_that_it_names_are_there(opened: Open) -> None:
    page = opened(token=None)
    html = page.get("/")
    assert html.status_code == 200
    for path in ("/assets/app.js", "/assets/style.css", "/assets/icon.svg"):
        assert path in html.text
        assert page.get(path).status_code == 200
    assert page.get("/assets/nothing.js").status_code == 404
    assert page.get("/assets/..%2fapp.py").status_code == 404


def test_modules_import_only_what_is_shipped() -> None:
    names = {path.name for path in app_module.ASSETS.iterdir()}
    for module in app_module.ASSETS.glob("*.js"):
        for line in module.read_text(encoding="utf-8").splitlines():
            if line.startswith("import "):
                assert line.rpartition("./")[2].strip('";') in names


def test_a_snapshot_is_the_data_that_the_terminal_shows(opened: Open, live: LiveLab) -> None:
    seen = LabSnapshot.model_validate(opened().get("/api/snapshot").json())
    assert seen.lab == "default"
    assert seen.links.value == live.snapshot().links.value


def test_the_page_is_told_again_and_again(opened: Open) -> None:
    told = opened().get("/api/events")
    assert told.headers["content-type"].startswith("text/event-stream")
    events = [event for event in told.text.split("\n\n") if event]
    assert len(events) == 3
    for event in events:
        kind, data = event.split("\n")
        assert kind == "event: snapshot"
        LabSnapshot.model_validate_json(data.removeprefix("data: "))


def test_the_picture_has_each_part_by_its_name(opened: Open, lab: StandIn) -> None:
    root = ET.fromstring(opened().get("/api/picture").text)
    names = [
        (group.attrib["class"].split()[0], group.attrib["data-name"])
        for group in root.iter("{http://www.w3.org/2000/svg}g")
    ]
    topology = lab.topology
    assert sorted(name for kind, name in names if kind == "link") == sorted(
        link.name for link in topology.links
    )
    nodes = {node.name for node in topology.nodes}
    devices = {device.name for device in topology.devices}
    assert {name for kind, name in names if kind == "endpoint"} == nodes | devices


def test_forms_say_what_can_be_done_to_a_part(opened: Open) -> None:
    forms = opened().get("/api/forms", params={"place": "link", "name": "arm-cloud"}).json()
    assert {"cut", "drop", "impair", "flap"} <= {form["title"] for form in forms}
    devices = opened().get("/api/forms", params={"place": "device", "name": "press"}).json()
    possible = {form["title"] for form in devices if not form["impossible"]}
    assert "untrusted" in possible
    assert "late" not in possible  # Modbus alone
    assert "serial-noise" not in possible


@pytest.mark.parametrize("query", [{"place": "cloud"}, {"place": "link", "name": "x"}, {}])
def test_forms_of_nothing_are_refused(opened: Open, query: dict[str, str]) -> None:
    answer = opened().get("/api/forms", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "input")


def test_a_cut_by_click_is_proved_and_healed(opened: Open, live: LiveLab) -> None:
    page = opened()
    begun = page.post("/api/faults", json={"words": ["cut", "link=arm-cloud"]})
    assert begun.status_code == 202
    assert begun.json()["command"] == "lab fault add --lab default cut link=arm-cloud"
    wait = Deadline.after(30)
    wait.wait_for("seen", lambda: live.snapshot().actions[0].state is ActionState.SEEN)
    assert page.post("/api/heal", json={"ids": [1]}).status_code == 202
    wait.wait_for("healed", lambda: live.snapshot().actions[0].state is ActionState.SEEN)
    wait.wait_for("up", lambda: {each.state for each in links(live)} == {LinkState.UP})


def links(live: LiveLab) -> tuple[LinkStatus, ...]:
    return live.snapshot().links.value or ()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/faults", {"words": ["cut", "link=nowhere"]}),
        ("/api/faults", {"words": []}),
        ("/api/faults", {"words": "cut link=arm-cloud"}),
        ("/api/faults", {"words": ["cut", "link=arm-cloud"], "more": 1}),
        ("/api/faults", {"words": ["!!python/object/apply:os.system [id]"]}),
        ("/api/heal", {"ids": [7]}),
        ("/api/heal", {"ids": ["1"]}),
        ("/api/heal", {}),
    ],
)
def test_what_cannot_be_right_is_refused_and_nothing_is_done(
    opened: Open, live: LiveLab, path: str, body: dict[str, object]
) -> None:
    answer = opened().post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "input")
    assert live.snapshot().actions == ()


def test_bytes_that_are_no_json_are_refused(opened: Open) -> None:
    headers = {"Content-Type": "application/json"}
    answer = opened().post("/api/faults", content=b"\xff{", headers=headers)
    assert answer.status_code == 400


def test_consoles_and_logs_are_read_by_name_and_no_other_file_is(opened: Open) -> None:
    page = opened()
    names = page.get("/api/logs").json()
    assert "console edge-arm" in names
    assert "line" in page.get("/api/log", params={"name": "console edge-arm"}).text
    for name in ("../state.json", "/etc/passwd", "console ../../x", ""):
        assert page.get("/api/log", params={"name": name}).status_code == 400


# -- read-only -----------------------------------------------------------------------------


def test_a_page_that_is_read_only_shows_all_and_does_nothing(
    opened: Open, place: Somewhere, lab: StandIn
) -> None:
    with LiveLab("default", place, read_only=True, pace=QUICK) as wall:
        Deadline.after(30).wait_for("known", lambda: wall.snapshot().links.is_known)
        page = opened(wall)
        assert page.get("/api/snapshot").json()["read_only"] is True
        for path, body in (
            ("/api/faults", {"words": ["cut", "link=arm-cloud"]}),
            ("/api/heal", {"ids": []}),
        ):
            answer = page.post(path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (403, "read-only")
        assert wall.snapshot().actions == ()
        assert lab.broken == {}


# -- a lab that is not well ----------------------------------------------------------------


def test_a_lab_that_is_not_up_is_told_of_and_no_crash(
    opened: Open, live: LiveLab, place: Somewhere
) -> None:
    place.lab = None
    Deadline.after(30).wait_for("lost", lambda: live.snapshot().condition.message)
    page = opened()
    said = page.get("/api/snapshot").json()
    assert said["condition"]["stage"] == "not-up"
    assert "not running" in said["condition"]["message"]
    assert said["links"]["value"]
    assert said["links"]["unknown_since"]
    assert page.get("/api/picture").status_code == 200  # with the states that it had
    answer = page.get("/api/logs")
    assert (answer.status_code, answer.json()["code"]) == (503, "lab")
    answer = page.post("/api/faults", json={"words": ["cut", "link=arm-cloud"]})
    assert (answer.status_code, answer.json()["code"]) == (503, "lab")


def test_while_the_api_server_hangs_the_page_answers(
    opened: Open, live: LiveLab, lab: StandIn
) -> None:
    lab.slow.clear()
    try:
        said = opened().get("/api/snapshot").json()
        assert said["links"]["unknown_since"] is None
        json.dumps(said)
    finally:
        lab.slow.set()
