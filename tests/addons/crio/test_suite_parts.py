"""How suites/stacks reads the images of a node with CRI-O, and changes a setting of it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.addons.crio.names import CONFIG, has_crio
from edge_lab.artifacts import ArtifactState, Availability
from edge_lab.core.errors import LabError, MissingCapability
from edge_lab.topology import Arch, Node, Topology
from suites.scheduling.images import imported
from suites.stacks.crioimages import DROP_IN, parse_images, with_setting
from suites.stacks.test_crio import SETTINGS, why_without_crio

LISTED = {
    "images": [
        {"id": "ab", "repoTags": ["edge-lab.local/pause:0.1.0"], "repoDigests": []},
        {"id": "cd", "repoTags": ["edge-lab.local/a:1", "edge-lab.local/b:1"]},
        {"id": "ef", "repoTags": None},
    ]
}


class FakeNode:
    def __init__(self, fails: bool = False) -> None:
        self.asked: list[str] = []
        self._fails = fails

    def output(self, command: str, *, seconds: float) -> str:
        self.asked.append(command)
        if self._fails:
            raise LabError("no response")
        return ""


def test_names_of_images_are_read() -> None:
    assert parse_images(json.dumps(LISTED)) == {
        "edge-lab.local/pause:0.1.0",
        "edge-lab.local/a:1",
        "edge-lab.local/b:1",
    }
    assert parse_images('{"images": null}') == frozenset()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"images": 7}', '{"images": [7]}', "[1]"])
def test_what_is_no_list_is_an_error_of_the_lab(text: str) -> None:
    with pytest.raises(LabError):
        parse_images(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_images(text)
    except LabError:
        return


def test_a_setting_is_on_the_disk_before_it_is_used_and_undone() -> None:
    node: Any = FakeNode()
    with with_setting(node, SETTINGS["without clean_shutdown_file"]):
        (write,) = node.asked
        assert write.index("sync") < write.index("systemctl restart crio.service")
    assert node.asked[-1] == f"rm -f {DROP_IN}; systemctl restart crio.service"
    # Of the files of a folder, the last one with a setting wins.
    assert DROP_IN > CONFIG


def test_a_setting_is_undone_even_if_it_may_not_have_been_made() -> None:
    node: Any = FakeNode(fails=True)
    with pytest.raises(LabError), with_setting(node, "[crio]\n"):
        pass
    assert "rm -f" in node.asked[-1]


def test_without_a_setting_nothing_is_restarted() -> None:
    node: Any = FakeNode()
    with with_setting(node, SETTINGS["as released"]):
        pass
    assert node.asked == []


def test_settings_can_be_parsed() -> None:
    settings = {name: tomllib.loads(text) for name, text in SETTINGS.items()}
    assert settings == {
        "as released": {},
        "without clean_shutdown_file": {"crio": {"clean_shutdown_file": ""}},
    }


def test_the_lab_of_the_suite_has_both_runtimes(lab: Topology) -> None:
    found = {node.name: has_crio(node) for node in lab.edges}
    assert found == {"edge-arm": True, "edge-riscv": False}


@pytest.mark.parametrize(
    ("arch", "state", "source", "why"),
    [
        (Arch.RISCV64, Availability.MISSING, "", "CRI-O is not released for riscv64"),
        (Arch.AARCH64, Availability.MISSING, "", "needs the crio artifact"),
        (Arch.AARCH64, Availability.AVAILABLE, "release https://x", "needs the crio artifact"),
        (Arch.AARCH64, Availability.AVAILABLE, "mirror /x", "--lab-topology=labs/cri-o.yaml"),
        (Arch.AARCH64, Availability.CACHED, "release https://x", "edge has containerd"),
    ],
)
def test_a_node_without_it_says_what_it_lacks(
    arch: Arch, state: Availability, source: str, why: str
) -> None:
    node = Node(name="edge", arch=arch, role="edge")
    assert why in why_without_crio(node, ArtifactState("crio", "v1", arch, state, source))


def test_an_image_that_only_containerd_imports_is_a_lack(lab: Topology, tmp_path: Path) -> None:
    node: Any = FakeNode()
    node.spec, node.machine = lab.node("edge-arm"), None
    with (
        pytest.raises(MissingCapability, match="CRI-O"),
        imported(node, tmp_path, "edge-lab.local/a:1", Arch.RISCV64),
    ):
        pass
    assert node.asked == []
