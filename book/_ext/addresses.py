"""Where the book and its sources are: for launch buttons, links and notebooks."""

import os
import re
import subprocess
from pathlib import Path
from urllib.parse import quote, urljoin
from xml.sax.saxutils import escape

import nbformat
from docutils import nodes
from package import ROOT

GITHUB = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?")
HEAD = '<?xml version="1.0" encoding="utf-8"?>'
SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
FIRST = "get-the-package"
GET = """\
# Elsewhere than in the repository, in Colab for example: this gets the package, and
# leaves what is loaded already as it is, if that will do
import importlib.metadata, importlib.util, os, sys

if importlib.util.find_spec("cae_keras") is None:
    !git clone --quiet --depth 1 {url} cae_book
    %pip install --quiet "./cae_book[notebook]"
if os.path.isdir("cae_book"):
    os.environ.setdefault("CAE_PRESET", "quick")
for name in ("numpy", "torch", "keras"):
    loaded = getattr(sys.modules.get(name), "__version__", "").split("+")[0]
    if loaded and not importlib.metadata.version(name).startswith(loaded):
        raise SystemExit(f"{{name}} was renewed: restart the kernel, run this again")
"""


def setup(app):
    app.add_role("commit", commit)
    app.connect("config-inited", name_addresses, priority=3)
    app.connect("build-finished", invite_search_engines)
    app.connect("build-finished", begin_notebooks)


def name_addresses(app, config):
    """Lets launch buttons open the repository that this book is built from.

    That is the remote `origin`, if it is one of GitHub's, without a name or password in
    its address, so nothing secret is ever shown; else the one that `_config.yml` names;
    else none, and there are no buttons. The address of the published pages follows from
    it, or is `BOOK_URL`.
    """
    options, pages = config.html_theme_options, os.environ.get("BOOK_URL", "").strip()
    named = options.setdefault("repository_url", "")
    if github := GITHUB.fullmatch(origin()) or GITHUB.fullmatch(named):
        owner, name = github.groups()
        options["repository_url"] = f"https://github.com/{owner}/{name}"
        site = f"{owner.lower()}.github.io"
        folder = "" if name.lower() == site else name  # GitHub's rule for a user's site
        pages = pages or f"https://{site}/{folder}"
    elif not named:  # what the theme then looks for, to offer notebooks without buttons
        nobody = {"github_url": "", "github_user": None, "github_repo": None}
        config.html_context = {**config.html_context, **nobody}
    if pages:
        pages = pages.rstrip("/") + "/"  # or what is joined would replace the last name
    config.html_baseurl = config.ogp_site_url = pages


def commit(name, rawtext, text, lineno, inliner, options=None, content=()):
    """Shows the hash of a commit, which leads to it if the repository is known."""
    shown, config = nodes.literal(rawtext, text), inliner.document.settings.env.config
    if not (url := config.html_theme_options.get("repository_url")):
        return [shown], []
    return [nodes.reference(rawtext, "", shown, refuri=f"{url}/commit/{text}")], []


def invite_search_engines(app, exception):
    """Writes `robots.txt` and a sitemap of all pages, if their address is known."""
    base, out = app.config.html_baseurl, Path(app.outdir)
    if exception is not None or app.builder.format != "html" or not base:
        return
    names = sorted(app.env.found_docs)
    pages = [urljoin(base, quote(f"{name}.html")) for name in names]
    urls = "".join(f"<url><loc>{escape(page)}</loc></url>\n" for page in pages)
    sitemap = f'{HEAD}\n<urlset xmlns="{SITEMAP}">\n{urls}</urlset>\n'
    (out / "sitemap.xml").write_text(sitemap, "utf-8")
    robots = f"User-agent: *\nAllow: /\nSitemap: {urljoin(base, 'sitemap.xml')}\n"
    (out / "robots.txt").write_text(robots, "utf-8")


def begin_notebooks(app, exception):
    """Begins each notebook that is offered with a cell that gets the package."""
    url = app.config.html_theme_options.get("repository_url")
    if exception is not None or app.builder.format != "html" or not url:
        return
    for path in Path(app.outdir, "_sources").glob("*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        if FIRST not in notebook.cells[0].metadata.get("tags", []):
            first = nbformat.v4.new_code_cell(GET.format(url=url))
            first.metadata.tags = [FIRST]
            if notebook.nbformat_minor < 5:  # cells have no ids before
                del first["id"]
            notebook.cells.insert(0, first)
            nbformat.write(notebook, path)


def origin() -> str:
    """Returns the address of the git remote `origin` of this project, or nothing."""
    top = _git("rev-parse", "--show-toplevel")
    if not top or Path(top).resolve() != ROOT:  # a copy within another repository
        return ""
    return _git("remote", "get-url", "origin")


def _git(*words: str) -> str:
    command = ["git", "-C", str(ROOT), *words]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return ""
    return asked.stdout.strip()
