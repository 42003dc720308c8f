"""Each command that the documentation shows exists, with the options that it is shown with."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec

import pytest
from typer import TyperException
from typer.core import TyperGroup
from typer.main import get_command

from edge_lab.cli.app import app
from edge_lab.core.errors import EdgeLabError
from edge_lab.faults.shorthand import parse_fault
from tests.docs.reading import ROOT, Page, commands, commands_of, exists, pages

PAGES = [pytest.param(each, id=each.name) for each in pages()]

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


LAB = get_command(app)

MADE_UP = {"cpu-hog"}
"""The fault that docs/add-a-fault.md adds."""


def wrong_in_lab(words: list[str]) -> str:
    """What is wrong with arguments of `lab`; nothing if they are right."""
    command = LAB
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        found = command.commands.get(words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        command, words = found, words[1:]
    words = [word for word in words if "…" not in word]
    context = command.context_class(command, **command.context_settings)
    try:
        values, _, _ = command.make_parser(context).parse_args(list(words))
        spec = values.get("spec") or []
        if spec and spec[0].lower() == spec[0] and spec[0] not in MADE_UP:
            parse_fault(spec)
    except TyperException as trouble:
        options = {name for parameter in command.params for name in parameter.opts}
        # `lab up --stack` in prose names the option, without a value.
        return "" if len(words) == 1 and words[0] in options else str(trouble)
    except EdgeLabError as trouble:
        return trouble.message
    return ""


def wrong_commands(read: Page, program: str, judge: Callable[[list[str]], object]) -> list[str]:
    found = [(line, judge(words)) for line, words in commands_of(read, program)]
    return [f"{line}: {wrong}" for line, wrong in found if wrong]


@pytest.mark.parametrize("read", PAGES)
def test_lab_commands_exist_with_their_options(read: Page) -> None:
    assert wrong_commands(read, "lab", wrong_in_lab) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("lab cache prune --older-than 0s --kind go", False),
        ("lab cache prune --kind go --older-than", True),
        ("lab cache trim", True),
        ("lab frob", True),
        ("lab status --colour", True),
        ("lab fault add cut link=arm-cloud", False),
        ("lab fault add cut wire=arm-cloud", True),
        ("lab fault add sever link=arm-cloud", True),
    ],
)
def test_a_wrong_lab_command_is_found(line: str, wrong: bool) -> None:
    ((_, *words),) = commands(line)
    assert bool(wrong_in_lab(words)) is wrong


def wrong_in_make(words: list[str]) -> list[str]:
    """Targets and variables that the Makefile does not have."""
    wrong = []
    for word in words:
        variable, is_variable, _ = word.partition("=")
        known = (
            rf"\$\({variable}\)" if is_variable else rf"^([\w -]+ )?{re.escape(word)}( [\w -]+)?:"
        )
        if not re.search(known, MAKEFILE, re.MULTILINE):
            wrong.append(word)
    return wrong


@pytest.mark.parametrize("read", PAGES)
def test_make_targets_and_their_variables_exist(read: Page) -> None:
    assert wrong_commands(read, "make", wrong_in_make) == []


def test_a_wrong_target_or_variable_is_found() -> None:
    assert wrong_in_make(["suites", "SUITE=suites/smoke", "smoke"]) == [
        "SUITE=suites/smoke",
        "smoke",
    ]


def wrong_in_pytest(words: list[str], config: pytest.Config) -> list[str]:
    """Options and markers that pytest does not know here, and paths that are not there."""
    markers = {re.split("[(:]", line)[0] for line in config.getini("markers")}
    missing = object()
    wrong = []
    for before, word in zip(["", *words], words, strict=False):
        option = word.split("=")[0]
        if word.startswith("--"):
            if config.getoption(option, default=missing) is missing:
                wrong.append(word)
        elif before == "-m":
            wrong += sorted(set(re.findall(r"\w+", word)) - markers - {"not", "and", "or"})
        elif "/" in word and not before.startswith("-"):
            wrong += [] if exists(word) else [word]
    return wrong


@pytest.mark.parametrize("read", PAGES)
def test_what_pytest_is_called_with_exists(read: Page, pytestconfig: pytest.Config) -> None:
    assert wrong_commands(read, "pytest", lambda words: wrong_in_pytest(words, pytestconfig)) == []


def test_what_pytest_does_not_know_is_found(pytestconfig: pytest.Config) -> None:
    words = ["suites/none", "--lab-topology=labs/default.yaml", "--lab-topologie=x", "-m", "long"]
    assert wrong_in_pytest(words, pytestconfig) == ["suites/none", "--lab-topologie=x", "long"]


@pytest.mark.parametrize("read", PAGES)
def test_modules_that_are_run_exist(read: Page) -> None:
    run = [words[1] for _, words in commands_of(read, "python") if words[0] == "-m"]
    assert [name for name in run if find_spec(name) is None] == []


def test_the_pages_are_read() -> None:
    """A reader that finds nothing finds nothing wrong either."""
    for program, least in (("lab", 100), ("make", 30), ("pytest", 20)):
        assert sum(len(commands_of(read, program)) for read in pages()) > least
