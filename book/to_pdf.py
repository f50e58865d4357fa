"""Prints the built book into one PDF: python book/to_pdf.py [_build/html] [book.pdf].

The chapters are put one after the other into one document, and the browser prints it,
so links between them still lead there, and pages are numbered through. It needs
Chromium: that of the system, or the one of `playwright install chromium`.
"""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

from bs4 import BeautifulSoup
from playwright.sync_api import sync_playwright
from pypdf import PdfReader
from pypdf.generic import ContentStream

BUILT = Path(__file__).resolve().parents[1] / "_build" / "html"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ANCHORS = ("id", "name", "for", "aria-labelledby", "aria-describedby")
READY = "document.fonts.ready.then(() => window.MathJax?.startup?.promise)"
FOOTER = (
    '<div style="font-size: 8px; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)
MARGINS = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("html", nargs="?", type=Path, default=BUILT)
    parser.add_argument("pdf", nargs="?", type=Path)
    asked = parser.parse_args(arguments)
    if not (asked.html / "index.html").exists():
        print(f"no book in {asked.html}: run jupyter-book build book", file=sys.stderr)
        return 1
    pdf = asked.pdf or asked.html.parent / "book.pdf"
    print_book(asked.html, pdf)
    pages, missing = check(pdf)
    print(f"{pdf}: {pages} pages, {pdf.stat().st_size / 1e6:.1f} MB")
    for font, count in missing.items():
        print(f"{count} characters have no glyph in {font}", file=sys.stderr)
    return 1 if missing else 0


def print_book(html: Path, pdf: Path):
    """Writes the PDF of a built book."""
    whole = html / ".whole.html"  # beside the pages, for the sake of their images
    whole.write_text(str(in_one(html)), "utf-8")
    try:
        with sync_playwright() as playwright:
            found = next(filter(None, map(shutil.which, BROWSERS)), None)
            browser = playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox"]
            )
            page = browser.new_page(color_scheme="light")
            page.set_default_timeout(300_000)
            page.goto(whole.resolve().as_uri())
            page.evaluate(READY)
            page.pdf(
                path=pdf, format="A4", margin=MARGINS, print_background=True,
                display_header_footer=True, header_template="<span></span>",
                footer_template=FOOTER, outline=True, tagged=True,
            )  # fmt: skip
            browser.close()
    finally:
        whole.unlink()


def in_one(html: Path) -> BeautifulSoup:
    """Returns the index page, with the articles of all others after its own."""
    names = chapters(html)
    whole = _soup(html / names[0])
    articles = [_article(html, name, names) for name in names]
    for script in whole.find_all("script"):
        if "mathjax" not in f"{script.get('src')}{script.string}".lower():
            script.decompose()
    whole.html["data-theme"] = "light"
    whole.body.clear()
    whole.body.extend(articles)
    return whole


def chapters(html: Path) -> list[str]:
    """Returns the names of the pages, as the index page lists them."""
    links = _soup(html / "index.html").select("nav.bd-links a.internal")
    names = [link["href"].partition("#")[0] for link in links]
    return list(dict.fromkeys(["index.html", *filter(None, names)]))


def _article(html: Path, name: str, names: list[str]):
    """Returns the text of one page, fit for paper and for standing beside others."""
    article = _soup(html / name).select_one("article.bd-article")
    for part in article.select("a.headerlink, button, script"):
        part.decompose()
    for folded in article.find_all("details"):
        folded["open"] = ""
    for part in article.find_all(True):
        for anchor in ANCHORS:
            if part.get(anchor):
                part[anchor] = _unique(name, part[anchor])
    for link in article.find_all("a", href=True):
        page, _, anchor = link["href"].partition("#")
        if (page or name) in names:
            link["href"] = f"#{_unique(page or name, anchor)}"
    article["id"] = _unique(name, "")
    article["style"] = "break-before: page"
    return article


def _unique(name: str, anchor: str) -> str:
    return f"{Path(name).stem}--{anchor}"


def _soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def check(pdf: Path) -> tuple[int, dict[str, int]]:
    """Returns the number of pages, and by font the characters that have no glyph.

    Glyph 0 of a font is the box that stands for a character which it does not have
    (ISO 32000-1, 9.7.4.2).
    """
    reader, missing = PdfReader(pdf), Counter()
    for page in reader.pages:
        fonts = page["/Resources"].get("/Font", {})
        font = None
        for operands, operator in ContentStream(page.get_contents(), reader).operations:
            if operator == b"Tf":
                font = fonts[operands[0]]
            elif operator in (b"Tj", b"TJ") and font["/Subtype"] == "/Type0":
                parts = operands[0] if operator == b"TJ" else operands
                codes = b"".join(getattr(x, "original_bytes", b"") for x in parts)
                pairs = zip(codes[::2], codes[1::2], strict=True)
                missing[font["/BaseFont"]] += sum(pair == (0, 0) for pair in pairs)
    return len(reader.pages), {font: n for font, n in missing.items() if n}


if __name__ == "__main__":
    sys.exit(main())
