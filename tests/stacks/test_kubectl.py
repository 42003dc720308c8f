"""The wrapper around kubectl, against a script that answers as kubectl would."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_lab.cluster.kubectl import Kubectl, KubectlError
from edge_lab.cluster.objects import node_ready, pod_ready, to_yaml
from edge_lab.cluster.pods import PodTrouble, pod_trouble, wait_pod_ready
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, LabError
from tests.budget import examples

SCRIPT = """#!{python}
import json, os, sys, time
from pathlib import Path

here = Path(__file__).parent
call = {{"argv": sys.argv[1:], "env": dict(os.environ)}}
if "-f" in sys.argv:
    call["stdin"] = sys.stdin.read()
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
line = " ".join(sys.argv[1:])
for answer in json.loads((here / "answers").read_text()):
    if answer["to"] in line:
        time.sleep(answer.get("seconds", 0))
        sys.stdout.write(answer.get("stdout", ""))
        sys.stderr.write(answer.get("stderr", ""))
        sys.exit(answer.get("exit", 0))
sys.exit("unexpected: " + line)
"""


@dataclass
class Fake:
    """A kubectl that answers from a list, and remembers how it was called."""

    folder: Path

    def answer(self, *answers: Mapping[str, Any]) -> None:
        (self.folder / "answers").write_text(json.dumps(answers))

    @property
    def calls(self) -> list[dict[str, Any]]:
        lines = (self.folder / "calls").read_text().splitlines()
        return [json.loads(line) for line in lines]

    @property
    def kubectl(self) -> Kubectl:
        return Kubectl(self.folder / "kubectl", self.folder / "kubeconfig")


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    script = tmp_path / "kubectl"
    script.write_text(SCRIPT.format(python=sys.executable))
    script.chmod(0o755)
    (tmp_path / "calls").touch()
    return Fake(tmp_path)


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(20)


def test_it_returns_what_kubectl_says(fake: Fake, soon: Deadline) -> None:
    fake.answer({"to": "version", "stdout": "v1"})
    assert fake.kubectl.run("version", deadline=soon) == "v1"


def test_a_failure_carries_what_kubectl_said(fake: Fake, soon: Deadline) -> None:
    fake.answer({"to": "get", "stderr": 'Error from server (NotFound): pods "x"', "exit": 1})
    with pytest.raises(KubectlError, match='pods "x"') as failed:
        fake.kubectl.run("get", "pod", "x", deadline=soon)
    assert not failed.value.refused


@pytest.mark.parametrize(
    "said",
    [
        "Error from server (Forbidden): secrets is forbidden",
        "error: You must be logged in to the server (Unauthorized)",
    ],
)
def test_being_refused_can_be_told_from_other_failures(
    fake: Fake, soon: Deadline, said: str
) -> None:
    fake.answer({"to": "get", "stderr": said, "exit": 1})
    with pytest.raises(KubectlError) as failed:
        fake.kubectl.run("get", "secrets", deadline=soon)
    assert failed.value.refused


def test_the_users_own_settings_have_no_say(
    fake: Fake, soon: Deadline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/home/me/.kube/config")
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", "rm")
    fake.answer({"to": "version"})
    fake.kubectl.run("version", deadline=soon)
    (call,) = fake.calls
    assert f"--kubeconfig={fake.folder / 'kubeconfig'}" in call["argv"]
    assert any(arg.startswith(f"--cache-dir={fake.folder}") for arg in call["argv"])
    assert call["env"]["KUBERC"] == "off"
    assert not {"KUBECONFIG", "KUBECTL_EXTERNAL_DIFF"} & set(call["env"])


def test_a_kubectl_that_hangs_is_ended(fake: Fake) -> None:
    fake.answer({"to": "version", "seconds": 30})
    deadline = Deadline.after(0.5)
    with pytest.raises(KubectlError, match="no answer"):
        fake.kubectl.run("version", deadline=deadline)
    with pytest.raises(DeadlineExceeded):
        fake.kubectl.run("version", deadline=deadline)


def test_a_missing_kubectl_is_a_lab_error(tmp_path: Path, soon: Deadline) -> None:
    with pytest.raises(LabError, match="lab doctor"):
        Kubectl(tmp_path / "none", tmp_path / "kubeconfig").run("version", deadline=soon)


def test_a_commands_exit_code_is_told_from_kubectls_own(fake: Fake, soon: Deadline) -> None:
    fake.answer(
        {
            "to": "-- false",
            "exit": 3,
            "stdout": "out",
            "stderr": "oops\ncommand terminated with exit code 3",
        },
        {"to": "-- true", "exit": 1, "stderr": "Error from server: no such container"},
    )
    result = fake.kubectl.exec("p", ["false"], soon, check=False)
    assert (result.returncode, result.stdout) == (3, "out")
    with pytest.raises(KubectlError):
        fake.kubectl.exec("p", ["false"], soon)
    with pytest.raises(KubectlError, match="no such container"):
        fake.kubectl.exec("p", ["true"], soon, check=False)


def test_a_commands_own_flags_come_after_the_dashes(fake: Fake, soon: Deadline) -> None:
    fake.answer({"to": "exec"})
    fake.kubectl.exec("p", ["ls", "--kubeconfig=x"], soon, container="c")
    (call,) = fake.calls
    at = call["argv"].index("--")
    assert call["argv"][at + 1 :] == ["ls", "--kubeconfig=x"]
    assert "--container=c" in call["argv"][:at]


# -- pods and nodes ------------------------------------------------------------------------


def pod(
    *, ready: bool = False, waiting: str = "", restarts: int = 0, phase: str = "Running"
) -> dict[str, Any]:
    state = {"waiting": {"reason": waiting, "message": "so it is"}} if waiting else {"running": {}}
    return {
        "metadata": {"name": "p", "uid": "u1"},
        "status": {
            "phase": phase,
            "conditions": [{"type": "Ready", "status": str(ready)}],
            "containerStatuses": [
                {"name": "c", "ready": ready, "restartCount": restarts, "state": state}
            ],
        },
    }


EVENTS = [
    {"reason": "Late", "message": "two", "lastTimestamp": "2026-01-02T00:00:00Z"},
    {"reason": "Early", "message": "one", "lastTimestamp": "2026-01-01T00:00:00Z"},
]


class PaperKubectl(Kubectl):
    """One pod and its events, on paper."""

    def __init__(self, found: dict[str, Any]) -> None:
        super().__init__(Path("/nowhere"), Path("/nowhere"))
        self.found = found

    def find(self, *args: str, deadline: Deadline) -> dict[str, Any] | None:
        assert args[:2] == ("pod", "p")
        return self.found

    def items(self, *args: str, deadline: Deadline) -> list[dict[str, Any]]:
        assert args[0] == "events"
        return list(EVENTS)


def test_a_ready_pod_is_returned(soon: Deadline) -> None:
    kubectl = PaperKubectl(pod(ready=True))
    assert wait_pod_ready(kubectl, "p", soon)["metadata"]["name"] == "p"


def test_waiting_for_an_image_that_is_not_there_ends_with_the_events(soon: Deadline) -> None:
    kubectl = PaperKubectl(pod(waiting="ErrImageNeverPull"))
    with pytest.raises(PodTrouble, match=r"ErrImageNeverPull: so it is\n  Early: one\n  Late: two"):
        wait_pod_ready(kubectl, "p", soon)
    assert soon.remaining > 10


@pytest.mark.parametrize(
    ("given_pod", "said"),
    [
        (pod(phase="Failed"), "phase is Failed"),
        (pod(waiting="CrashLoopBackOff", restarts=4), "crashed 4 times"),
        (pod(waiting="InvalidImageName"), "InvalidImageName"),
    ],
)
def test_a_hopeless_pod_is_known(given_pod: dict[str, Any], said: str) -> None:
    assert said in (pod_trouble(given_pod) or "")


@pytest.mark.parametrize(
    "given_pod",
    [
        pod(waiting="ContainerCreating", phase="Pending"),
        pod(waiting="CrashLoopBackOff", restarts=2),
        pod(ready=True, restarts=9),
        {"metadata": {"name": "p"}, "status": {}},
    ],
)
def test_a_pod_with_hope_is_waited_for(given_pod: dict[str, Any]) -> None:
    assert pod_trouble(given_pod) is None


def test_restarts_of_an_earlier_day_do_not_count() -> None:
    looping = pod(waiting="CrashLoopBackOff", restarts=9)
    assert pod_trouble(looping) is not None
    assert pod_trouble(looping, before={"c": 8}) is None


@pytest.mark.parametrize(
    ("how", "said"),
    [({"now": True}, ["--now"]), ({"force": True}, ["--force", "--grace-period=0"]), ({}, [])],
)
def test_a_deletion_leaves_a_pod_the_time_that_is_asked_for(
    fake: Fake, soon: Deadline, how: dict[str, bool], said: list[str]
) -> None:
    fake.answer({"to": "delete"})
    fake.kubectl.delete("pod", "x", deadline=soon, **how)
    (call,) = fake.calls
    times = ("--now", "--force", "--grace-period")
    assert [each for each in call["argv"] if each.startswith(times)] == said


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    leaving = pod(ready=True)
    leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert not pod_ready(leaving)


def test_a_node_that_is_not_heard_of_is_not_ready() -> None:
    def node(status: str) -> dict[str, Any]:
        return {"status": {"conditions": [{"type": "Ready", "status": status}]}}

    assert node_ready(node("True"))
    assert not node_ready(node("Unknown"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text("abc/.-", min_size=1), inner, max_size=3)
    ),
    max_leaves=5,
)


@settings(max_examples=examples(40))
@given(
    st.lists(st.dictionaries(st.text("abcxyz", min_size=1), json_values), min_size=1, max_size=3)
)
def test_yaml_says_the_same_as_the_objects(objects: list[dict[str, Any]]) -> None:
    assert list(yaml.safe_load_all(to_yaml(objects))) == objects
