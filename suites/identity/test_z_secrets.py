"""The last of the suite: no key and no token is in what the run has left so far."""

from __future__ import annotations

from typing import TYPE_CHECKING

import allure
import pytest

from edge_lab.core.errors import MissingCapability
from edge_lab.fixtures.report import results_folder
from edge_lab.probes.secrets import leaks_in

if TYPE_CHECKING:
    from edge_lab.handle.lab import Lab

pytestmark = [allure.parent_suite("Identity"), allure.feature("Secrets")]


@allure.title("No private key and no token is in results, logs and consoles")
def test_no_secret_is_in_the_results(lab: Lab, pytestconfig: pytest.Config) -> None:
    results = results_folder(pytestconfig)
    if results is None:
        raise MissingCapability("there are no results to look through: --alluredir=FOLDER")
    assert any(lab.run.consoles.glob("*.log")), "there is nothing to look through"
    found = [
        leak for folder in (results, lab.run.logs, lab.run.consoles) for leak in leaks_in(folder)
    ]
    assert not found, "\n".join(map(str, found))
