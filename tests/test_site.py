"""The built pages as a site: found, read in order, launched and downloaded. The gate builds them first."""

import itertools
import json
import os
import re
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
PAGES = sorted(path.stem for path in (ROOT / "book").glob("*.md"))

pytestmark = pytest.mark.skipif("CAE_BUILT" not in os.environ, reason="CAE_BUILT is not set: build the book, then set it")  # fmt: skip


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


@pytest.fixture
def page(name):
    return BeautifulSoup((HTML / f"{name}.html").read_text("utf-8"), "html.parser")


def executes(name):
    return "{code-cell}" in (ROOT / "book" / f"{name}.md").read_text("utf-8")


LIGHT, WITH_LAB = (
    600_000,
    1_500_000,
)  # bytes; fonts and the theme's own files not counted
OURS = ("book.css", "lab.css", "lab.js", "network.js")


def test_a_page_is_light(page, name):
    linked = {tag.get("src") or tag.get("href") for tag in page.select("[src], link")}
    files = [HTML / link.partition("?")[0] for link in linked if link]
    ours = [f for f in files if f.parent.name == "_images" or f.name in OURS]
    assert {path.name for path in ours} >= set(OURS)
    weight = sum(path.stat().st_size for path in [HTML / f"{name}.html", *ours])
    assert weight <= (WITH_LAB if page.select("figure.cae-lab") else LIGHT)


def test_a_page_asks_no_other_host_and_complains_of_nothing(browser, name):
    asked, complaints = [], []
    tab = browser.new_page()
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("websocket", lambda socket: asked.append(socket.url))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on(
        "console", lambda said: said.type == "error" and complaints.append(said.text)
    )
    tab.goto((HTML / f"{name}.html").as_uri())
    tab.wait_for_load_state("networkidle")
    tab.close()
    assert len(asked) > 10
    assert [
        url for url in asked if not url.startswith(("file:", "data:", "blob:"))
    ] == []
    assert complaints == []


def test_headings_stand_in_order(page):
    levels = [int(h.name[1]) for h in page.select("article :is(h1, h2, h3, h4, h5)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_ <= level + 1 for level, next_ in itertools.pairwise(levels))  # fmt: skip


def test_a_page_says_what_it_is_about(page):
    said = {
        meta.get("name") or meta.get("property"): meta.get("content", "")
        for meta in page.find_all("meta")
    }
    assert len(said["description"]) > 40
    assert said["og:title"] in page.title.get_text()
    assert said["og:image"].endswith("_static/card.png")


def test_titles_are_all_different():
    titles = [
        BeautifulSoup((HTML / f"{name}.html").read_text("utf-8"), "html.parser").title
        for name in PAGES
    ]
    assert len({title.get_text() for title in titles}) == len(PAGES)


def test_a_page_that_runs_code_is_launched_as_itself(page, name):
    launched = [a["href"] for a in page.select("a[href*='mybinder.org/v2']")]
    wanted = rf"https://mybinder\.org/v2/gh/[\w-]+/[\w.-]+/main\?urlpath=lab/tree/book/{name}\.md"
    assert len(launched) == executes(name)
    assert all(re.fullmatch(wanted, address) for address in launched)


def test_a_page_is_offered_as_notebook_and_as_markdown(page, name):
    offered = {
        Path(a["href"]).suffix: HTML / a["href"]
        for a in page.select("a[href^='_sources/']")
    }
    assert set(offered) == ({".md", ".ipynb"} if executes(name) else {".md"})
    source = (ROOT / "book" / f"{name}.md").read_text("utf-8")
    assert offered[".md"].read_text("utf-8") == source
    if executes(name):
        notebook = json.loads(offered[".ipynb"].read_text("utf-8"))
        cells = [cell["cell_type"] for cell in notebook["cells"]]
        assert cells.count("code") == 1 + source.count("```{code-cell}")
        assert "git clone" in "".join(notebook["cells"][0]["source"])


def test_the_sitemap_has_every_page_and_robots_know_it():
    sitemap = (HTML / "sitemap.xml").read_text("utf-8")
    address = re.search(r"<loc>([^<]*/)index\.html</loc>", sitemap).group(1)
    for name in PAGES:
        assert f"<loc>{address}{name}.html</loc>" in sitemap
    assert f"Sitemap: {address}sitemap.xml" in (HTML / "robots.txt").read_text("utf-8")


def test_search_finds_latents_where_they_are_explained():
    index = (HTML / "searchindex.js").read_text("utf-8")
    found = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    names = set()
    for kind in ("terms", "titleterms"):  # a word in a title is only among the latter
        where = found[kind].get("latent", [])
        where = [where] if isinstance(where, int) else where
        names |= {found["docnames"][i] for i in where}
    assert {"index", "baseline", "experiment_2_latent_dim"} <= names
