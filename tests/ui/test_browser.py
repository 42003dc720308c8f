"""The page in a real browser: Debian's Chromium, driven by Playwright."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edge_lab.core.deadline import Deadline

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

pytestmark = pytest.mark.native(reason="a browser, and the page's server as a process")

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_MS = 30_000
SELECTED = "#inspector-title"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="no Playwright here: make browser")
    with api.sync_playwright() as playwright:
        # Root cannot have Chromium's own sandbox, and the page is ours.
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of the page of a stand-in lab."""
    with serving(tmp_path) as address:
        yield address


@contextlib.contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    said = folder / "address"
    with said.open("wb") as out:
        argv = [sys.executable, "-m", "tests.live.standin", "0", *options]
        process = subprocess.Popen(argv, cwd=ROOT, stdout=out)

    def address() -> str:
        assert process.poll() is None
        return said.read_text() if said.read_text().endswith("\n") else ""

    try:
        yield Deadline.after(60).wait_for("the page is served", address).strip()
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture
def page(browser: Browser, served: str) -> Iterator[Page]:
    """The page, open, without an error of its scripts or its policy at the end."""
    with opened(browser, served) as found:
        yield found


@contextlib.contextmanager
def opened(browser: Browser, address: str, scheme: str = "light") -> Iterator[Page]:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light")
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))

    def told(said: ConsoleMessage) -> None:
        # A refusal is an answer of the server, which the browser takes for trouble.
        if said.type in ("error", "warning") and "status of 400" not in said.text:
            troubles.append(said.text)

    page.on("console", told)
    page.goto(address)
    yield page
    context.close()
    assert troubles == []


def click(page: Page, link: str) -> None:
    """On the link's name in the picture."""
    page.get_by_role("button", name=link).locator("text").first.click()


def test_a_cut_is_injected_by_click_seen_proved_and_healed(page: Page) -> None:
    click(page, "link arm-cloud, edge-arm to cloud: up")
    assert page.locator(SELECTED).inner_text() == "link arm-cloud"
    page.locator("#command", has_text="lab fault add --lab default cut link=arm-cloud").wait_for()
    page.get_by_role("button", name="Inject cut").click()
    page.locator("#result .good", has_text="Seen: no ping answered").wait_for()
    page.get_by_role("button", name="link arm-cloud, edge-arm to cloud: cut").wait_for()
    row = page.locator("#faults-table tr", has_text="cut on arm-cloud")
    row.locator("td", has_text="no ping answered").wait_for()
    done = page.locator("#actions li.seen", has_text="lab fault add --lab default cut")
    done.wait_for()
    page.get_by_role("button", name="Heal fault 1", exact=True).click()
    page.get_by_role("button", name="link arm-cloud, edge-arm to cloud: up").wait_for()
    row.locator("td", has_text="3 of 3 pings answered").wait_for()
    page.locator("#actions li.seen", has_text="lab fault heal --lab default 1").wait_for()


def test_all_of_it_works_by_keyboard(page: Page) -> None:
    page.get_by_role("button", name="node edge-arm: Ready").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the faults"
    for _ in range(30):
        page.keyboard.press("Tab")
        label = page.evaluate("document.activeElement.getAttribute('aria-label') ?? ''")
        if label.startswith("node edge-arm"):
            break
    page.keyboard.press("Enter")
    page.locator(SELECTED, has_text="node edge-arm").wait_for()
    assert page.evaluate("document.activeElement.id") == "inspector-title"
    page.locator("#fault-kind").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "fault-kind"
    page.keyboard.type("pause")
    page.locator("#command", has_text="pause node=edge-arm").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "inject"
    page.keyboard.press("Enter")
    page.get_by_role("button", name="node edge-arm: NotReady").wait_for()
    page.keyboard.press("Escape")
    page.locator(SELECTED, has_text="Nothing selected").wait_for()
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == "node edge-arm: NotReady"


def test_fields_and_refusals_are_those_of_the_command_line(page: Page) -> None:
    page.get_by_role("button", name="device boiler: reachable").click()
    page.select_option("#fault-kind", label="slow")
    page.fill("[id='field-does.delay_ms']", "0")
    page.locator("#command", has_text="does.kind=slow does.delay_ms=0").wait_for()
    page.get_by_role("button", name="Inject slow").click()
    page.locator("#result .bad", has_text="delay_ms 0 has no visible effect").wait_for()
    page.fill("[id='field-does.delay_ms']", "250")
    page.get_by_role("button", name="Inject slow").click()
    page.locator("#faults-table tr", has_text="boiler slow by 250 ms").wait_for()
    disabled = page.locator("#fault-kind option:disabled").all_inner_texts()
    assert any(text.startswith("bad-crc") for text in disabled)


def test_a_change_is_told_to_a_screen_reader(page: Page) -> None:
    click(page, "link riscv-cloud")
    page.get_by_role("button", name="Inject cut").click()
    told = page.locator("#announce", has_text="link riscv-cloud is cut")
    told.wait_for(state="attached")
    unnamed = page.evaluate(
        "[...document.querySelectorAll('button, select, input, [role=button]')]"
        ".filter((each) => !(each.getAttribute('aria-label') || each.textContent.trim()"
        " || each.labels?.length)).length"
    )
    assert unnamed == 0


def test_consoles_are_shown_with_the_command_that_does_the_same(page: Page) -> None:
    page.locator("#log-name option", has_text="console edge-riscv").wait_for(state="attached")
    page.select_option("#log-name", "console edge-riscv")
    page.locator("#log", has_text="console edge-riscv: line").wait_for()
    assert page.locator("#log-command").inner_text() == "lab console --lab default edge-riscv"


def test_nothing_is_executed_from_what_a_lab_says(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, "--hostile") as address, opened(browser, address) as page:
        page.locator("#pods-table td", has_text="<img src=x onerror=").first.wait_for()
        click(page, "link arm-cloud")
        page.get_by_role("button", name="Inject cut").click()
        page.locator("#result .good", has_text="<img src=x onerror=").wait_for()
        page.select_option("#log-name", "fabric")
        page.locator("#log", has_text="<img src=x onerror=").wait_for()
        assert page.locator("img, iframe, object, main script").count() == 0
        assert page.title() == "lab default"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_colour_schemes(
    browser: Browser, served: str, scheme: str
) -> None:
    with opened(browser, served, scheme) as page:
        page.locator("#nodes-table td").first.wait_for()
        for selector in ("body", "#nodes-table td.good", ".hint", "button.name", "#title"):
            found = page.locator(selector).first.evaluate(
                "(each) => [getComputedStyle(each).color,"
                " getComputedStyle(each.closest('.card, header') ?? each).backgroundColor]"
            )
            assert contrast(*found) >= 4.5, (selector, found)
        other = "light" if scheme == "dark" else "dark"
        before = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.select_option("#theme", other)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_without_the_token_the_page_says_so_and_shows_nothing(
    browser: Browser, served: str
) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{served.partition('#')[0]}#token={secrets.token_urlsafe(8)}")
    page.locator("#banner", has_text="The token is missing or wrong").wait_for()
    assert page.locator("#nodes-table td").count() == 0
    context.close()


def test_the_token_leaves_the_address(page: Page) -> None:
    page.locator("#nodes-table td").first.wait_for()
    assert "token" not in page.url
    page.reload()
    page.locator("#nodes-table td").first.wait_for()


def test_a_wall_screen_has_nothing_to_press(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, "--read-only") as address, opened(browser, address) as page:
        click(page, "link arm-cloud")
        page.locator("#selected-state", has_text="edge-arm to cloud: up").wait_for()
        assert page.locator("#read-only").is_visible()
        assert page.locator("#inject").count() == 0
        assert page.get_by_role("button", name=re.compile("^(Heal|Inject)")).count() == 0


def test_when_the_server_ends_the_page_says_since_when(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    with serving(tmp_path) as address:
        page.goto(address)
        page.locator("#connection", has_text="live").wait_for()
    page.locator("#connection", has_text="no connection since").wait_for()
    assert page.locator("#nodes-table td").count() > 0
    context.close()


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two CSS colours (WCAG 2.2, 1.4.3)."""
    lights = sorted((_luminance(one), _luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _luminance(colour: str) -> float:
    def linear(part: str) -> float:
        value = int(part) / 255
        return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4

    red, green, blue = map(linear, re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
