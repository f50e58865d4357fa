"""`python -m cae_keras`: what it prints, and its exit status. Bad commands are in `test_bad_input.py`."""

import io
import json
import math
import os
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

from cae_keras import CAEConfig, Recipe, __main__, config
from cae_keras.__main__ import main
from cae_keras.compare.front import pca_errors
from cae_keras.config import Preset
from cae_keras.experiments import BEYOND, EXPERIMENTS, Experiment
from cae_keras.study import readme, study
from cae_keras.study.store import Store

README = "Before.\n<!-- results -->\nan old table\n<!-- /results -->\nAfter.\n"
SMALL = {
    "baseline": CAEConfig(filters=(2, 2), latent_dim=2),
    "narrow": CAEConfig(filters=(1, 1), latent_dim=2),
}


@pytest.fixture(autouse=True)
def small_study(monkeypatch, tiny):
    """Two tiny configurations, on a few images."""
    registry = dict(EXPERIMENTS)
    EXPERIMENTS.clear()
    EXPERIMENTS["filters"] = Experiment("filters", "width", "Does it?", SMALL)
    monkeypatch.delitem(BEYOND, "pairs")  # which has the study's baseline
    preset = Preset("full", Recipe(images=64, epochs=3), (0, 1))
    monkeypatch.setitem(config.PRESETS, "full", preset)
    monkeypatch.setenv("CAE_WORKERS", "1")
    monkeypatch.setattr(__main__, "load_mnist", lambda: tiny)
    yield
    EXPERIMENTS.clear()
    EXPERIMENTS.update(registry)  # in their order


@pytest.fixture
def said(capsys):
    """Runs a command, which must end well, and returns what it says."""

    def run(*arguments):
        assert main(list(arguments)) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out

    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a README; costs that take no time to measure. Nothing is trained."""
    folder = tmp_path / "project"
    (folder / "book" / "_static").mkdir(parents=True)
    (folder / "README.md").write_text(README)
    monkeypatch.setattr(readme, "ROOT", folder)
    costs = {"both": np.array([3.0, 1.0, 2.0, 5.0, 90.0])}
    monkeypatch.setattr(readme, "benchmark", lambda runs: dict.fromkeys(runs, costs))
    return folder


def trains_nothing(monkeypatch):
    for what in ("train", "train_reader", "measure_run"):
        fail = lambda *_: pytest.fail("it began to work")  # noqa: E731
        monkeypatch.setattr(f"cae_keras.study.tasks.{what}", fail)


def test_an_empty_store(said):
    assert said("report") == "no run in the store\n"
    assert json.loads(said("report", "--json")) == []


def test_train_then_report_and_nothing_is_trained_twice(said, tmp_path, monkeypatch):
    out = said("train", "filters")
    header, _, baseline, narrow, _, last = out.splitlines()
    assert header.split() == ["test", "BCE", "MSE", "SSIM", "accuracy", "seeds"]
    assert (baseline.split()[0], narrow.split()[0]) == ("baseline", "narrow")
    assert baseline.split()[-1] == narrow.split()[-1] == "2"
    assert last.endswith(f"kept in {tmp_path / 'runs'}")

    table = [line.split() for line in said("report").splitlines()]
    assert table[0][:4] == ["name", "filters", "latent_dim", "batch_norm"]
    assert [row[:4] for row in table[2:]] == [
        ["baseline", "2-2", "2", "False"], ["baseline", "2-2", "2", "False"],
        ["narrow", "1-1", "2", "False"], ["narrow", "1-1", "2", "False"],
    ]  # fmt: skip
    rows = json.loads(said("report", "--json"))
    assert [(row["name"], row["seed"]) for row in rows] == [
        ("baseline", 0), ("baseline", 1), ("narrow", 0), ("narrow", 1),
    ]  # fmt: skip
    assert all(row["valid"] and len(row["history"]["val_loss"]) == 3 for row in rows)
    assert f"{(rows[0]['bce'] + rows[1]['bce']) / 2:.4f}" in baseline

    trains_nothing(monkeypatch)
    assert said("train").splitlines()[:4] == out.splitlines()[:4]


@pytest.mark.parametrize("chosen", ["narrow", None])
def test_a_search_measures_the_chosen_alone_on_test_images(said, monkeypatch, tiny, chosen):  # fmt: skip
    seen = []

    def measured(runs, data, **split):
        if split != {"split": "validation"}:
            seen.extend(runs)
        return study.measure(runs, data, **split)

    def floor(pca, images, configs):
        assert images is tiny.x_val
        return pca_errors(pca, images, configs)

    search = Experiment("search", "size", "Which?", SMALL)
    monkeypatch.setitem(BEYOND, "search", search)
    monkeypatch.setattr(__main__, "choose", lambda *_: chosen)
    monkeypatch.setattr(__main__, "pca_errors", floor)
    monkeypatch.setattr(__main__, "measure", measured)
    out = said("train", "search")
    assert seen == ([chosen] if chosen else [])
    assert out.count("validation BCE") == 1
    assert out.count("test BCE") == len(seen)
    told = "chosen on the validation images: narrow" if chosen else "none is chosen"
    assert told in out


def test_json_has_null_where_a_diverged_run_has_no_number(said, monkeypatch):
    """Python's own parser takes NaN and Infinity; those of other languages do not."""
    row = {"bce": math.nan, "history": {"loss": [0.5, math.inf, -math.inf]}}
    monkeypatch.setattr(__main__, "report", lambda _: [row])
    found = json.loads(said("report", "--json"), parse_constant=pytest.fail)
    assert found == [{"bce": None, "history": {"loss": [0.5, None, None]}}]


def test_the_readme_gets_its_table_and_trains_nothing(said, monkeypatch, project):
    said("train")
    rows = json.loads(said("report", "--json"))
    trains_nothing(monkeypatch)
    monkeypatch.setattr(readme, "CONFIGURATIONS", tuple(SMALL))
    out = said("report", "--readme")

    assert {path.name for path in project.iterdir()} == {"README.md", "results.json", "book"}  # fmt: skip
    assert Image.open(project / "book" / "_static" / "card.png").size == (1200, 630)
    found = json.loads((project / "results.json").read_text())
    assert (found["preset"], found["images"], found["epochs"]) == ("full", 64, 3)
    assert (found["seeds"], set(found["configurations"])) == ([0, 1], set(SMALL))
    for name, figures in found["configurations"].items():
        mine = [row for row in rows if row["name"] == name]
        for what in ("parameters", "macs"):
            assert figures[what] == mine[0][what]
        for what in ("bce", "excess_bce", "mse", "ssim", "read"):
            assert figures[what] == pytest.approx([row[what] for row in mine])
        assert figures["latency_ms"] == {"least": 1, "lower_quartile": 2, "median": 3}
    before, table, after = readme.split((project / "README.md").read_text())
    assert (before, after) == tuple(README.split("\nan old table\n"))
    assert table == readme.render(found)
    assert table.strip() in out


@pytest.mark.parametrize(
    "text, missing, said",
    [(text, None, "error: README.md ") for text in ("", README.replace("/", ""), README * 2, README[::-1], README + "ÿ", None)]
    + [(README, what, "error: CAE_RUNS=") for what in ("runs", "reader")],
)  # fmt: skip
def test_without_markers_or_runs_no_readme_is_written_and_nothing_trained(
    capsys, monkeypatch, project, tiny, text, missing, said
):
    path = project / "README.md"
    path.unlink() if text is None else path.write_text(text, "latin-1")
    if missing == "reader":
        study.run(*EXPERIMENTS, data=tiny)  # by names: without the reader
    folders = project, Store().folder
    before = [sorted(folder.glob("*")) for folder in folders]
    trains_nothing(monkeypatch)
    assert main(["report", "--readme"]) == 2
    out, err = capsys.readouterr()
    assert (out, err[: len(said)], err.count("\n")) == ("", said, 1)
    if missing:
        assert "lacks runs" in err
        assert "preset 'full', seeds 0, 1;" in err
        assert "`python -m cae_keras train`" in err
    assert [sorted(folder.glob("*")) for folder in folders] == before
    assert (path.read_text("latin-1") if path.exists() else None) == text


def test_ctrl_c_is_status_130_and_says_what_is_kept(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "run", interrupted)
    assert main(["train"]) == 130
    out, err = capsys.readouterr()
    assert "finished runs are kept" in out
    assert err == ""


FULL = OSError(28, "No space left on device", "/runs")


@pytest.mark.parametrize(
    "mode, encoding, row, status, said, refused",
    [
        ("kept", "ascii", "0.07 ± 0.01, 28 → 14", 0, b"0.07 ? 0.01, 28 ? 14", ""),
        ("kept", "latin-1", "0.07 ± 0.01, 28 → 14", 0, b"0.07 \xb1 0.01, 28 ? 14", ""),
        ("closed", "utf-8", "0.07", 1, b"", ""),  # as by `| head`
        ("/dev/full", "utf-8", "0.07", 1, b"", "error: [Errno 28] No space left on device; finished runs are kept\n"),
        ("kept", "utf-8", FULL, 1, b"", "error: [Errno 28] No space left on device: '/runs'; finished runs are kept\n"),
    ],
)  # fmt: skip
def test_whatever_it_prints_into_no_traceback_is_seen(
    capsys, monkeypatch, tmp_path, mode, encoding, row, status, said, refused
):
    def reported(_):
        if row is FULL:
            raise row
        return [{"what": row, "history": {}}]

    path, (reads, writes) = tmp_path / "said", os.pipe()
    os.close(reads)
    where = {"kept": path, "closed": writes}.get(mode, mode)
    file = open(where, "wb")  # noqa: SIM115, `main` leaves it
    monkeypatch.setattr(__main__, "report", reported)
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(file, encoding))
    assert main(["report"]) == status
    assert said in (path.read_bytes() if path.exists() else b"")
    assert capsys.readouterr().err == refused


def test_the_status_is_that_of_the_process(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cae_keras", "train", "depht"])
    monkeypatch.delitem(sys.modules, "cae_keras.__main__")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("cae_keras", run_name="__main__")
    assert stopped.value.code == 2
    assert "experiment='depht'" in capsys.readouterr().err
