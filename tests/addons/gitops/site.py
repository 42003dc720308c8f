"""A real control plane, Flux' controllers and the Git server as processes on this host's loopback,
by the lab's own command lines, objects, rights and certificates."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_lab.addons.gitops.addon import KINDS, is_ready
from edge_lab.addons.gitops.client import Author
from edge_lab.addons.gitops.flux import (
    COMMANDS,
    environment,
    kustomization_manifest,
    repository_manifest,
)
from edge_lab.addons.gitops.gitserver import commit_command, git_server_command, prepare_command
from edge_lab.addons.gitops.guest import repository
from edge_lab.addons.gitops.identities import (
    CONTROLLERS,
    GIT_DOMAIN,
    READER,
    controller_spec,
    gitops_requests,
    key_files,
    reader_secret,
)
from edge_lab.addons.gitops.names import (
    GIT_SERVER,
    KUSTOMIZE_CONTROLLER,
    NAMESPACE,
    REPOSITORY,
    SOURCE_CONTROLLER,
)
from edge_lab.addons.gitops.place import Place
from edge_lab.addons.gitops.rights import rights
from edge_lab.cluster.kubectl import NOT_YET
from edge_lab.core.deadline import Deadline
from edge_lab.core.errors import LabError
from edge_lab.core.ports import choose_ports
from edge_lab.pki import CLUSTER, Pki
from tests.controlplane import NativeControlPlane
from tests.probes.api_server import obtained

LIMIT = 240.0
PYTHON = (sys.executable, "-I")


def flux_programs() -> dict[str, Path]:
    """Programs and kinds; skips the test where the lab has not obtained them."""
    names = (SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER, GIT_SERVER)
    found = obtained("labs/edge-gitops.yaml", names, [f"{name}-crds" for name in CONTROLLERS])
    if shutil.which("git") is None:
        pytest.skip("git is not installed: `apt-get install git`")
    return found


@dataclass
class Site:
    """The server node's part of the add-on."""

    folder: Path
    plane: NativeControlPlane
    place: Place
    pki: Pki
    programs: Mapping[str, Path]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def author(self) -> Author:
        command = commit_command(self.place, program=repository.__file__, python=PYTHON)
        return Author(self.place, shell, command)

    @property
    def reader(self) -> Author:
        """Who may read, and tries to push."""
        own = self.folder / "impostor"
        if not own.exists():
            own.mkdir()
            identity = self.pki.identity(GIT_DOMAIN, READER)
            (own / "git-author.crt").write_bytes(identity.certificate_pem)
            (own / "git-author.key").write_bytes(identity.key_pem)
        command = commit_command(self.place, program=repository.__file__, python=PYTHON)
        words = [
            word.replace(f"{self.place.files}/git-author", f"{own}/git-author") for word in command
        ]
        return Author(self.place, shell, tuple(words))

    # -- processes ----------------------------------------------------------------

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def start(self, name: str) -> None:
        """One of the three programs."""
        env = dict(os.environ)
        if name == GIT_SERVER:
            command = git_server_command(self.place)
        else:
            command = COMMANDS[name](self.place)
            env |= environment(self.place, name)
        with self.log(name).open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env
            )

    def signal(self, name: str, number: signal.Signals) -> None:
        self.running[name].send_signal(number)

    def kill(self, name: str) -> None:
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()

    def watch(self) -> None:
        """For waits: raises if a program has ended."""
        for name, process in self.running.items():
            if process.poll() is not None:
                text = self.log(name).read_text(errors="replace")[-2000:]
                raise LabError(f"{name} has ended: {text}")

    @contextlib.contextmanager
    def silent(self, name: str) -> Iterator[None]:
        """It accepts and says nothing."""
        self.signal(name, signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(name, signal.SIGCONT)

    # -- the cluster ----------------------------------------------------------------

    def find(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.plane.kubectl.find(kind, name, "-n", NAMESPACE, deadline=Deadline.after(60))

    def until(self, what: str, probe: Callable[[], Any], seconds: float = LIMIT) -> Any:
        limit = Deadline.scaled(seconds)
        return limit.wait_for(what, probe, every=0.2, transient=NOT_YET, watch=self.watch)

    def kustomization(self) -> dict[str, Any]:
        return self.find("kustomization", REPOSITORY) or {}

    def until_applied(self, commit: str) -> None:
        def applied() -> bool:
            found = self.kustomization()
            return commit in found.get("status", {}).get("lastAppliedRevision", "")

        self.until(f"{commit} is applied", applied)

    def until_ready(self) -> None:
        self.until("the first commit is applied", lambda: is_ready(self.kustomization()))


def shell(command: str, deadline: Deadline) -> str:
    done = subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=deadline.remaining
    )
    if done.returncode:
        raise LabError(done.stderr.strip() or f"exit {done.returncode}")
    return done.stdout


def make_place(folder: Path) -> Place:
    """All of it below `folder`, with ports that are free now."""
    git, *others = (f"127.0.0.1:{port}" for port in choose_ports(6))
    return Place(
        git_address=git,
        git_listens=git,
        files=str(folder / "files"),
        state=str(folder / "state"),
        bin=str(folder / "bin"),
        git=("git",),
        backend=(f"{_exec_path()}/git-http-backend",),
        exec_path="",
        artifacts=others[0],
        source_metrics=others[1],
        source_health=others[2],
        kustomize_metrics=others[3],
        kustomize_health=others[4],
    )


def _exec_path() -> str:
    done = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _lay_out(folder: Path, place: Place, pki: Pki, programs: Mapping[str, Path], url: str) -> None:
    for path in (place.files, place.bin, place.repositories, place.fetched):
        Path(path).mkdir(parents=True)
    for name in (GIT_SERVER, SOURCE_CONTROLLER, KUSTOMIZE_CONTROLLER):
        (Path(place.bin) / name).symlink_to(programs[name])
    for file in key_files(place, pki):
        Path(file.path).touch(mode=file.mode)
        Path(file.path).write_bytes(file.content)
    for name in CONTROLLERS:
        config = place.controller_keys(name).kubeconfig(url)
        Path(place.kubeconfig(name)).write_text(config)
    subprocess.run(prepare_command(place, program=repository.__file__, python=PYTHON), check=True)


@contextlib.contextmanager
def running_site(folder: Path, plane: NativeControlPlane) -> Iterator[Site]:
    """All three programs run, and the first commit is applied."""
    programs = flux_programs()
    folder.mkdir()
    pki = Pki.create(folder / "keys", gitops_requests("127.0.0.1"))
    place = make_place(folder)
    _lay_out(folder, place, pki, programs, plane.url)
    # What the cluster trusts is the control plane's own authority.
    cluster = plane.pki.authority(CLUSTER)
    Path(place.cluster_authority).write_bytes(cluster.certificate_pem)
    for name in CONTROLLERS:
        identity = cluster.issue(controller_spec(name))
        Path(place.certificate(name)).write_bytes(identity.certificate_pem)
        Path(place.key(name)).write_bytes(identity.key_pem)
    site = Site(folder, plane, place, pki, programs)
    limit = Deadline.scaled(LIMIT)
    try:
        site.start(GIT_SERVER)
        definitions = [
            each
            for name in CONTROLLERS
            for each in yaml.safe_load_all(programs[f"{name}-crds"].read_text())
            if each
        ]
        plane.kubectl.apply_patiently("kinds", definitions, limit)
        plane.kubectl.apply_patiently("rights", rights(), limit)
        for name, wanted in KINDS.items():
            plane.wait_for_kinds(place.controller_keys(name), wanted, limit)
            site.start(name)
        objects = (reader_secret(pki), repository_manifest(place), kustomization_manifest())
        plane.kubectl.apply_patiently("Flux' objects", objects, limit)
        site.until_ready()
        yield site
    finally:
        site.end()
