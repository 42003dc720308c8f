"""Releases as K3s and KubeEdge publish them, from a page on loopback."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from edge_lab.artifacts import CATALOG as REAL_CATALOG
from edge_lab.artifacts import Artifact, ArtifactStore, Availability, CannotObtain, Component, Want
from edge_lab.core.deadline import Deadline
from edge_lab.topology import Arch
from tests.artifacts.archives import tarball
from tests.artifacts.conftest import FakeGo, WebServer

X86, ARM, RISCV = Arch.X86_64, Arch.AARCH64, Arch.RISCV64
PROGRAM = b"\x7fELF a program" * 1000
OTHER = b"\x7fELF another one" * 1000

K3S_PAGE = "/k3s-io/k3s/releases/download/v1.34.9%2Bk3s1"
KUBEEDGE_PAGE = "/kubeedge/kubeedge/releases/download/v1.23.1"
TARBALL = "kubeedge-v1.23.1-linux-{}.tar.gz"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def sha512(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest()


def with_pages_at(url: str) -> dict[str, Component]:
    """The real entries of K3s and KubeEdge, with their pages moved from github.com to `url`."""
    found = {}
    for name in ("k3s", "k3s-airgap-images", "cloudcore", "edgecore"):
        component = REAL_CATALOG[name]
        assert component.release is not None
        page = component.release.page.replace("https://github.com", url)
        assert page.startswith(url)
        found[name] = replace(component, release=replace(component.release, page=page))
    return found


@pytest.fixture
def store(cache: Path, recipes: Path, web: WebServer, fake_go: FakeGo) -> ArtifactStore:
    store = ArtifactStore(cache, catalog=with_pages_at(web.url), recipes=recipes)
    store.update_lock()
    return store


@pytest.fixture
def k3s(web: WebServer) -> WebServer:
    images = b"images"
    web.publish(
        K3S_PAGE,
        {
            "k3s": PROGRAM,
            "k3s-arm64": OTHER,
            "k3s-airgap-images-amd64.tar.zst": images,
            "sha256sum-amd64.txt": (
                f"{sha256(b'x')}  k3s-airgap-images-amd64.tar\n"
                f"{sha256(images)}  k3s-airgap-images-amd64.tar.zst\n"
                f"{sha256(PROGRAM)}  k3s\n"
            ).encode(),
            "sha256sum-arm64.txt": f"{sha256(OTHER)}  k3s-arm64\n".encode(),
        },
    )
    return web


@pytest.fixture
def kubeedge(web: WebServer) -> WebServer:
    publish_kubeedge(web, "arm64", tarball(members(), "kubeedge-v1.23.1-linux-arm64"))
    return web


def members() -> dict[str, bytes]:
    return {
        "version": b"v1.23.1",
        "cloud/cloudcore/cloudcore": OTHER,
        "cloud/csidriver/csidriver": b"x",
        "edge/edgecore": PROGRAM,
    }


def publish_kubeedge(web: WebServer, arch: str, content: bytes) -> None:
    name = TARBALL.format(arch)
    sums = f"{sha512(content)}\n".encode()
    web.publish(KUBEEDGE_PAGE, {name: content, f"checksum_{name}.txt": sums})


def get(store: ArtifactStore, component: str, arch: Arch) -> Artifact:
    want = Want(component, arch)
    return store.resolve([want], Deadline.after(60))[want]


def refused(store: ArtifactStore, component: str, arch: Arch) -> str:
    with pytest.raises(CannotObtain) as caught:
        get(store, component, arch)
    return str(caught.value)


def pin(recipes: Path, component: str, arch: Arch, digest: str) -> None:
    file = recipes / "artifacts.lock"
    tree = json.loads(file.read_text())
    tree["components"][component]["files"] = {arch.value: digest}
    file.write_text(json.dumps(tree))


def cached_files(cache: Path) -> list[str]:
    return [path.name for path in (cache / "artifacts").rglob("*") if path.is_file()]


# -- one checksum file for all files of an architecture ------------------------------------


@pytest.mark.parametrize(
    ("component", "arch", "file", "content"),
    [
        ("k3s", X86, "k3s", PROGRAM),
        ("k3s", ARM, "k3s-arm64", OTHER),
        ("k3s-airgap-images", X86, "k3s-airgap-images-amd64.tar.zst", b"images"),
    ],
)
def test_k3s_is_taken_under_its_own_names_and_the_checksum_is_remembered(
    store: ArtifactStore, k3s: WebServer, component: str, arch: Arch, file: str, content: bytes
) -> None:
    artifact = get(store, component, arch)
    assert artifact.path.read_bytes() == content
    assert artifact.source == f"release {k3s.url}{K3S_PAGE}/{file}"
    record = json.loads(artifact.path.with_name("artifact.json").read_text())
    assert record["sha256"] == sha256(content)
    sums = f"{k3s.url}{K3S_PAGE}/sha256sum-{arch.go}.txt"
    assert record["vouched"] == f"sha256:{sha256(content)} for {file}, by {sums}"


def test_a_second_time_nobody_is_asked(store: ArtifactStore, k3s: WebServer) -> None:
    get(store, "k3s", X86)
    count = len(k3s.asked)
    get(store, "k3s", X86)
    assert len(k3s.asked) == count


def test_a_corrupt_file_is_refused_and_nothing_is_left(
    store: ArtifactStore, k3s: WebServer, cache: Path
) -> None:
    k3s.publish(K3S_PAGE, {"k3s": PROGRAM[:-1] + b"!"})
    said = refused(store, "k3s", X86)
    assert f"does not match its digest, sha256:{sha256(PROGRAM)}" in said
    assert "sha256sum-amd64.txt" in said
    assert cached_files(cache) == ["build.lock"]


def test_a_file_that_is_not_there_is_named_with_its_address(
    store: ArtifactStore, k3s: WebServer
) -> None:
    del k3s.content[f"{K3S_PAGE}/k3s-arm64"]
    assert f"{K3S_PAGE}/k3s-arm64: 404 Not Found" in refused(store, "k3s", ARM)


def test_without_the_checksum_file_not_a_byte_of_the_program_is_taken(
    store: ArtifactStore, k3s: WebServer
) -> None:
    del k3s.content[f"{K3S_PAGE}/sha256sum-arm64.txt"]
    said = refused(store, "k3s", ARM)
    assert "the digest of k3s-arm64 is unknown: there is no sha256sum-arm64.txt" in said
    assert k3s.asked == [f"{K3S_PAGE}/sha256sum-arm64.txt"]


@pytest.mark.parametrize(
    "sums",
    [
        f"{sha256(OTHER)}  k3s\n",
        f"{sha256(OTHER)}  k3s-arm64\n{sha256(PROGRAM)}  k3s-arm64\n",
        "<html>404</html>",
        "",
    ],
)
def test_a_checksum_file_that_does_not_speak_of_the_file_vouches_for_nothing(
    store: ArtifactStore, k3s: WebServer, sums: str
) -> None:
    k3s.publish(K3S_PAGE, {"sha256sum-arm64.txt": sums.encode()})
    assert "sha256sum-arm64.txt has no unambiguous digest for k3s-arm64" in refused(
        store, "k3s", ARM
    )


def test_the_digest_in_the_lock_outranks_the_published_one(
    store: ArtifactStore, k3s: WebServer, recipes: Path
) -> None:
    k3s.publish(K3S_PAGE, {"sha256sum-amd64.txt": f"{sha256(b'x')}  k3s\n".encode()})
    pin(recipes, "k3s", X86, sha256(PROGRAM))
    artifact = get(store, "k3s", X86)
    record = json.loads(artifact.path.with_name("artifact.json").read_text())
    assert record["vouched"] == f"sha256:{sha256(PROGRAM)}, by images/artifacts.lock"


def test_what_the_lock_does_not_pin_is_refused_though_its_publisher_vouches_for_it(
    store: ArtifactStore, k3s: WebServer, recipes: Path
) -> None:
    pin(recipes, "k3s", X86, sha256(OTHER))
    said = refused(store, "k3s", X86)
    assert f"does not match its digest, sha256:{sha256(OTHER)} by images/artifacts.lock" in said


def test_pinning_anew_keeps_a_digest_that_the_user_pinned(
    store: ArtifactStore, recipes: Path
) -> None:
    pin(recipes, "k3s", X86, sha256(PROGRAM))
    assert store.update_lock() == ()
    assert sha256(PROGRAM) in (recipes / "artifacts.lock").read_text()


def test_an_architecture_without_a_release_names_every_source(store: ArtifactStore) -> None:
    said = refused(store, "k3s", RISCV)
    for line in (
        "- cache: missing, or damaged",
        "- mirror: none is set (LAB_MIRROR=<folder or address> names one)",
        "- release page: k3s v1.34.9+k3s1 is not published for riscv64",
        "- Go modules: k3s is not built from Go modules",
    ):
        assert line in said


def test_nothing_is_downloaded_for_a_stack_that_cannot_be_had(
    store: ArtifactStore, k3s: WebServer
) -> None:
    with pytest.raises(CannotObtain, match="not published for riscv64") as caught:
        store.resolve([Want("k3s", X86), Want("k3s", RISCV)], Deadline.after(60))
    assert set(caught.value.failures) == {Want("k3s", RISCV)}
    assert k3s.asked == []


def test_the_table_shows_the_release_and_asks_nobody(store: ArtifactStore, k3s: WebServer) -> None:
    rows = store.state([Want("k3s", ARM), Want("edgecore", ARM), Want("edgecore", RISCV)])
    assert rows[0].state is Availability.AVAILABLE
    assert rows[0].source == f"release {k3s.url}{K3S_PAGE}/k3s-arm64"
    assert rows[1].source.endswith("kubeedge-v1.23.1-linux-arm64.tar.gz")
    assert rows[2].state is Availability.MISSING
    assert k3s.asked == []


# -- a member of a tarball -----------------------------------------------------------------


@pytest.mark.parametrize("top", ["kubeedge-v1.23.1-linux-arm64", "another-name", "."])
def test_a_program_of_kubeedge_is_taken_out_of_its_tarball(
    store: ArtifactStore, web: WebServer, top: str
) -> None:
    publish_kubeedge(web, "arm64", tarball(members(), top))
    artifact = get(store, "edgecore", ARM)
    assert artifact.path.read_bytes() == PROGRAM
    assert artifact.sha256 == sha256(PROGRAM)
    assert get(store, "cloudcore", ARM).path.read_bytes() == OTHER
    record = json.loads(artifact.path.with_name("artifact.json").read_text())
    assert record["vouched"].startswith("sha512:")
    assert "checksum_kubeedge-v1.23.1-linux-arm64.tar.gz.txt" in record["vouched"]


def test_a_tarball_that_is_not_what_its_checksum_says_is_refused(
    store: ArtifactStore, kubeedge: WebServer, cache: Path
) -> None:
    page = f"{KUBEEDGE_PAGE}/{TARBALL.format('arm64')}"
    kubeedge.content[page] = tarball({"edge/edgecore": OTHER})
    assert "does not match its digest, sha512:" in refused(store, "edgecore", ARM)
    assert cached_files(cache) == ["build.lock"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no tarball at all", "cannot be unpacked"),
        (tarball(members(), "top")[:-200], "cannot be unpacked"),
        (tarball({"edge/keadm": b"x"}, "top"), "contains no edge/edgecore"),
        (tarball({"edge/edgecore": b"1", "top/edge/edgecore": b"2"}), "contains more than one"),
    ],
    ids=["junk", "cut off", "without it", "twice"],
)
def test_a_tarball_without_the_one_program_is_refused(
    store: ArtifactStore, web: WebServer, content: bytes, said: str
) -> None:
    publish_kubeedge(web, "arm64", content)
    message = refused(store, "edgecore", ARM)
    assert said in message
    assert TARBALL.format("arm64") in message


def test_a_digest_in_the_lock_is_of_the_program_and_not_of_its_tarball(
    store: ArtifactStore, kubeedge: WebServer, recipes: Path
) -> None:
    pin(recipes, "edgecore", ARM, sha256(OTHER))
    said = refused(store, "edgecore", ARM)
    assert "edge/edgecore of" in said
    assert "by images/artifacts.lock" in said
    pin(recipes, "edgecore", ARM, sha256(PROGRAM))
    del kubeedge.content[f"{KUBEEDGE_PAGE}/checksum_{TARBALL.format('arm64')}.txt"]
    assert get(store, "edgecore", ARM).path.read_bytes() == PROGRAM


# -- the same files in a mirror ------------------------------------------------------------


def fill(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


MIRRORED_K3S = {
    "k3s/v1.34.9+k3s1/k3s": PROGRAM,
    "k3s/v1.34.9+k3s1/sha256sum-amd64.txt": f"{sha256(PROGRAM)}  k3s\n".encode(),
    "k3s/v1.34.9+k3s1/k3s-airgap-images-amd64.tar": b"images",
    "k3s/v1.34.9+k3s1/k3s-airgap-images-amd64.tar.sha256": sha256(b"images").encode(),
}
_EDGE = tarball(members(), "kubeedge-v1.23.1-linux-arm64")
MIRRORED_KUBEEDGE = {
    TARBALL.format("arm64"): _EDGE,
    f"checksum_{TARBALL.format('arm64')}.txt": sha512(_EDGE).encode(),
    "edgecore-v1.23.1-linux-riscv64": OTHER,
    "edgecore-v1.23.1-linux-riscv64.sha256": sha256(OTHER).encode(),
}


@pytest.fixture(params=["folder", "web"])
def mirrored(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    cache: Path,
    recipes: Path,
    web: WebServer,
    store: ArtifactStore,
) -> ArtifactStore:
    """A store whose mirror, a folder or an address, holds K3s and KubeEdge; its pages are empty."""
    files = {**MIRRORED_K3S, **MIRRORED_KUBEEDGE}
    mirror: Path | str = tmp_path / "mirror"
    if request.param == "folder":
        fill(tmp_path / "mirror", files)
    else:
        mirror = f"{web.url}/pub"
        web.publish("/pub", {name.replace("+", "%2B"): each for name, each in files.items()})
    return ArtifactStore(cache, mirror, catalog=with_pages_at(web.url), recipes=recipes)


@pytest.mark.parametrize(
    ("component", "arch", "content", "where"),
    [
        ("k3s", X86, PROGRAM, "k3s"),
        ("k3s-airgap-images", X86, b"images", "k3s-airgap-images-amd64.tar"),
        ("edgecore", ARM, PROGRAM, TARBALL.format("arm64")),
        ("cloudcore", ARM, OTHER, TARBALL.format("arm64")),
        ("edgecore", RISCV, OTHER, "edgecore-v1.23.1-linux-riscv64"),
    ],
)
def test_a_mirror_may_hold_files_under_their_publishers_names(
    mirrored: ArtifactStore, component: str, arch: Arch, content: bytes, where: str
) -> None:
    artifact = get(mirrored, component, arch)
    assert artifact.path.read_bytes() == content
    assert artifact.source.startswith("mirror ")
    assert artifact.source.endswith(f"/{where}")


def test_a_name_without_a_version_counts_only_in_a_folder_that_has_it(
    cache: Path, recipes: Path, web: WebServer, store: ArtifactStore, tmp_path: Path
) -> None:
    fill(
        tmp_path / "m", {"k3s": PROGRAM, "sha256sum-amd64.txt": f"{sha256(PROGRAM)}  k3s".encode()}
    )
    other = ArtifactStore(cache, tmp_path / "m", catalog=with_pages_at(web.url), recipes=recipes)
    said = refused(other, "k3s", X86)
    assert "has no k3s-v1.34.9+k3s1-linux-amd64 or k3s/v1.34.9+k3s1/k3s" in said


def test_in_a_mirror_too_nothing_is_taken_that_nothing_vouches_for(
    cache: Path, recipes: Path, web: WebServer, store: ArtifactStore, tmp_path: Path
) -> None:
    fill(tmp_path / "m", {"k3s/v1.34.9+k3s1/k3s": PROGRAM})
    other = ArtifactStore(cache, tmp_path / "m", catalog=with_pages_at(web.url), recipes=recipes)
    said = refused(other, "k3s", X86)
    assert "there is no sha256sum-amd64.txt or k3s.sha512 or k3s.sha256" in said
    assert f"cd {tmp_path}/m/k3s/v1.34.9+k3s1 && sha256sum k3s > k3s.sha256" in said
