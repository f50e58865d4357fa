"""The book as one PDF: every chapter, nothing folded away, links inside it, no character without a glyph."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest
from pypdf import PdfReader

ROOT = Path(__file__).parents[1]
SPEC = importlib.util.spec_from_file_location("to_pdf", ROOT / "book" / "to_pdf.py")
to_pdf = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(to_pdf)
PAGE = """<!doctype html><html data-theme="dark"><head><title>Book</title>
<script>document.title = "a script ran"</script></head><body>
<nav class="bd-links"><a class="reference internal" href="{home}">Book</a>
<a class="reference internal" href="one.html">One</a></nav>
<article class="bd-article"><section id="top"><h1>{title}<a class="headerlink" href="#top">#</a></h1>
{text}</section></article><footer>not printed</footer></body></html>"""


@pytest.fixture(scope="module", autouse=True)
def chromium():
    if not any(map(shutil.which, to_pdf.BROWSERS)):
        if os.environ.get("CAE_BUILT"):
            pytest.fail("the gate needs Chromium")
        pytest.skip("Chromium is not installed")


@pytest.fixture
def small(tmp_path):
    html = tmp_path / "html"
    html.mkdir()
    index = '<p>See <a href="one.html#more">more</a>, <a href="https://example.org/">there</a>.</p>'
    one = '<details><summary>Source</summary><p id="more">folded away</p></details>'
    for name, text in {"index": index, "one": one}.items():
        home = "#" if name == "index" else "index.html"
        text = PAGE.format(home=home, title=f"Chapter {name}", text=text)
        (html / f"{name}.html").write_text(text, "utf-8")
    return html


def test_chapters_follow_each_other_whole_and_linked(small, tmp_path, capsys):
    pdf = tmp_path / "book.pdf"
    assert to_pdf.main([str(small), str(pdf)]) == 0
    assert capsys.readouterr().out.startswith(f"{pdf}: 2 pages, ")
    reader = PdfReader(pdf)
    texts = [page.extract_text() for page in reader.pages]
    assert "Chapter index" in texts[0]
    assert "Chapter one" in texts[1]
    assert "folded away" in texts[1]
    assert "not printed" not in "".join(texts)
    links = [link.get_object() for link in reader.pages[0]["/Annots"]]
    outside = [link["/A"]["/URI"] for link in links if "/URI" in link.get("/A", {})]
    assert outside == ["https://example.org/"]
    assert len(links) == 2
    assert [item["/Title"] for item in reader.outline] == [
        "Chapter index",
        "Chapter one",
    ]
    assert sorted(path.name for path in small.iterdir()) == ["index.html", "one.html"]


def test_a_character_without_a_glyph_is_counted(small, tmp_path, capsys):
    page = small / "one.html"
    page.write_text(page.read_text("utf-8").replace("folded", "\U000f1234"), "utf-8")
    assert to_pdf.main([str(small), str(tmp_path / "book.pdf")]) == 1
    assert "1 characters have no glyph in" in capsys.readouterr().err


def test_without_a_book_it_says_how_to_build_one(tmp_path, capsys):
    assert to_pdf.main([str(tmp_path)]) == 1
    assert "jupyter-book build book" in capsys.readouterr().err


@pytest.mark.skipif("CAE_BUILT" not in os.environ, reason="there is no built book")
def test_the_built_book_is_printed_whole(tmp_path):
    pdf = tmp_path / "book.pdf"
    to_pdf.print_book(ROOT / "_build" / "html", pdf)
    pages, missing = to_pdf.check(pdf)
    assert pages > 100
    assert missing == {}
    text = "".join(page.extract_text() for page in PdfReader(pdf).pages)
    for name in to_pdf.chapters(ROOT / "_build" / "html"):
        soup = to_pdf._soup(ROOT / "_build" / "html" / name)
        title = soup.select_one("article h1").get_text().rstrip("#")
        assert "".join(title.split()) in "".join(text.split())
