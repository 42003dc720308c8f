"""The image of edge-lab, as far as a Containerfile can be checked without building it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_lab.artifacts.goversions import demanded_by, go_version, version_text
from tests.conftest import ROOT

FILE = ROOT / "images" / "edge-lab" / "Containerfile"
INSTALLER = "images/install-host-packages.sh"
LIST = "images/host-packages.txt"


def instructions(text: str) -> list[tuple[str, str]]:
    """Names and arguments, with continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines())]


def copied(text: str) -> list[str]:
    return [
        source
        for name, rest in instructions(text)
        if name == "COPY"
        for source in rest.split()[:-1]
    ]


def own_packages(text: str) -> set[str]:
    """Those that the Containerfile names itself."""
    runs = " && ".join(rest for name, rest in instructions(text) if name == "RUN")
    found: set[str] = set()
    for words in re.findall(r"apt-get install ([^&]*)", runs):
        found.update(word for word in words.split() if not word.startswith("-"))
    return found


def base_go(text: str) -> tuple[int, int]:
    """Release of Go in the base image."""
    found = go_version(re.findall(r"^FROM \S*golang:([0-9.]+)", text, re.MULTILINE)[0])
    assert found is not None
    return found[:2]


def demanded_go() -> tuple[int, int]:
    """Release of Go that builds all components, of add-ons too."""
    modules = list(ROOT.glob("images/go/*/go.mod"))
    assert modules
    return max(demanded_by(each) for each in modules)[:2]


def installed_extras(text: str) -> set[str]:
    """Extras of edge-lab with which pip installs it."""
    named = re.findall(r"--editable '?\.(?:\[([^]]*)\])?", text)
    return {each.strip() for each in ",".join(named).split(",")} - {""}


def extras_of_addons() -> set[str]:
    """Extras that add-ons need, by what they say where a package is missing."""
    texts = [each.read_text(encoding="utf-8") for each in ROOT.glob("lab/addons/**/*.py")]
    return set(re.findall(r"edge-lab\[([^]]+)\]", "\n".join(texts)))


def host_packages() -> set[str]:
    lines = (ROOT / LIST).read_text(encoding="utf-8").splitlines()
    return {line.partition("#")[0].strip() for line in lines} - {""}


def problems(text: str) -> list[str]:
    """What keeps the image from being a host like any other."""
    runs = [rest for name, rest in instructions(text) if name == "RUN"]
    found = [
        f"copies {each}, which does not exist"
        for each in copied(text)
        if not (ROOT / each).exists()
    ]
    found += [f"does not copy {each}" for each in (LIST, INSTALLER) if each not in copied(text)]
    if not any(Path(INSTALLER).name in run for run in runs):
        found.append("does not install the host packages")
    found += [f"has a second list: {each}" for each in own_packages(text) & host_packages()]
    if base_go(text) < demanded_go():
        found.append(f"has a Go older than {version_text((*demanded_go(), 0))}")
    found += [
        f"does not install the extra {each}" for each in extras_of_addons() - installed_extras(text)
    ]
    return found


TEXT = FILE.read_text(encoding="utf-8")


def test_the_image_has_the_packages_of_every_host() -> None:
    assert problems(TEXT) == []
    assert own_packages(TEXT) == {"tini"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sh /tmp/host/install-host-packages.sh", "true"),
        ("COPY images/host-packages.txt ", "COPY "),
        ("recommends tini", "recommends tini qemu-utils"),
        ("COPY plans plans", "COPY plan plans"),
        ("golang:1.26-", "golang:1.25-"),
        ("golang:1.26-", "golang:1.25.9-"),
        ("'.[models]'", "."),
        ("'.[models]'", "'.[matrix,ui]'"),
    ],
)
def test_an_image_that_differs_is_found(old: str, new: str) -> None:
    assert old in TEXT
    assert len(problems(TEXT.replace(old, new))) == 1


@pytest.mark.parametrize("text", ["'.[models]'", "'.[matrix, models]'", "'.[models]' --group dev"])
def test_an_image_with_more_than_is_needed_is_as_good(text: str) -> None:
    assert problems(TEXT.replace("'.[models]'", text)) == []
    assert problems(TEXT.replace("golang:1.26-", "golang:1.27.1-")) == []


def test_an_image_of_ci_has_the_same_base() -> None:
    """A suite that runs in the one runs in the other."""
    base = dict(instructions(TEXT))["FROM"].removeprefix("docker.io/library/")
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        text = (ROOT / "docs" / "ci" / name).read_text(encoding="utf-8")
        assert re.findall(r"image: (golang\S*)", text) == [base]


def test_the_builder_is_sent_what_is_copied_and_no_more() -> None:
    ignored = FILE.with_name(f"{FILE.name}.dockerignore").read_text(encoding="utf-8")
    sent = {line[1:] for line in ignored.splitlines() if line.startswith("!")}
    assert "*" in ignored.splitlines()
    assert {each.partition("/")[0] for each in copied(TEXT)} == sent


def test_what_the_package_links_to_is_copied() -> None:
    """src/edge_lab and lab/ have links to folders at the top."""
    links = [each for each in (*ROOT.glob("lab/*"), *ROOT.glob("lab/data/*")) if each.is_symlink()]
    assert links
    targets = {each.resolve().relative_to(ROOT).parts[0] for each in links}
    assert targets <= {each.partition("/")[0] for each in copied(TEXT)}


def test_processes_are_reaped_and_arguments_are_the_command() -> None:
    entry = dict(instructions(TEXT))
    assert "tini" in entry["ENTRYPOINT"]
