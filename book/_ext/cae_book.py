"""Ties the pages of the book to the package: the one Sphinx extension of this project.

It lets a page's kernel import the package, executes pages again when the package or the
preset has changed, several at a time where there are several cores (`side_by_side`),
shows the package's code (`source`), says what folded cells do (`folds`), lets launch
buttons open the right repository (`addresses`), says how far a build is and where its
minutes went (`minutes`), makes notebooks for a class (`notebooks`), copies alternative
texts from figures, puts a banner on quick builds, keeps what pages have come to
(`kept`), and cleans up after a build that was cut off in writing.

Files that a page makes for its readers need nothing of it: the page writes them to
`_build/downloads/` and names them by `{download}`, so Sphinx copies them into every
build, and executes the page again if one is missing.
"""

import hashlib
import os
import re
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import addresses
import filelock
import folds
import minutes
import notebooks
import side_by_side
import source
from myst_nb.core.render import NbElementRenderer
from myst_nb.ext import execution_tables
from package import PACKAGE, ROOT, settings
from sphinx.application import ENV_PICKLE_FILENAME
from sphinx.errors import ConfigError
from sphinx.util import logging

ENGINE = ("jupyter-book", "myst-nb", "sphinx", "sphinx-book-theme")
HOW = "pip install -r requirements.txt"
DECIDING = ("keras", "torch", "numpy", "scipy", "scikit-image", "matplotlib")
logger = logging.getLogger(__name__)


def setup(app):
    app.add_config_value("cae_build", None, rebuild="env")
    app.connect("config-inited", check_engine, priority=0)
    app.connect("config-inited", choose_preset, priority=1)
    app.connect("config-inited", start_clean, priority=2)
    app.connect("builder-inited", prepare_kernels)
    app.connect("env-get-outdated", find_changed)
    app.connect("env-before-read-docs", note_contents)
    app.connect("env-before-read-docs", begin_reading)
    app.connect("html-page-context", leave_out_thebe)
    app.connect("env-updated", begin_writing)
    app.connect("build-finished", finish, priority=900)  # others write before
    app.add_directive("source", source.Source)
    side_by_side.setup(app)
    addresses.setup(app)
    folds.setup(app)
    notebooks.setup(app)
    copy_alt_texts()
    execution_tables._key2transform["succeeded"] = {True: "done", False: "failed"}.get
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def check_engine(app, config):
    """Says in one line what would end in riddles: another folder, another program."""
    pages = ROOT / "book"
    if Path(app.srcdir) != pages:
        told = f"the pages are not in {app.srcdir}: jupyter-book build {pages}"
        raise ConfigError(told)
    text = (ROOT / "requirements.txt").read_text("utf-8")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", text, re.M))
    found = {(name, installed(name)) for name in ENGINE} - pins.items()
    others = ", ".join(" ".join(other) for other in sorted(found))
    told = f"not what this book is made with: {others}: {HOW}"
    if any(other.split(".")[0] != pins[name].split(".")[0] for name, other in found):
        raise ConfigError(told)
    if found:
        logger.warning(told)


def installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        told = f"{name} is not installed in {sys.prefix}, where jupyter-book is: {HOW}"
        raise ConfigError(told) from None


def start_clean(app, config):
    """Waits for another build, then removes what one has left half-written.

    The lock is the operating system's, so it is gone when its process is. The marker
    stays if a build that has begun to write does not get to its end.
    """
    output = Path(app.outdir)
    output.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(output.parent / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        logger.info("another build of this book is running: waiting for its end")
        lock.acquire()
    app.cae_lock, app.cae_marker = lock, output.parent / ".unfinished"
    if app.cae_marker.exists():
        logger.info("the last build was cut off in writing: pages are written anew")
        for folder in (output, Path(app.doctreedir)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        app.cae_marker.unlink()


def choose_preset(app, config):
    """Reads the preset; another one, or other versions, executes pages again."""
    try:
        preset = settings.get_preset()
        settings.count_from("CAE_WORKERS")  # said now, not by a page in its first cell
        settings.backend()
    except ValueError as error:
        raise ConfigError(str(error)) from error
    versions = [(package, installed(package)) for package in DECIDING]
    config.cae_build = repr((preset, os.environ.get("CAE_RUNS"), versions))
    if preset.name == "quick":
        config.html_theme_options["announcement"] = (
            f"This is a <strong>quick build</strong>: {preset.recipe.images:,} images, "
            f"{preset.recipe.epochs} epochs, and one of {preset.every} validation and "
            "test images. Its numbers are rough; the full build has the real ones."
        )


def prepare_kernels(app):
    """Gives kernels the package, and the index a file for its progress."""
    path = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *([path] if path else [])])
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"  # or the debugger warns
    for name in ("CAE_RUNS", "TFDS_DATA_DIR"):  # a kernel's folder is another one
        if os.environ.get(name):
            os.environ[name] = os.path.abspath(os.path.expanduser(os.environ[name]))
    app.cae_minutes = minutes.Minutes(Path(app.outdir).parent, app.config.root_doc)
    os.environ["CAE_PROGRESS"] = str(app.cae_minutes.bars)


def find_changed(app, env, added, changed, removed):
    """Names the pages whose text has changed, or the package that their cells use.

    Sphinx compares times, which tell less: those of a file that is put back go back
    with it, and so may a clock; and a page may be at work while a file is changed.
    """
    noted, package = getattr(env, "cae_contents", {}), digest(package_files())
    names = env.found_docs
    return [name for name in names if contents(env, name, package) != noted.get(name)]


def note_contents(app, env, docnames):
    """Notes what pages are made of, before any of them is executed."""
    package = digest(package_files())
    now = {name: contents(env, name, package) for name in docnames}
    env.cae_contents = getattr(env, "cae_contents", {}) | now


def begin_reading(app, env, docnames):
    """Takes away what Sphinx has noted of pages before they are others.

    It does so after an error, too late for a build that is killed: the notes would stay
    beside pages that they do not tell of. Pictures are written while pages are read.
    """
    if docnames:
        Path(app.doctreedir, ENV_PICKLE_FILENAME).unlink(missing_ok=True)
    if not env.all_docs:
        shutil.rmtree(Path(app.outdir).parent / "jupyter_execute", ignore_errors=True)


def begin_writing(app, env):
    app.cae_marker.touch()


def contents(env, docname: str, package: str) -> tuple[str, ...]:
    path = Path(env.doc2path(docname))
    text = digest([path])
    runs_code = side_by_side.executes(path.read_text("utf-8"))
    return (text, package) if runs_code else (text,)


def package_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def digest(paths) -> str:
    found = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        found.update(f"{path} {len(content)} ".encode() + content)
    return found.hexdigest()


def leave_out_thebe(app, pagename, templatename, context, doctree):
    """Leaves out the scripts of sphinx-thebe, which this book does not use.

    Jupyter Book loads it in any case, and twice, which its constants do not allow.
    """
    context["script_files"] = [
        script
        for script in context["script_files"]
        if "thebe" not in f"{script.filename} {script.attributes.get('body')}".lower()
    ]


def finish(app, exception):
    try:
        if hasattr(app, "cae_minutes"):
            app.cae_minutes.stop(failed=exception is not None)
        if exception is None:
            app.cae_marker.unlink(missing_ok=True)
            if changed := find_changed(app, app.env, set(), set(), set()):
                told = "%s changed while the book was built: build again"
                logger.warning(told, ", ".join(sorted(changed)))
    finally:
        app.cae_lock.release()


def copy_alt_texts():
    """Lets an image have the alternative text that its figure carries."""
    render_image = NbElementRenderer.render_image

    def render_with_alt(self, data):
        images = render_image(self, data)
        alt = data.output_metadata.get(data.mime_type, {}).get("alt")
        if alt:
            images[0]["alt"] = alt
        return images

    NbElementRenderer.render_image = render_with_alt
