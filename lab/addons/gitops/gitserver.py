"""The Git server: our program in front of git-http-backend, its unit, and the first commit."""

from __future__ import annotations

import shlex

from edge_lab.addons.gitops import guest
from edge_lab.addons.gitops.identities import AUTHOR, AUTHOR_NAME, SERVER
from edge_lab.addons.gitops.names import (
    BRANCH,
    GIT,
    GIT_BACKEND,
    GIT_REMOTE,
    GIT_SERVER,
    HOME,
    STATE,
)
from edge_lab.addons.gitops.place import Place
from edge_lab.addons.guestprogram import PYTHON, guest_program
from edge_lab.provisioning.provision import PAYLOAD_MOUNT, GuestFile, Provision
from edge_lab.stacks.unit import Service

REPOSITORY_PROGRAM = f"{HOME}/repository.py"
"""Makes the repository, and commits to it (guest/repository.py)."""


def git_server_command(place: Place) -> tuple[str, ...]:
    return (
        place.git_server,
        f"-listen={place.git_listens}",
        f"-folder={place.repositories}",
        f"-certificate={place.certificate(SERVER)}",
        f"-key={place.key(SERVER)}",
        f"-clients={place.authority}",
        f"-author={AUTHOR_NAME}",
        f"-exec-path={place.exec_path}",
        "--",
        *place.backend,
    )


def repository_command(
    place: Place, *words: str, program: str = REPOSITORY_PROGRAM, python: tuple[str, ...] = PYTHON
) -> tuple[str, ...]:
    """A command that calls guest/repository.py: `prepare`, or `commit`."""
    return (
        *python,
        program,
        f"--git={shlex.join(place.git)}",
        f"--exec-path={place.exec_path}",
        f"--branch={BRANCH}",
        *words,
    )


def prepare_command(
    place: Place, *, program: str = REPOSITORY_PROGRAM, python: tuple[str, ...] = PYTHON
) -> tuple[str, ...]:
    """Creates the repository with its first commit, unless it exists."""
    return repository_command(place, "prepare", place.repository, program=program, python=python)


def commit_command(
    place: Place, *, program: str = REPOSITORY_PROGRAM, python: tuple[str, ...] = PYTHON
) -> tuple[str, ...]:
    """Makes the commits from standard input, and pushes them by HTTPS."""
    return repository_command(
        place,
        *("commit", place.url, f"--work={place.state}/work"),
        f"--authority={place.authority}",
        f"--certificate={place.certificate(AUTHOR)}",
        f"--key={place.key(AUTHOR)}",
        program=program,
        python=python,
    )


def git_server_service(place: Place) -> Service:
    return Service(
        name=GIT_SERVER,
        description="Git server for GitOps",
        command=git_server_command(place),
        after=("systemd-networkd.service",),
        before_start=(prepare_command(place),),
        mounts=(str(PAYLOAD_MOUNT),),
        state_directory=STATE,
    )


def git_server_provision(place: Place) -> Provision:
    """Unit and scripts; the caller adds programs and keys."""
    return git_server_service(place).provision(
        GuestFile.text(REPOSITORY_PROGRAM, guest_program(guest.__name__, "repository")),
        *wrappers(place),
    )


def wrappers(place: Place) -> tuple[GuestFile, ...]:
    """For git to find its own programs: each is started with the loader of its Debian suite."""
    programs = {
        "git": GIT,
        "git-http-backend": GIT_BACKEND,
        "git-remote-https": GIT_REMOTE,
    }
    return tuple(
        GuestFile.text(
            f"{place.exec_path}/{name}",
            f'#!/bin/sh\nexec {shlex.join(program.command)} "$@"\n',
            0o755,
        )
        for name, program in programs.items()
    )
