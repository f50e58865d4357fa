"""The built pages as a site: whole, found, read in order, downloaded, and of a network as good as it should be.

The gate builds them first; without `CAE_BUILT`, the preset of the build, there is nothing to look at.
"""

import itertools
import json
import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
HTML = ROOT / "_build" / "html"
PAGES = sorted(path.stem for path in (ROOT / "book").glob("*.md"))
LIGHT, WITH_LAB, FIRST = 600_000, 1_500_000, 1_700_000  # bytes, with pictures
SHARED = 50_000  # by all pages: our scripts and styles; fonts and the theme have more
OURS = ("book.css", "lab.css", "lab.js", "network.js")
NOT_OURS = {
    "region": [".logo__image"],  # the theme puts its logo outside of all landmarks
    "aria-allowed-role": [".citation"],  # docutils gives entries of a bibliography …
    "aria-deprecated-role": [".citation"],  # … a role of ARIA 1.0
    "aria-required-children": [".citation-list"],  # … within a list
}
BUILT = os.environ.get("CAE_BUILT")

pytestmark = pytest.mark.skipif(not BUILT, reason="CAE_BUILT is not set: build the book, then set it")  # fmt: skip


@pytest.fixture(params=PAGES)
def name(request):
    return request.param


@cache
def soup(name):
    return BeautifulSoup((HTML / f"{name}.html").read_text("utf-8"), "html.parser")


@pytest.fixture
def page(name):
    return soup(name)


def source(name):
    return (ROOT / "book" / f"{name}.md").read_text("utf-8")


def executes(name):
    return "{code-cell}" in source(name)


def test_a_page_shows_neither_warnings_nor_errors_and_every_image_says_what_it_is(page):
    assert page.select(".output.stderr, .output.traceback") == []
    assert [image["src"] for image in page.select("img") if not image.get("alt")] == []
    quick = "This is a quick build" in page.get_text()
    assert quick == (BUILT == "quick")


def test_every_download_that_a_page_names_is_offered(page, name):
    named = re.findall(r"\{download\}`(\S+)\s+<", source(name))
    offered = [HTML / link["href"] for link in page.select("a.download")]
    assert [path.name for path in offered] == named
    assert all(path.stat().st_size > 0 for path in offered)


def test_the_model_card_has_the_sizes_of_the_files_beside_it():
    links = [HTML / link["href"] for link in soup("tradeoff").select("a.download")]
    *files, card = links
    text = card.read_text("utf-8")
    for path in files:
        assert f"- {path.name}: {path.stat().st_size:,} bytes, " in text


def test_what_a_page_leads_to_lies_in_its_folder(page):
    """So the folder can be moved, zipped, and read without a server."""
    links = {tag.get("src") or tag.get("href") for tag in page.select("[src], [href]")}
    local = {urlsplit(link).path for link in links if not urlsplit(link).scheme}
    assert [path for path in local if not (HTML / unquote(path)).exists()] == []


def test_a_page_is_light(page, name):
    linked = {tag.get("src") or tag.get("href") for tag in page.select("[src], link")}
    files = [HTML / link.partition("?")[0] for link in linked if link]
    shared = {path.name: path.stat().st_size for path in files if path.name in OURS}
    assert set(shared) == set(OURS)
    assert sum(shared.values()) <= SHARED
    pictures = [path for path in files if path.parent.name == "_images"]
    weight = sum(path.stat().st_size for path in [HTML / f"{name}.html", *pictures])
    limit = FIRST if name == "index" else WITH_LAB
    assert weight <= (limit if page.select("figure.cae-lab") else LIGHT)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_in_a_browser_a_page_asks_no_other_host_and_has_nothing_to_mend(browser, name, mode):  # fmt: skip
    """Nothing that axe-core finds, and this book could mend."""
    asked, complaints = [], []
    tab = browser.new_page(color_scheme=mode, viewport={"width": 1300, "height": 900})
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("websocket", lambda socket: asked.append(socket.url))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("console", lambda said: said.type == "error" and complaints.append(said.text))  # fmt: skip
    tab.goto((HTML / f"{name}.html").as_uri())
    tab.wait_for_load_state("networkidle")
    own = ("file:", "data:", "blob:")
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(own)] == []
    assert complaints == []
    ours = [
        (rule["id"], node["html"][:200])
        for rule in Axe().run(tab).response["violations"]
        for node in rule["nodes"]
        if not any(
            tab.locator(node["target"][0]).and_(tab.locator(known)).count()
            for known in NOT_OURS.get(rule["id"], [])
        )
    ]
    tab.close()
    assert ours == []


def test_headings_stand_in_order(page):
    levels = [int(h.name[1]) for h in page.select("article :is(h1, h2, h3, h4, h5)")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(next_ <= level + 1 for level, next_ in itertools.pairwise(levels))


def test_a_page_says_what_it_is_about(page):
    said = {
        meta.get("name") or meta.get("property"): meta.get("content", "")
        for meta in page.find_all("meta")
    }
    assert len(said["description"]) > 40
    assert said["og:title"] in page.title.get_text()
    assert said["og:image"].endswith("_static/card.png")


def test_titles_are_all_different():
    titles = {soup(name).title.get_text() for name in PAGES}
    assert len(titles) == len(PAGES)


def test_a_page_has_a_launch_button_only_if_its_repository_is_known(page, name):
    """That it opens the right one is looked at in `test_extension`: the gate's clone has none."""
    known = (HTML / "sitemap.xml").exists() and "BOOK_URL" not in os.environ
    launched = page.select("a[href*='mybinder.org/v2']")
    assert len(launched) == (known and executes(name))


def test_a_page_is_offered_as_notebook_and_as_markdown(page, name):
    links = [Path(a["href"]) for a in page.select("a[href^='_sources/']")]
    offered = {link.suffix: HTML / link for link in links}
    assert set(offered) == ({".md", ".ipynb"} if executes(name) else {".md"})
    assert offered[".md"].read_text("utf-8") == source(name)
    if executes(name):
        notebook = json.loads(offered[".ipynb"].read_text("utf-8"))
        cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
        got = "git clone" in "".join(cells[0]["source"])
        assert len(cells) - got == source(name).count("```{code-cell}")


def test_search_finds_latents_where_they_are_explained():
    index = (HTML / "searchindex.js").read_text("utf-8")
    found = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    names = set()
    for kind in ("terms", "titleterms"):  # a word in a title is only among the latter
        where = found[kind].get("latent", [])
        where = [where] if isinstance(where, int) else where
        names |= {found["docnames"][i] for i in where}
    assert {"index", "baseline", "experiment_2_latent_dim"} <= names
