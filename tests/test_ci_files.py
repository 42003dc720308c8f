"""The ready files for CI services: by the services' own schemas, and what their script does."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from edge_lab.report.runs import ExitCode

ROOT = Path(__file__).resolve().parent.parent
CI = ROOT / "docs" / "ci"
SCRIPT = CI / "run-suites.sh"


def schema(name: str) -> dict[str, Any]:
    """A schema that check-jsonschema carries; a skip if it is not installed."""
    if find_spec("check_jsonschema") is None:
        pytest.skip("check-jsonschema is not installed: pip install --group dev")
    from check_jsonschema.builtin_schemas import get_builtin_schema

    found = get_builtin_schema(f"vendor.{name}")
    assert isinstance(found, dict)
    return found


def read(name: str) -> dict[str, Any]:
    data = yaml.safe_load((CI / name).read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return {("on" if key is True else key): value for key, value in data.items()}  # YAML 1.1


FILES = {"github-actions.yml": "github-workflows", "gitlab-ci.yml": "gitlab-ci"}


@pytest.mark.parametrize(("file", "named"), FILES.items())
def test_a_file_is_right_by_the_schema_of_its_service(file: str, named: str) -> None:
    validator = jsonschema.Draft7Validator(schema(named))
    assert [error.message for error in validator.iter_errors(read(file))] == []


@pytest.mark.parametrize(
    ("file", "named", "path"),
    [
        ("github-actions.yml", "github-workflows", ("jobs", "suites", "steps")),
        ("gitlab-ci.yml", "gitlab-ci", ("suites", "retry")),
    ],
)
def test_the_schema_finds_a_mistake(file: str, named: str, path: tuple[str, ...]) -> None:
    data = read(file)
    place: Any = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = "sometimes"
    assert not jsonschema.Draft7Validator(schema(named)).is_valid(data)


def test_a_failed_test_is_not_run_again_by_a_service() -> None:
    """GitLab's `exit_codes` would be an alternative to `when`, not a condition on it."""
    assert read("gitlab-ci.yml")["suites"]["retry"] == {"max": 1, "when": ["runner_system_failure"]}


@pytest.mark.parametrize("file", FILES)
def test_a_file_runs_the_script_and_keeps_what_that_writes(file: str) -> None:
    text = (CI / file).read_text(encoding="utf-8")
    for needed in (
        "docs/ci/run-suites.sh",
        "docs/ci/cache-key.sh",
        "build/allure-results",
        "build/junit.xml",
        "build/summary.md",
        "edge-lab-cache",
    ):
        assert needed in text


# -- the script --------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A folder of a CI job whose `lab` and `pytest` note what they are asked for."""

    folder: Path

    def run(self, *codes: int, key: str = "k1") -> int:
        """Runs the script; pytest ends with these codes, one after the other."""
        (self.folder / "codes").write_text("".join(f"{code}\n" for code in codes))
        (self.folder / "asked").write_text("")
        done = subprocess.run(
            ["sh", str(SCRIPT)],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LAB_BIN": "bin", "LAB_CACHE_KEY": key},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return done.returncode

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()

    def times(self, word: str) -> int:
        return sum(line.startswith(word) for line in self.asked)


LAB = """#!/bin/sh
echo "lab $*" >> asked
case "$*" in
"cache import"*) test "$(cat "$3")" = whole ;;
"cache export"*) echo whole > "$4" ;;
esac
"""
PYTEST = """#!/bin/sh
echo "pytest $*" >> asked
mkdir -p build/allure-results
echo "$(wc -l < asked)" > build/summary.md
code=$(head -n 1 codes)
sed -i 1d codes
exit "$code"
"""


@pytest.fixture
def job(tmp_path: Path) -> Job:
    (tmp_path / "bin").mkdir()
    for name, text in (("lab", LAB), ("pytest", PYTEST)):
        program = tmp_path / "bin" / name
        program.write_text(text)
        program.chmod(0o755)
    return Job(tmp_path)


@pytest.mark.parametrize(
    ("codes", "code", "attempts"),
    [
        ([0], 0, 1),
        ([1], 1, 1),
        ([5], 5, 1),
        ([11], 11, 1),
        ([2], 2, 1),
        ([10, 0], 0, 2),
        ([10, 10], 10, 2),
        ([10, 1], 1, 2),
    ],
)
def test_only_a_lab_that_broke_is_tried_again_and_once(
    job: Job, codes: list[int], code: int, attempts: int
) -> None:
    assert job.run(*codes) == code
    assert job.times("pytest") == attempts
    assert job.times("lab down") == attempts - 1
    assert (job.folder / "build" / "first-attempt" / "summary.md").exists() == (attempts == 2)


def test_the_script_knows_the_exit_code_of_a_broken_lab() -> None:
    assert f"LAB_BROKE={int(ExitCode.LAB_BROKE)} " in SCRIPT.read_text()


def test_the_cache_is_imported_before_and_exported_when_its_key_has_changed(job: Job) -> None:
    job.run(0)
    assert [line.split()[:3] for line in job.asked if line.startswith("lab")] == [
        ["lab", "cache", "prune"],
        ["lab", "cache", "export"],
    ]
    job.run(0)
    assert [line.split()[:3] for line in job.asked if line.startswith("lab")] == [
        ["lab", "cache", "import"]
    ]
    assert job.asked[0].startswith("lab cache import")
    job.run(1, key="k2")
    assert job.times("lab cache export") == 1
    assert (job.folder / "edge-lab-cache" / "key").read_text() == "k2\n"


def test_a_damaged_cache_fails_nothing_and_is_replaced(job: Job) -> None:
    job.run(0)
    archive = job.folder / "edge-lab-cache" / "cache.tar"
    archive.write_text("half")
    assert job.run(0) == 0
    assert archive.read_text() == "whole\n"


def test_the_key_names_the_lock_file_and_qemu(tmp_path: Path) -> None:
    qemu = tmp_path / "qemu-system-x86_64"
    qemu.write_text("#!/bin/sh\necho 'QEMU emulator version 10.0.2 (Debian 1:10.0.2)'\n")
    qemu.chmod(0o755)

    def key(lock: str) -> str:
        (tmp_path / "lock").write_text(lock)
        env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LAB_LOCK": str(tmp_path / "lock")}
        done = subprocess.run(
            ["sh", str(CI / "cache-key.sh")], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert key("a").endswith("-qemu-10.0.2")
    assert key("a") != key("b")
