"""The report in a real browser: quiet, accessible, and its controls work. Needs Chromium."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench.evaluation.soft import Distributions, ceiling, reliability_of, soft_scores
from lanser_bench.evaluation.soft_results import SoftBudget, SoftResult
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing.history import add_history
from lanser_bench.reporting.report.report import render, write_report
from lanser_bench.reporting.report.site import write_site

from .published import publish, simulated
from .test_report import MAIN, NASTY, control

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
RESULTS = Path(__file__).parents[2] / "results"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(
        [RESULTS / "real-speech"], tmp_path_factory.mktemp("report") / "report.html"
    )


class Visit:
    """A page that remembers what it said and asked for."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.page = browser.new_context(**context).new_page()
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())

    def column(self, number: int) -> list[str]:
        rows = self.page.locator("table.board").first.locator("tbody tr:visible")
        return [
            rows.nth(i).locator("td, th").nth(number).inner_text().split("\n")[0]
            for i in range(rows.count())
        ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_committed_study_is_quiet_and_accessible(
    browser: Any, study: Path, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    visit = Visit(browser, study, color_scheme=scheme)
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe.Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.said == []
    assert visit.asked == [study.as_uri()]


def test_several_labelled_sets_make_an_accessible_page(browser: Any, tmp_path: Path) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    visit = Visit(browser, write_report([RESULTS], tmp_path / "all.html"))
    found = axe.Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.said == []


def test_a_phone_needs_no_sideways_scrolling(browser: Any, study: Path) -> None:
    visit = Visit(browser, study, viewport={"width": 390, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= 390


def test_sort_filter_and_theme_work(browser: Any, study: Path) -> None:
    visit = Visit(browser, study, color_scheme="light")
    page = visit.page
    names = visit.column(1)
    page.get_by_role("button", name="UAR 100%").click()
    scores = [float(text.split()[0]) for text in visit.column(3)]
    assert scores == sorted(scores, reverse=True)
    page.get_by_role("button", name="UAR 100%").click()
    assert [float(text.split()[0]) for text in visit.column(3)] == scores[::-1]
    page.get_by_role("button", name="pre-trained on", exact=True).click()
    assert [n.lower() for n in visit.column(1)] == sorted(n.lower() for n in names)
    page.locator("select.role").first.select_option("main")
    assert len(visit.column(1)) == 2
    page.locator("input.filter").first.fill("entailment resnet")
    assert page.locator(".count").first.inner_text() == "1 rows"
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Dark mode").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    assert visit.said == []


def test_curves_are_read_toggled_and_linked_with_the_table(browser: Any, study: Path) -> None:
    visit = Visit(browser, study)
    page = visit.page
    chart, readout = page.locator("svg.curves").first, page.locator(".readout").first
    chart.focus()
    page.keyboard.press("ArrowRight")
    first = readout.inner_text()
    assert first.startswith("At 1: encoder=whisper-encoder ")
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() != first
    box = chart.bounding_box()
    chart.hover(position={"x": 0.72 * box["width"], "y": box["height"] / 2})
    assert readout.inner_text().startswith("At 100: ")
    [score] = [text for text in visit.column(3) if text.startswith("70.3")]
    assert f"encoder=whisper-encoder {score}" in readout.inner_text()
    button = page.get_by_role("button", name="encoder=whisper-encoder", exact=True)
    button.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    assert "whisper" not in readout.inner_text()
    page.locator("table.board tr.main").nth(1).hover()
    assert page.locator("svg.curves .series.lit").get_attribute("data-name") == "encoder=resnet"
    assert visit.said == []


def test_print_is_light_and_nothing_is_cut(browser: Any, study: Path) -> None:
    visit = Visit(browser, study, color_scheme="dark", viewport={"width": 720, "height": 1000})
    visit.page.emulate_media(media="print")
    background = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
    colour = visit.page.evaluate("getComputedStyle(document.body).color")
    assert max(map(int, re.findall(r"\d+", colour))) < 60
    cut = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)"
    labels = visit.page.evaluate(f"{cut}.map(e => e.getAttribute('aria-label'))")
    assert labels == []
    assert all(visit.column(1))
    visit.page.emulate_media(media="screen", color_scheme="dark")


@pytest.mark.parametrize("width", [1400, 1024, 390])
@pytest.mark.parametrize("name", ["ravdess", "ravdess-search", "talkies-arms"])
def test_boards_of_grids_are_not_cut(browser: Any, tmp_path: Path, name: str, width: int) -> None:
    page = write_report([RESULTS / name], tmp_path / "page.html")
    visit = Visit(browser, page, viewport={"width": width, "height": 900})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    board = "document.querySelector('.board').parentElement"
    assert visit.page.evaluate(f"{board}.scrollWidth <= {board}.clientWidth")


def test_hostile_names_are_shown_and_not_run(browser: Any, tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(0)
    for kind in ("main", "shuffled"):
        changes = MAIN if kind == "main" else control(kind)
        name = f"{kind}<img src=x onerror=alert(1)>{NASTY}"
        publish(
            tmp_path,
            kind,
            simulated(rng),
            experiment=NASTY,
            dataset=NASTY,
            **changes | {"encoder": name},
        )
    page = tmp_path / "r.html"
    page.write_text(render(load_records([tmp_path])), encoding="utf-8")
    visit = Visit(browser, page)
    assert visit.said == []
    assert visit.asked == [page.as_uri()]
    assert NASTY in visit.page.locator("table.board").first.inner_text()
    assert visit.page.locator("img").count() == 0


def test_many_rows_come_in_pages(browser: Any, tmp_path: Path) -> None:
    import numpy as np

    first = publish(tmp_path, "row", simulated(np.random.default_rng(0)), **MAIN)
    [(_, record)] = load_records([first])
    many = [
        (
            tmp_path / f"{i}.json",
            record.model_copy(
                update={"group": f"row {i}", "name": f"row {i}", "predictions": None}
            ),
        )
        for i in range(320)
    ]
    page = tmp_path / "r.html"
    page.write_text(render(many), encoding="utf-8")
    visit = Visit(browser, page)
    assert len(visit.column(0)) == 50
    assert visit.page.locator(".count").first.inner_text() == "50 of 320 rows"
    visit.page.get_by_role("button", name="Show more rows").click()
    assert visit.page.locator(".count").first.inner_text() == "250 of 320 rows"
    visit.page.locator("input.filter").first.fill("row 31")
    assert (
        visit.page.locator(".count").first.inner_text() == "13 rows"
    )  # 31, 131, 231 and 310 to 319


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_reliability_pictures_are_accessible(browser: Any, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    rng = np.random.default_rng(0)
    votes = rng.multinomial(7, np.ones(3) / 3, 120) / 7
    made = Distributions([f"s{i % 6}" for i in range(120)], votes, rng.dirichlet([2] * 3, (1, 120)))
    scores = soft_scores(made, 5)
    result = SoftResult(
        labels=["a", "b", "c"],
        n_utterances=120,
        n_left_out=0,
        n_split=120,
        n_tied=0,
        n_speakers=6,
        n_bins=5,
        split_hash="x",
        budgets=[SoftBudget(budget="100%", n_labels=96, **dict(scores))],
        from_majority=scores,
        mean_votes=scores,
        reliability=reliability_of(made, 5),
        ceiling=ceiling(votes, np.full(120, 7.0), made.speakers),
    )
    for group, changes in (("main", MAIN), ("shuffled", control("shuffled"))):
        path = publish(tmp_path, group, simulated(rng, 0.6), **changes)
        content = json.loads(path.read_text())
        content["datasets"][0]["soft"] = result.model_dump(mode="json")
        path.write_text(json.dumps(content))
    visit = Visit(browser, write_report([tmp_path], tmp_path / "page.html"), color_scheme=scheme)
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe.Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.said == []
    assert visit.page.locator("svg[aria-label^=Reliability]").count() == 2


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of two committed folders, with a history of one."""
    folder = tmp_path_factory.mktemp("results")
    for name in ("real-speech", "baseline"):
        shutil.copytree(RESULTS / name, folder / name)
    for commit in ("1" * 40, "2" * 40):
        add_history([folder / "baseline"], folder / "history.parquet", commit=commit)
    return write_site([folder], folder / "site").parent


@pytest.mark.parametrize("page", ["index", "history", "plugins", "experiments/lanser"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 390)])
def test_the_site_is_quiet_and_accessible(
    browser: Any, site: Path, page: str, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    path = site / f"{page}.html"
    visit = Visit(browser, path, color_scheme=scheme, viewport={"width": width, "height": 800})
    visit.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    found = axe.Axe().run(visit.page)
    assert found.violations_count == 0, found.generate_report()
    assert visit.said == []
    assert visit.asked == [path.as_uri()]
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_deep_link_of_the_history_shows_the_cells_row(browser: Any, site: Path) -> None:
    visit = Visit(browser, site / "history.html")
    visit.page.get_by_role("link", name="logmel stats on synthetic").click()
    anchor = visit.page.url.partition("#")[2]
    assert "logmel" in visit.page.locator(f"#{anchor}").inner_text().replace("-", "")
    visit.page.get_by_role("link", name="All experiments").click()
    assert visit.page.url == (site / "index.html").as_uri()
    assert visit.said == []
