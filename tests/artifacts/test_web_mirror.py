"""A mirror that is an address."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_lab.artifacts import ArtifactStore, Availability, CannotObtain, Want
from edge_lab.artifacts.mirror import read_mirror
from edge_lab.artifacts.model import SourceFailed
from edge_lab.artifacts.web import CONNECT_TRIES, Web
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import InputError
from edge_lab.topology import Arch
from tests.artifacts.conftest import CATALOG, FakeGo, WebServer

ONE, TWO = Want("one", Arch.RISCV64), Want("two", Arch.RISCV64)
NAME = "one-v1.0.0-linux-riscv64"
CONTENT = b"from the mirror"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def mirrored(
    cache: Path, recipes: Path, web: WebServer, store: ArtifactStore, fake_go: FakeGo
) -> ArtifactStore:
    fake_go.set("MODE", "fail")
    web.publish("/lab", {NAME: CONTENT, f"{NAME}.sha256": SHA256.encode()})
    return ArtifactStore(cache, f"{web.url}/lab", catalog=CATALOG, recipes=recipes)


def test_a_file_with_a_checksum_beside_it_is_taken(
    mirrored: ArtifactStore, web: WebServer, fake_go: FakeGo
) -> None:
    artifact = mirrored.resolve([ONE], Deadline.after(60))[ONE]
    assert artifact.path.read_bytes() == CONTENT
    assert artifact.source == f"mirror {web.url}/lab/{NAME}"
    assert fake_go.calls == []


def test_one_list_may_vouch_for_all(mirrored: ArtifactStore, web: WebServer) -> None:
    del web.content[f"/lab/{NAME}.sha256"]
    web.publish("/lab", {"SHA256SUMS": f"{SHA256}  {NAME}\n".encode()})
    assert mirrored.resolve([ONE], Deadline.after(60))[ONE].sha256 == SHA256


def test_a_file_that_nothing_vouches_for_is_refused(
    mirrored: ArtifactStore, web: WebServer
) -> None:
    del web.content[f"/lab/{NAME}.sha256"]
    with pytest.raises(CannotObtain, match="Put its publisher's checksum beside it"):
        mirrored.resolve([ONE], Deadline.after(60))


def test_a_file_that_is_not_what_its_checksum_says_is_refused(
    mirrored: ArtifactStore, web: WebServer
) -> None:
    web.publish("/lab", {NAME: b"changed"})
    with pytest.raises(CannotObtain, match="does not match its digest"):
        mirrored.resolve([ONE], Deadline.after(60))


def test_what_the_mirror_lacks_comes_from_the_next_source(
    mirrored: ArtifactStore, web: WebServer, fake_go: FakeGo
) -> None:
    web.content.clear()
    fake_go.set("MODE", "work")
    assert mirrored.resolve([ONE], Deadline.after(60))[ONE].source.startswith("Go modules")


def test_a_mirror_that_does_not_say_is_told_from_one_that_has_it_not(
    mirrored: ArtifactStore, web: WebServer
) -> None:
    web.forbidden.add(f"/lab/{NAME}")
    with pytest.raises(CannotObtain, match=r"could not be checked for .*403 Forbidden"):
        mirrored.resolve([ONE], Deadline.after(60))
    web.forbidden.clear()
    web.content.clear()
    with pytest.raises(CannotObtain, match=f"mirror {web.url}/lab: has no {NAME}"):
        mirrored.resolve([ONE], Deadline.after(60))


def test_the_table_asks_nobody_and_says_what_is_sure(
    mirrored: ArtifactStore, web: WebServer
) -> None:
    (row,) = mirrored.state([ONE])
    assert row.state is Availability.AVAILABLE
    assert row.source == (
        f"mirror {web.url}/lab, if it has it; else Go modules: example.org/hub@v1.0.0"
    )
    assert web.asked == []


def test_with_no_other_source_the_table_still_says_why(
    mirrored: ArtifactStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (row,) = mirrored.state([ONE])
    assert "if it has it; else not available (release page: " in row.source
    assert "Go is not installed" in row.source


def test_a_server_out_of_reach_is_tried_for_one_file_and_not_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[Any] = []

    def refuse(*what: Any, **more: Any) -> None:
        tried.append(what)
        raise urllib.error.URLError(ConnectionRefusedError(111, "Connection refused"))

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    web = Web(Deadline.after(60))
    for name in "abc":
        with pytest.raises(SourceFailed, match=r"example\.org cannot be reached: .*refused"):
            web.has(f"https://example.org/{name}")
    assert len(tried) == CONNECT_TRIES


def test_the_mirror_is_read_from_the_environment(tmp_path: Path) -> None:
    assert read_mirror("") is None
    assert read_mirror(str(tmp_path)) == tmp_path
    assert read_mirror("~") == Path.home()
    assert (
        read_mirror("https://mirror.example.org:8443/lab/") == "https://mirror.example.org:8443/lab"
    )


@pytest.mark.parametrize(
    "text",
    [
        "ftp://example.org/lab",
        "https://",
        "http://[::1",
        "https://user:secret@example.org/lab",
        "https://example.org/lab?token=secret",
        "https://example.org/#lab",
        "~nobody-of-this-name/lab",
    ],
)
def test_what_cannot_be_used_is_refused_without_repeating_a_secret(text: str) -> None:
    with pytest.raises(InputError, match="LAB_MIRROR") as caught:
        read_mirror(text)
    assert "secret" not in str(caught.value)
    assert caught.value.remedy


@given(st.text(max_size=40))
def test_any_text_is_a_folder_an_address_or_a_mistake(text: str) -> None:
    if "\0" in text:
        return
    try:
        found = read_mirror(text)
    except InputError:
        assert "://" in text or text.startswith("~")
        return
    if isinstance(found, str):
        assert found.startswith(("http://", "https://"))
    else:
        assert found is None or found.is_absolute()
