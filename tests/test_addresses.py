"""Launch buttons open the repository that a book was built from, and show nothing else of its remote."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell

SOURCE = Path(__file__).parents[1] / "book" / "_ext" / "addresses.py"
NAMED = "https://github.com/your-name/your-repository"


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project" / "book" / "_ext"
    folder.mkdir(parents=True)
    shutil.copy(SOURCE, folder)
    return tmp_path / "project"


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True, capture_output=True)


def loaded(project):
    path = project / "book" / "_ext" / "addresses.py"
    spec = importlib.util.spec_from_file_location("addresses", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def configured(url=NAMED):
    return SimpleNamespace(html_theme_options={"repository_url": url}, html_baseurl="")


def named(project, url=NAMED):
    """Returns what a build of the project makes of its configuration."""
    config = configured(url)
    loaded(project).name_addresses(None, config)
    return config


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/Somebody/a-fork",
        "https://github.com/Somebody/a-fork.git",
        "https://github.com/Somebody/a-fork/",
    ],
)
def test_a_remote_of_github_is_what_the_buttons_open(project, remote, monkeypatch):
    monkeypatch.delenv("BOOK_URL", raising=False)
    git(project, "init")
    git(project, "remote", "add", "origin", remote)
    config = named(project)
    assert config.html_theme_options == {
        "repository_url": "https://github.com/Somebody/a-fork"
    }
    assert config.html_baseurl == "https://somebody.github.io/a-fork/"
    monkeypatch.setenv("BOOK_URL", "https://book.example/")
    assert named(project).html_baseurl == "https://book.example/"


@pytest.mark.parametrize(
    "remote",
    [
        "https://somebody:secret@github.com/somebody/book",
        "https://token@github.com/somebody/book.git",
        "git@github.com:somebody/book.git",
        "https://github.com.example/somebody/book",
        "https://github.com/somebody",
        "https://gitlab.com/somebody/book",
        "/home/somebody/book",
        None,
    ],
)
def test_of_any_other_remote_nothing_is_shown(project, remote, monkeypatch):
    monkeypatch.delenv("BOOK_URL", raising=False)
    git(project, "init")
    if remote:
        git(project, "remote", "add", "origin", remote)
    config = named(project)
    assert config.html_theme_options == {"repository_url": NAMED}
    assert config.html_baseurl == "https://your-name.github.io/your-repository/"


def test_a_copy_within_another_repository_does_not_take_its_remote(project):
    git(project.parent, "init")
    git(project.parent, "remote", "add", "origin", "https://github.com/other/thing")
    assert named(project).html_theme_options == {"repository_url": NAMED}


def test_without_git_it_is_the_one_that_is_named(project, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert named(project).html_theme_options == {"repository_url": NAMED}


def test_what_is_no_repository_of_github_needs_the_address_of_the_pages(
    project, monkeypatch
):
    monkeypatch.delenv("BOOK_URL", raising=False)
    elsewhere = "https://gitlab.com/somebody/book"
    assert named(project, elsewhere).html_baseurl == ""
    monkeypatch.setenv("BOOK_URL", "https://book.example/")
    config = named(project, elsewhere)
    assert config.html_baseurl == config.ogp_site_url == "https://book.example/"
    assert config.html_theme_options == {"repository_url": elsewhere}


@pytest.mark.parametrize("minor", [4, 5])
def test_a_notebook_that_is_offered_gets_the_package_where_it_is_missing(
    project, tmp_path, minor
):
    path = tmp_path / "_sources" / "page.ipynb"
    path.parent.mkdir()
    cell = {"cell_type": "markdown", "metadata": {}, "source": "# A page"}
    cell |= {"id": "title"} if minor == 5 else {}
    page = nbformat.from_dict(
        {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": [cell]}
    )
    nbformat.write(page, path)
    app = SimpleNamespace(
        config=configured(), outdir=tmp_path, builder=SimpleNamespace(format="html")
    )
    for _ in range(2):  # a second build finds it as it is
        loaded(project).begin_notebooks(app, None)
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert [cell.cell_type for cell in notebook.cells] == ["code", "markdown"]
    code = notebook.cells[0].source
    assert f"!git clone --quiet --depth 1 {NAMED} book" in code
    shell, asked = InteractiveShell(), []
    shell.system = asked.append
    assert shell.run_cell(code).success  # the package is here, so nothing is fetched
    assert asked == []
    missing = code.replace('"cae_keras"', '"no_such_package"')
    shell.run_line_magic = lambda name, line, **_: asked.append(f"%{name} {line}")
    assert shell.run_cell(missing).success
    sys.path.remove(os.path.abspath("book"))
    assert [line.split()[0] for line in asked] == ["git", "%pip", "%env"]
