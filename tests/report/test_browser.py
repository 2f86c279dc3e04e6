"""The page in a real browser: nothing goes wrong, is fetched or sticks out, light is light and dark is dark."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.report import write_report
from pipeline.store import Dataset
from tests import made
from tests.report import stages
from tests.report.browser import Browser, find
from tests.report.reading import Page

pytestmark = pytest.mark.slow

STICKS_OUT = """[...document.querySelectorAll('main *')].filter(e => !e.closest('.alone, .row, details:not([open])')
  && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""
BACKGROUND = "getComputedStyle(document.body).backgroundColor"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests: a page that is opened begins anew."""
    program = find()
    if program is None:
        pytest.skip("no chromium here: apt-get install chromium")
    with Browser(program, tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def whole(_plots: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a dataset that has been down the whole road."""
    plots = Path(shutil.copytree(_plots, tmp_path_factory.mktemp("whole") / "plots"))
    stages.finetune(plots)
    stages.evaluation(plots)
    with Dataset.open(plots) as dataset:
        return write_report(dataset)


@pytest.mark.parametrize("width", [320, 400, 1200])
def test_nothing_goes_wrong_and_nothing_sticks_out(browser: Browser, whole: Path, width: int) -> None:
    browser.open(whole, width)
    assert browser.value("document.querySelectorAll('section').length") == 11
    assert browser.complaints == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [whole.as_uri()]
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value(STICKS_OUT) == []
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.value("document.documentElement.scrollWidth") <= width


def test_hostile_texts_of_one_word_do_not_widen_it(
    browser: Browser, tmp_path: Path, report: Callable[[Path], Page]
) -> None:
    rows = [made.sample(number, "w" * 30_000 + "\u202e\u0301" * 50) for number in range(12)]
    path = made.dataset(tmp_path / "rows", rows)
    stages.finetune(path, base="b" * 900, model="m" * 900, settings={"s" * 900: "t" * 900})
    stages.evaluation(path, verdict="v" * 900)
    report(path)
    browser.open(path / "report.html", 400)
    assert browser.complaints == []
    browser.value("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert browser.value("document.documentElement.scrollWidth") <= 400


def test_light_and_dark_follow_the_reader(browser: Browser, whole: Path) -> None:
    browser.open(whole, 1200, scheme="light")
    light, background = browser.picture(), browser.value(BACKGROUND)
    browser.open(whole, 1200, scheme="dark")
    assert background == "rgb(255, 255, 255)"
    assert browser.value(BACKGROUND) == "rgb(19, 22, 24)"
    assert browser.picture() != light
    browser.ask("Emulation.setEmulatedMedia", media="print")
    assert browser.value(BACKGROUND) == "rgb(255, 255, 255)", "paper is white"


def test_the_keyboard_reaches_everything(browser: Browser, whole: Path) -> None:
    browser.open(whole, 1200)
    reached = []
    for _ in range(40):
        for kind in ("keyDown", "keyUp"):
            browser.ask("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(browser.value("document.activeElement.textContent.trim()"))
    assert reached[0] == "Skip to the numbers"
    assert reached[1:4] == ["The road", "Coverage", "Lengths"]
    assert "Where it comes from" in reached
    assert "The recipe that made this, whole" in reached
