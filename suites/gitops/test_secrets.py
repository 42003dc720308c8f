"""No key of the add-on is in the repository, in what Flux says, or in a log."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.addons.gitops.identities import AUTHOR, CONTROLLERS
from edge_lab.addons.gitops.names import (
    GIT_SECRET,
    GIT_UNIT,
    KUSTOMIZE_UNIT,
    NAMESPACE,
    REPOSITORY,
    SOURCE_UNIT,
)
from edge_lab.cluster.secrets import secret_data
from edge_lab.fixtures.lab import TimeLimit
from suites.conftest import Judged
from suites.gitops.judging import judge_secrets
from suites.gitops.labside import LabSide
from suites.gitops.secrets import texts_of

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [
    allure.parent_suite("GitOps"),
    allure.feature("Secrets"),
    pytest.mark.needs("gitops"),
]

SECONDS = 180.0


@allure.title("The repository, Flux's objects and the logs contain no key")
def test_no_key_is_in_git_or_in_logs(
    lab: Lab, side: LabSide, judged: Judged, time_limit: TimeLimit
) -> None:
    place, server = side.place, lab.machine(side.server)

    def shell(command: str) -> str:
        return server.run(command, time_limit(SECONDS)).stdout

    keys = {
        name: shell(f"cat {shlex.quote(place.key(name))}").encode()
        for name in (AUTHOR, *CONTROLLERS)
    }
    held = secret_data(lab.kubectl, NAMESPACE, GIT_SECRET, time_limit(SECONDS))
    keys["the reader's"] = held["tls.key"]
    texts = {
        unit: shell(f"journalctl --no-pager -o cat -u {unit}")
        for unit in (GIT_UNIT, SOURCE_UNIT, KUSTOMIZE_UNIT)
    }
    for kind in ("gitrepository", "kustomization"):
        texts[kind] = json.dumps(side.find(kind, REPOSITORY))
    # With the environment by which it finds its own programs.
    git = f"GIT_EXEC_PATH={place.exec_path} {shlex.join(place.git)}"
    git += f" --git-dir={place.repository}"
    judged(
        [judge_secrets(texts_of(side.runtime(side.server), side.server, git, shell, texts, keys))]
    )
