"""A run on a cluster, by a client that only answers."""

from __future__ import annotations

import importlib.util
import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import DeadlineExceeded, InputError, LabError
from edge_lab.matrix import client, cluster
from edge_lab.matrix.archive import extract
from edge_lab.matrix.client import ClusterClient, RefusedByCluster
from edge_lab.matrix.cluster import collect, follow, new_name, on_cluster
from edge_lab.matrix.model import Cluster
from edge_lab.matrix.objects import Manifest, jobs_of
from edge_lab.matrix.states import ShardProgress, ShardState
from tests.conftest import ROOT
from tests.looks import Looks
from tests.matrix.plans import plan, shard

PLAN = plan(shard(0), shard(1))
CLUSTER = Cluster.model_validate({"image": "i", "results": {"claim": "c"}})
OVER = {"type": "Failed", "status": "True"}


class FakeAccess:
    """Answers with the next of the given statuses; remembers what it was asked."""

    def __init__(self, *answers: Manifest | BaseException, refuses: str = "") -> None:
        self.answers = list(answers)
        self.refuses = refuses
        self.there: list[str] = []
        self.copied: list[str] = []

    def create(self, manifest: Manifest) -> Manifest:
        if manifest["kind"] == self.refuses:
            raise RefusedByCluster("forbidden")
        self.there.append(f"{manifest['kind']} {manifest['metadata']['name']}")
        return manifest

    def delete(self, kind: str, name: str) -> None:
        self.there.remove(f"{kind} {name}")

    def job(self, name: str) -> Manifest:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, BaseException):
            raise answer
        return {"status": answer}

    def pod(self, name: str) -> Manifest:
        return {"status": {"phase": "Running"}}

    def pods(self, job: str) -> list[Manifest]:
        return []

    def copy_folder(self, pod: str, folder: str, target: Path, deadline: Deadline) -> None:
        if self.refuses == "exec":
            raise LabError("no tar")
        self.copied.append(folder)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(cluster, "LOOK_EVERY", 0.001)


def followed(access: FakeAccess, deadline: Deadline | None = None) -> list[ShardState]:
    told: list[ShardProgress] = []
    ended = follow(access, jobs_of(PLAN, "m"), told.append, deadline or Looks())
    assert {each.index: each for each in told} == {each.index: each for each in ended}
    return [each.state for each in ended]


def test_a_run_is_followed_until_its_job_is_over() -> None:
    access = FakeAccess(
        {},
        {"completedIndexes": "0"},
        {"completedIndexes": "0", "failedIndexes": "1"},
        {"completedIndexes": "0", "failedIndexes": "1", "conditions": [OVER]},
    )
    assert followed(access) == [ShardState.PASSED, ShardState.FAILED]


def test_a_job_that_was_ended_as_a_whole_is_over_though_shards_have_not_run() -> None:
    over = {"completedIndexes": "0", "conditions": [OVER]}
    assert followed(FakeAccess({}, over)) == [ShardState.PASSED, ShardState.WAITING]


def test_a_connection_that_breaks_is_no_end() -> None:
    done = {"completedIndexes": "0,1", "conditions": [OVER]}
    assert followed(FakeAccess(LabError("reset"), {}, LabError("reset"), done)) == [
        ShardState.PASSED,
        ShardState.PASSED,
    ]


def test_a_job_that_was_deleted_is_an_end() -> None:
    with pytest.raises(LabError) as trouble:
        followed(FakeAccess({}, RefusedByCluster("not found")))
    assert not isinstance(trouble.value, DeadlineExceeded)


def test_a_job_that_never_ends_is_told_in_the_end() -> None:
    with pytest.raises(DeadlineExceeded):
        followed(FakeAccess({}), Looks(3))


def test_objects_are_removed_whatever_happens() -> None:
    access = FakeAccess(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), on_cluster(access, PLAN, CLUSTER, "m"):
        access.job("m")
    assert access.there == []
    with on_cluster(access, PLAN, CLUSTER, "m", keep=True):
        pass
    assert access.there == ["ConfigMap m", "Job m"]


def test_what_was_created_before_a_refusal_is_removed() -> None:
    access = FakeAccess({}, refuses="Job")
    with pytest.raises(LabError), on_cluster(access, PLAN, CLUSTER, "m"):
        pytest.fail("there is no Job")
    assert access.there == []


def test_results_are_fetched_by_a_pod_that_does_not_stay(tmp_path: Path) -> None:
    access = FakeAccess({})
    collect(access, PLAN, CLUSTER, "m", tmp_path)
    assert (access.copied, access.there) == (["/results/m"], [])


def test_results_that_cannot_be_fetched_are_where_the_remedy_says(tmp_path: Path) -> None:
    access = FakeAccess({}, refuses="exec")
    with pytest.raises(LabError) as trouble:
        collect(access, PLAN, CLUSTER, "m", tmp_path)
    assert "volume" in trouble.value.remedy
    assert access.there == []


def test_two_runs_of_one_matrix_have_names_of_their_own() -> None:
    assert new_name(PLAN) != new_name(PLAN)


# -- The client ------------------------------------------------------------------------------


def test_without_the_extra_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"edge-lab\[matrix\]"):
        ClusterClient("default")


@pytest.mark.parametrize("context", [None, "none"])
def test_without_a_cluster_the_remedy_names_the_kubeconfig(
    context: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(InputError, match="KUBECONFIG"):
        ClusterClient("default", context=context)


class FakeChannels:
    """Parts of the output, then a status."""

    def __init__(self, parts: Sequence[bytes], status: bytes, errors: bytes = b"") -> None:
        self.parts = list(parts)
        self.status = status
        self.errors = errors

    def is_open(self) -> bool:
        return bool(self.parts)

    def update(self, timeout: float) -> None:
        """Nothing comes by itself."""

    def read_channel(self, channel: int) -> bytes | str:
        if channel == 1:
            return self.parts.pop(0) if self.parts else ""
        if channel == 3:
            return self.status
        errors, self.errors = self.errors, b""
        return errors


SUCCESS = json.dumps({"status": "Success"}).encode()
FAILURE = json.dumps({"status": "Failure", "message": "exit code 2"}).encode()


@pytest.mark.parametrize(
    ("status", "errors", "told"),
    [
        (SUCCESS, b"tar: a warning", ""),
        (FAILURE, b"tar: no such folder\n", "tar: no such folder"),
        (FAILURE, b"", "exit code 2"),
        (b"", b"", "the connection ended early"),
    ],
)
def test_only_a_command_that_succeeded_has_copied(status: bytes, errors: bytes, told: str) -> None:
    archive = io.BytesIO()
    channels = FakeChannels([b"ab", b"c"], status, errors)
    assert client._read_channels(channels, archive, Looks()) == told
    assert archive.getvalue() == b"abc"


def tar_of(name: str, kind: bytes = tarfile.REGTYPE, content: bytes = b"") -> io.BytesIO:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(name)
        member.type, member.size, member.linkname = kind, len(content), "/etc/passwd"
        tar.addfile(member, io.BytesIO(content))
    archive.seek(0)
    return archive


def test_files_and_folders_of_the_results_are_extracted(tmp_path: Path) -> None:
    extract(tar_of("./a/b", content=b"x"), tmp_path)
    extract(tar_of("./c", tarfile.DIRTYPE), tmp_path)
    assert (tmp_path / "a" / "b").read_bytes() == b"x"
    assert (tmp_path / "c").is_dir()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside", tarfile.REGTYPE),
        ("/outside", tarfile.REGTYPE),
        ("link", tarfile.SYMTYPE),
        ("link", tarfile.LNKTYPE),
        ("pipe", tarfile.FIFOTYPE),
    ],
)
def test_an_archive_with_anything_else_is_refused(name: str, kind: bytes, tmp_path: Path) -> None:
    with pytest.raises(LabError):
        extract(tar_of(name, kind), tmp_path / "in")
    assert not (tmp_path / "outside").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabError):
        extract(io.BytesIO(b"no tar" * 200), tmp_path)
