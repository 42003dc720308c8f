"""Links, anchors, files, tests and symbols that the documentation names exist."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

from edge_lab.addons.catalog import ADDONS
from tests.docs.reading import ROOT, Page, anchor, exists, page, pages

PAGES = [pytest.param(each, id=each.name) for each in (*pages(), page("CHANGELOG.md"))]
CURRENT = [pytest.param(each, id=each.name) for each in pages()]

MADE_UP = {"labs/mine.yaml"}
"""Files that the reader is to write."""

FOLDERS = "tests|suites|labs|plans|images|fixtures|docs|lab"
FILE = re.compile(rf"(?<![\w/.$~-])(?:{FOLDERS})/[\w.*/+-]*\w(?:::\w+)?(?![\w/]*<)")
SYMBOL = re.compile(r"\bedge_lab(?:\.\w+)+")
TEST = re.compile(r"\btest_\w+(?:\.py)?")
MODULE = re.compile(r"[\w/.-]*\w+\.py")
VARIABLE = re.compile(r"\b(?:LAB|EDGE_LAB)_?[A-Z_]*\b")

ENTRY_POINTS = {
    "edge_lab.addons",
    "edge_lab.components",
    "edge_lab.control_planes",
    "edge_lab.device_protocols",
    "edge_lab.edge_runtimes",
    "edge_lab.fault_families",
    "edge_lab.hardware",
}
"""Groups that other distributions name their parts in; all but one are no modules."""

PYTHON = [
    file
    for folder in ("lab", "fixtures", "suites", "tests", "images")
    for file in (ROOT / folder).rglob("*.py")
]


def broken_links(read: Page) -> list[str]:
    wrong = []
    for link in read.links():
        target, _, wanted = link.text.partition("#")
        if ":" in target:
            continue
        file = read.folder / target if target else ROOT / read.name
        if not file.exists() or not _has_anchor(read if not target else file, wanted):
            wrong.append(str(link))
    return wrong


def _has_anchor(place: Page | Path, wanted: str) -> bool:
    if isinstance(place, Path):
        if place.suffix != ".md":
            return True
        place = page(str(place.resolve().relative_to(ROOT)))
    return not wanted or wanted in place.anchors()


@pytest.mark.parametrize("read", PAGES)
def test_links_and_anchors_lead_somewhere(read: Page) -> None:
    assert broken_links(read) == []


def test_a_broken_link_or_anchor_is_found() -> None:
    links = "[a](docs/none.md) [b](#none) [c](docs/ci.md#none) [d](docs/ci.md#cache) [e](#here)"
    read = Page("README.md", f"# Here\n{links}\n`[f](code.md)`\n")
    assert [each.split()[-1] for each in broken_links(read)] == [
        "docs/none.md",
        "#none",
        "docs/ci.md#none",
    ]


def test_anchors_are_those_of_github() -> None:
    assert anchor("Field bugs, as seen on v1.23.1") == "field-bugs-as-seen-on-v1231"
    assert anchor("`preemptionPolicy: Never`") == "preemptionpolicy-never"


def missing_files(read: Page) -> list[str]:
    named = [found for found in read.matches(FILE) if found.text not in MADE_UP]
    return [str(found) for found in named if not exists(found.text)]


@pytest.mark.parametrize("read", CURRENT)
def test_files_of_the_repository_exist(read: Page) -> None:
    assert missing_files(read) == []


def test_a_missing_file_is_found() -> None:
    text = "`labs/none.yaml`, labs/default.yaml, `tests/docs/test_references.py::test_none`"
    assert len(missing_files(Page("README.md", text))) == 2


@pytest.fixture(scope="module")
def named_tests() -> frozenset[str]:
    """Test functions, and modules of tests with and without their suffix."""
    tests = [file for file in PYTHON if file.is_relative_to(ROOT / "tests")]
    suites = [file for file in PYTHON if file.is_relative_to(ROOT / "suites")]
    found = {name for file in (*tests, *suites) for name in (file.name, file.stem)}
    for file in (*tests, *suites):
        found.update(re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8")))
    return frozenset(found)


@pytest.mark.parametrize("read", CURRENT)
def test_tests_that_are_named_exist(read: Page, named_tests: frozenset[str]) -> None:
    named = [name for code in read.code() for name in TEST.findall(code.text)]
    assert sorted(set(named) - named_tests) == []


@pytest.mark.parametrize("read", CURRENT)
def test_modules_that_are_named_exist(read: Page) -> None:
    names = {file.name for file in PYTHON}
    named = [code for code in read.code() if MODULE.fullmatch(code.text)]
    assert [str(code) for code in named if Path(code.text).name not in names] == []


def missing_symbols(read: Page) -> list[str]:
    named = [found for found in read.matches(SYMBOL) if not _exists(found.text)]
    return [str(found) for found in named if found.text not in ENTRY_POINTS]


def _exists(symbol: str) -> bool:
    """Whether it is a module, or a chain of attributes of one."""
    parts = symbol.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        for part in parts[count:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False


@pytest.mark.parametrize("read", CURRENT)
def test_symbols_of_the_package_exist(read: Page) -> None:
    assert missing_symbols(read) == []


def test_a_missing_symbol_is_found() -> None:
    text = "`edge_lab.pki.Nothing`, `edge_lab.nothing`, `edge_lab.pki`, `edge_lab.addons.AddOn`"
    assert len(missing_symbols(Page("README.md", text))) == 2


def test_variables_of_the_environment_are_read_somewhere() -> None:
    sources = [*(ROOT / "lab").rglob("*.py"), *(ROOT / "fixtures").rglob("*.py")]
    scripts = [*(ROOT / "docs" / "ci").iterdir(), *(ROOT / "images" / "go").rglob("*.go")]
    of_tests = [ROOT / "tests" / "matrix" / "builtimage.py"]
    files = (*sources, *scripts, *of_tests)
    read = "\n".join(file.read_text(encoding="utf-8") for file in files)
    wrong = [
        str(code)
        for each in pages()
        for code in each.code()
        for name in VARIABLE.findall(code.text)
        if not re.search(rf"\b{name}\b", read)
    ]
    assert wrong == []


# -- lists that must be whole -----------------------------------------------------------------


def test_the_readme_leads_to_every_page() -> None:
    linked = {link.text.partition("#")[0] for link in page("README.md").links()}
    assert sorted({f"docs/{file.name}" for file in ROOT.glob("docs/*.md")} - linked) == []


def test_the_readme_and_the_makefile_name_every_suite() -> None:
    folders = {file.parent.name for file in ROOT.glob("suites/*/__init__.py")}
    table = page("README.md").text.partition("\n## Suites\n")[2].partition("\n## ")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| ")]
    named = {name.strip() for row in rows for name in row.split(",")}
    assert sorted(folders - named) == []
    head = (ROOT / "Makefile").read_text(encoding="utf-8").partition("CORE :=")[0]
    assert sorted(name for name in folders if f"suites/{name}" not in head) == []


def test_the_glossary_names_every_addon_and_no_term_twice() -> None:
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in page("docs/glossary.md").text.splitlines()[4:]
        if row.startswith("|")
    ]
    terms = [row[0].lower() for row in rows]
    assert sorted({term for term in terms if terms.count(term) > 1}) == []
    (addon,) = [row[1] for row in rows if row[0] == "add-on"]
    assert sorted(name for name in ADDONS if f"`{name}`" not in addon) == []


def table(read: Page, heading: str) -> str:
    return read.text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_page_of_suites_has_every_fixture_marker_and_option(
    pytestconfig: pytest.Config,
) -> None:
    read = page("docs/write-a-suite.md")
    rows = "".join(row.split("|")[1] for row in table(read, "Fixtures").splitlines() if "|" in row)
    source = "".join(file.read_text(encoding="utf-8") for file in ROOT.glob("fixtures/*.py"))
    fixtures = re.findall(r"@pytest\.fixture(?:\(.*?\))?\n(?:@.*\n)*def ([a-z]\w+)\(", source)
    assert sorted(set(re.findall(r"`(\w+)`", rows)) - set(fixtures)) == []
    registered = {re.split("[(:]", line)[0] for line in pytestconfig.getini("markers")}
    named = set(re.findall(r"`(\w+)\(", table(read, "Markers")))
    assert named
    assert sorted(named - registered) == []
    options = set(re.findall(r'"(--lab-[\w-]+)"', source))
    everywhere = "".join(each.text for each in pages())
    assert sorted(option for option in options if option not in everywhere) == []
