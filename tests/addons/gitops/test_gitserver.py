"""The Git server, built here: its own tests, and real git by the lab's command lines."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.addons.gitops.client import Author
from edge_lab.addons.gitops.fleet import Revision
from edge_lab.addons.gitops.gitserver import commit_command, git_server_command, prepare_command
from edge_lab.addons.gitops.guest import repository
from edge_lab.addons.gitops.identities import (
    AUTHOR,
    AUTHOR_SPEC,
    GIT_DOMAIN,
    READER,
    SERVER,
    gitops_requests,
)
from edge_lab.addons.gitops.names import GIT_SERVER
from edge_lab.addons.gitops.place import Place
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.pki import IdentityRequest, Pki
from tests.addons.gitops.site import PYTHON, make_place, shell
from tests.golang import assert_sound, build
from tests.probes.api_server import running

pytestmark = pytest.mark.slow(reason="compiles a Go program")

REVISION = Revision("r1", ("edge-arm",))


@pytest.mark.parametrize("command", ["gofmt", "vet", "test"])
def test_the_program_is_sound(command: str) -> None:
    assert_sound("gitserver", command)


@dataclass(frozen=True)
class Served:
    place: Place
    pki: Pki

    def git(self, *words: str, who: str = "") -> subprocess.CompletedProcess[str]:
        shown = {"http.sslCAInfo": self.place.authority}
        if who:
            shown |= {
                "http.sslCert": self.place.certificate(who),
                "http.sslKey": self.place.key(who),
            }
        options = [word for key, value in shown.items() for word in ("-c", f"{key}={value}")]
        env = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        return subprocess.run(
            ["git", *options, *words],
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**env, "no_proxy": "*", "GIT_CONFIG_GLOBAL": "/dev/null"},
        )

    def push_as(self, who: str) -> str:
        """The commit; LabError if it is refused."""
        command = commit_command(self.place, program=repository.__file__, python=PYTHON)
        words = [
            word.replace(self.place.certificate(AUTHOR), self.place.certificate(who)).replace(
                self.place.key(AUTHOR), self.place.key(who)
            )
            for word in command
        ]
        author = Author(self.place, shell, tuple(words))
        (pushed,) = author.push([REVISION], Deadline.scaled(60))
        return pushed.commit


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("git")
    place = make_place(folder)
    Path(place.bin).mkdir()
    build("gitserver", Path(place.bin) / GIT_SERVER)
    pki = Pki.create(folder / "keys", gitops_requests("127.0.0.1"))
    foreign = Pki.create(
        folder / "foreign", (IdentityRequest(GIT_DOMAIN, AUTHOR, AUTHOR_SPEC),)
    ).identity(GIT_DOMAIN, AUTHOR)
    Path(place.files).mkdir()
    Path(place.authority).write_bytes(pki.authority(GIT_DOMAIN).certificate_pem)
    held = {who: pki.identity(GIT_DOMAIN, who) for who in (SERVER, READER, AUTHOR)}
    for who, identity in {**held, "foreign": foreign}.items():
        Path(place.certificate(who)).write_bytes(identity.certificate_pem)
        Path(place.key(who)).write_bytes(identity.key_pem)
    subprocess.run(prepare_command(place, program=repository.__file__, python=PYTHON), check=True)
    host, _, port = place.git_address.rpartition(":")

    def connects() -> bool:
        with socket.create_connection((host, int(port)), 1):
            return True

    with running(list(git_server_command(place)), folder / "server.log"):
        Deadline.scaled(60).wait_for("the Git server", connects, transient=(OSError,))
        yield Served(place, pki)


def test_the_author_pushes_and_the_reader_reads(served: Served) -> None:
    commit = served.push_as(AUTHOR)
    done = served.git("ls-remote", served.place.url, "refs/heads/main", who=READER)
    assert done.stdout.split() == [commit, "refs/heads/main"]
    # A second one is a push over what is there.
    assert served.push_as(AUTHOR) != commit


def test_the_reader_cannot_push(served: Served) -> None:
    before = served.git("ls-remote", served.place.url, who=READER).stdout
    with pytest.raises(LabError, match="403"):
        served.push_as(READER)
    assert served.git("ls-remote", served.place.url, who=READER).stdout == before


@pytest.mark.parametrize("who", ["", "foreign"])
def test_nobody_reads_without_a_certificate_of_the_authority(served: Served, who: str) -> None:
    done = served.git("ls-remote", served.place.url, who=who)
    assert done.returncode != 0
    assert done.stdout == ""


def test_there_is_no_other_repository(served: Served) -> None:
    url = served.place.url.replace("fleet", "other")
    assert served.git("ls-remote", url, who=READER).returncode != 0
