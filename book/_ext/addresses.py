"""Where the sources of the book and its pages are, as launch buttons and links need it."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GITHUB = re.compile(r"https://github\.com/([\w-]+)/([\w.-]+?)(?:\.git)?/?")


def setup(app):
    app.connect("config-inited", name_repository, priority=3)


def name_repository(app, config):
    """Lets launch buttons open the repository that this book is built from.

    That is the remote `origin`, if it is one of GitHub's, without a name or password in
    its address, so nothing secret is ever shown; else the one that `_config.yml` names.
    The address of the published pages follows from it, or is `BOOK_URL`.
    """
    options = config.html_theme_options
    for address in (origin(), options.get("repository_url") or ""):
        if found := GITHUB.fullmatch(address):
            owner, name = found.groups()
            options["repository_url"] = f"https://github.com/{owner}/{name}"
            pages = f"https://{owner.lower()}.github.io/{name}/"
            config.html_baseurl = os.environ.get("BOOK_URL") or pages
            config.ogp_site_url = config.html_baseurl
            return


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
