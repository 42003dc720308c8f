"""Shards on two hosts by OpenSSH's own client and server: processes of this machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from edge_lab.core.deadline import Deadline
from edge_lab.machines.keys import LabKeys
from edge_lab.matrix.overssh import LOG
from edge_lab.matrix.verdict import read_results
from edge_lab.report.runs import ExitCode
from tests.conftest import ROOT
from tests.matrix.jobs import name_of
from tests.matrix.kubelet import LAB
from tests.matrix.site import CODES, EXPECTED, RAN, make_image, runs, write_matrix
from tests.sshserver import SshServer, ssh_server

pytestmark = pytest.mark.native(reason="starts two SSH servers, and runs shards on them")

SECONDS = 120.0
NAMES = ("one", "two")
COMMAND = f"""#!/bin/sh
export PYTHONPATH={ROOT}/src:{ROOT} XDG_CACHE_HOME=FOLDER/cache TMPDIR=TEMPORARY
exec {sys.executable} -c '{LAB}' "$@"
"""
SSH = """#!/bin/sh
exec /usr/bin/ssh -F CONFIG "$@"
"""


@dataclass(frozen=True)
class Site:
    folder: Path
    servers: dict[str, SshServer]
    known_hosts: Path

    @property
    def here(self) -> Path:
        """Where the command runs."""
        return self.folder / "here"

    @property
    def output(self) -> Path:
        return self.here / "out"

    def image(self, name: str) -> Path:
        """The checkout of a host."""
        return self.folder / name

    def matrix(self, *suites: str) -> Path:
        file = write_matrix(self.here, *suites)
        hosts = "".join(f"  - {{ssh: {name}, folder: {self.image(name)}}}\n" for name in NAMES)
        file.write_text(f"{file.read_text()}hosts:\n{hosts}")
        return file

    def start(self, *suites: str, resume: bool = False) -> subprocess.Popen[str]:
        more = ["--resume"] if resume else []
        file = str(self.matrix(*suites))
        words = ["matrix", "run", file, "--on", "hosts", "--output", str(self.output), *more]
        return subprocess.Popen(
            [sys.executable, "-c", LAB, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.here,
            start_new_session=True,
        )

    def run(self, *suites: str, resume: bool = False) -> tuple[int, str]:
        """The exit code, and what was printed."""
        return ended(self.start(*suites, resume=resume))

    def ran_on(self) -> list[str]:
        """The hosts of all attempts, in order of shards and attempts."""
        logs = sorted(self.output.glob(f"shard-*/attempt-*/{LOG}"))
        return [log.read_text().partition(" -- ")[2].split()[0] for log in logs]

    def begun(self, name: str) -> str:
        """The host on which this test, of the only shard, has begun."""
        Deadline.scaled(SECONDS).wait_for(f"{name} runs", lambda: runs(self.folder).get(name))
        (host,) = self.ran_on()
        return host

    def left(self, name: str) -> list[str]:
        """Processes of shards on a host."""
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "cwd").readlink() == self.image(name):
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                    found.append(b" ".join(words).decode())
        return found

    def is_empty(self, name: str) -> bool:
        """Whether nothing runs on the host, and nothing is left in its folder for temporary files,
        soon."""
        Deadline.scaled(SECONDS).wait_for(f"{name} is idle", lambda: not self.left(name))
        return not list((self.folder / "tmp").iterdir())


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, _ = process.communicate(timeout=Deadline.scaled(SECONDS).remaining)
    return process.returncode, printed


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="el") as name, contextlib.ExitStack() as stack:
        folder = Path(name).resolve()
        (folder / "tmp").mkdir()
        keys = LabKeys(folder / "keys")
        make_image(folder / "here", log=folder / RAN)
        servers = {}
        config, known = "", ""
        for host in NAMES:
            image = make_image(folder / host, log=folder / RAN)
            program = image / ".venv" / "bin" / "lab"
            program.parent.mkdir(parents=True)
            program.write_text(
                COMMAND.replace("FOLDER", str(image)).replace("TEMPORARY", f"{folder}/tmp")
            )
            program.chmod(0o755)
            (folder / f"sshd-{host}").mkdir()
            server = ssh_server(folder / f"sshd-{host}", keys.host(host), keys.client)
            servers[host] = stack.enter_context(server)
            config += f"Host {host}\n    Port {servers[host].port}\n    HostKeyAlias {host}\n"
            known += f"{host} {keys.host(host).public}\n"
        (folder / "known_hosts").write_text(known)
        (folder / "config").write_text(
            f"{config}Host *\n    HostName 127.0.0.1\n    IdentityFile {keys.client_path}\n"
            f"    UserKnownHostsFile {folder}/known_hosts\n    GlobalKnownHostsFile /dev/null\n"
            "    IdentitiesOnly yes\n    IdentityAgent none\n"
        )
        (folder / "bin").mkdir()
        ssh = folder / "bin" / "ssh"
        ssh.write_text(SSH.replace("CONFIG", f"{folder}/config"))
        ssh.chmod(0o755)
        monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
        yield Site(folder, servers, folder / "known_hosts")


def test_only_a_broken_lab_is_run_again_on_the_other_host_and_the_whole_is_told(
    site: Site,
) -> None:
    code, printed = site.run(*EXPECTED)
    assert code == ExitCode.LAB_BROKE_AND_FAILED, printed
    assert runs(site.folder) == EXPECTED
    results = read_results(site.output)
    assert {name_of(each): each.code for each in results.shards} == CODES
    assert {name_of(each): len(each.attempts) for each in results.shards} == EXPECTED
    for shard in results.shards:
        hosts = [
            (each.folder / LOG).read_text().partition(" -- ")[2].split()[0]
            for each in shard.attempts
        ]
        assert len(set(hosts)) == len(hosts), "a retry is on the other host"
    assert set(site.ran_on()) == set(NAMES)
    merged = list((site.output / "merged" / "allure-results").glob("*-result.json"))
    assert len(merged) == len(EXPECTED)
    assert all(site.is_empty(name) for name in NAMES)


def test_the_shard_of_a_host_that_is_lost_passes_on_the_other(site: Site) -> None:
    process = site.start("deleted")
    lost = site.begun("deleted")
    site.servers[lost].kill()
    (other,) = set(NAMES) - {lost}
    code, printed = ended(process)
    assert (code, runs(site.folder)) == (0, {"deleted": 2}), printed
    assert f"host {lost} is not used any more" in printed
    assert site.ran_on() == [lost, other]
    assert all(site.is_empty(name) for name in NAMES)


def test_what_runs_on_a_host_ends_with_the_connection(site: Site) -> None:
    process = site.start("evicted")
    first = site.begun("evicted")
    assert site.left(first)
    for server in site.servers.values():
        server.kill()
    code, printed = ended(process)
    assert code == ExitCode.LAB_BROKE, printed
    assert "no host is left for 1 of 1 shards" in printed
    assert "--resume" in printed
    assert site.is_empty(first)
    assert "down minimal" in (site.image(first) / "asked.log").read_text().splitlines()


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_end_of_a_run_ends_its_shards_in_order(site: Site, sign: signal.Signals) -> None:
    process = site.start("evicted")
    host = site.begun("evicted")
    if sign == signal.SIGINT:
        os.killpg(process.pid, sign)  # as a terminal does
    else:
        process.send_signal(sign)
    code, printed = ended(process)
    assert code == (-sign if sign == signal.SIGKILL else 130), printed
    assert "not used any more" not in printed
    assert site.is_empty(host)
    assert "down minimal" in (site.image(host) / "asked.log").read_text().splitlines()
    if sign != signal.SIGKILL:  # the run has waited for it
        (log,) = site.output.glob(f"shard-*/attempt-*/{LOG}")
        assert "KeyboardInterrupt" in log.read_text()


def test_a_run_goes_on_where_it_was_interrupted(site: Site) -> None:
    process = site.start("passes", "deleted")
    Deadline.scaled(SECONDS).wait_for(
        "one shard has ended", lambda: list(site.output.glob("shard-000/attempt-1/shard.json"))
    )
    Deadline.scaled(SECONDS).wait_for("the other runs", lambda: runs(site.folder).get("deleted"))
    process.terminate()
    assert ended(process)[0] == 130
    code, printed = site.run("passes", "deleted", resume=True)
    assert (code, runs(site.folder)) == (0, {"passes": 1, "deleted": 2}), printed


def test_a_host_with_another_topology_ends_the_run_and_is_named(site: Site) -> None:
    with (site.image("two") / "labs" / "minimal.yaml").open("a") as topology:
        topology.write("# changed\n")
    code, printed = site.run("evicted", "passes")
    assert code == ExitCode.WRONG_INPUT, printed
    assert "host two refuses shard" in printed
    assert "this topology is not the one of the plan" in printed
    assert f"Bring the folder {site.image('two')} on two" in printed
    assert all(site.is_empty(name) for name in NAMES)


def test_a_host_with_an_unknown_key_is_not_used(site: Site) -> None:
    first, *_ = site.known_hosts.read_text().splitlines()
    site.known_hosts.write_text(f"{first}\n")
    code, printed = site.run("passes", "recovers")
    assert (code, runs(site.folder)) == (0, {"passes": 1, "recovers": 2}), printed
    assert "host two is not used any more: no connection: Host key verification failed" in printed
