"""Runs last in the suite: the output of the run so far contains no key and no token."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.bringup.readiness import cluster_access
from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.lab import TimeLimit
from edge_lab.fixtures.report import results_folder
from edge_lab.probes.secrets import leaks_in
from edge_lab.stacks.base import LetsNodesJoin

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("Secrets")]


TOKEN_SECONDS = 60.0


@allure.title("Results, logs and consoles contain no private key and no token")
def test_no_secret_is_in_the_results(
    lab: Lab, pytestconfig: pytest.Config, time_limit: TimeLimit
) -> None:
    results = results_folder(pytestconfig)
    if results is None:
        raise MissingCapability("there are no results to search: use --alluredir=FOLDER")
    assert any(lab.run.consoles.glob("*.log")), "there are no files to search"
    known = []
    runtime: object = lab.stack.runtime
    if isinstance(runtime, LetsNodesJoin):
        token = runtime.join_token(cluster_access(lab), time_limit(TOKEN_SECONDS))
        known = [token, base64.b64encode(token.encode()).decode()]
    folders = (results, lab.run.logs, lab.run.consoles)
    found = [leak for folder in folders for leak in leaks_in(folder, known)]
    assert not found, "\n".join(map(str, found))
