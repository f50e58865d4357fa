"""`python -m cae_keras`: what it prints, and its exit status."""

import json
import math
import runpy
import sys

import numpy as np
import pytest
from PIL import Image

from cae_keras import CAEConfig, Preset, Recipe, __main__, config
from cae_keras.__main__ import main
from cae_keras.experiments import EXPERIMENTS, Experiment
from cae_keras.measurements.reader import Reader
from cae_keras.study import readme, store, study
from cae_keras.study.store import Entry, Store, task_key
from cae_keras.study.tasks import Measuring, Training


@pytest.fixture(autouse=True)
def small_study(monkeypatch, tiny):
    """Two tiny configurations, on a few images."""
    small = CAEConfig(filters=(2, 2), latent_dim=2)
    variants = {"baseline": small, "thin": CAEConfig(filters=(1, 1), latent_dim=2)}
    registry = dict(EXPERIMENTS)
    EXPERIMENTS.clear()
    EXPERIMENTS["filters"] = Experiment("filters", "width", "Does it?", variants)
    preset = Preset("full", Recipe(images=64, epochs=3), (0, 1))
    monkeypatch.setitem(config.PRESETS, "full", preset)
    monkeypatch.setenv("CAE_WORKERS", "1")
    monkeypatch.setattr(__main__, "load_mnist", lambda: tiny)
    yield
    EXPERIMENTS.clear()
    EXPERIMENTS.update(registry)


@pytest.fixture
def nothing_done(monkeypatch):
    monkeypatch.setattr(study, "complete", lambda *_: pytest.fail("it began to train"))


def test_train_then_report(capsys, tmp_path, monkeypatch):
    assert main(["train", "filters"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    header, _, baseline, thin, _, last = out.splitlines()
    assert header.split() == ["test", "BCE", "MSE", "SSIM", "read", "right", "seeds"]
    assert (baseline.split()[0], thin.split()[0]) == ("baseline", "thin")
    assert baseline.split()[-1] == thin.split()[-1] == "2"
    assert last.endswith(f"kept in {tmp_path / 'runs'}")

    assert main(["report"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:4] == ["name", "filters", "latent_dim", "batch_norm"]
    assert [line.split()[:3] for line in table[2:]] == [
        ["baseline", "2-2", "2"], ["baseline", "2-2", "2"],
        ["thin", "1-1", "2"], ["thin", "1-1", "2"],
    ]  # fmt: skip

    assert main(["report", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["seed"]) for row in rows] == [
        ("baseline", 0), ("baseline", 1), ("thin", 0), ("thin", 1),
    ]  # fmt: skip
    assert all(row["valid"] and len(row["history"]["val_loss"]) == 3 for row in rows)
    mean = sum(row["bce"] for row in rows[:2]) / 2
    assert f"{mean:.4f}" in baseline

    source = store._source
    monkeypatch.setattr(store, "_source", lambda name: source(name) + "\nCHANGED = 1")
    assert main(["report", "--json"]) == 0
    assert not any(row["valid"] for row in json.loads(capsys.readouterr().out))


def test_what_is_in_the_store_is_not_trained_again(capsys, monkeypatch):
    assert main(["train"]) == 0
    before = capsys.readouterr().out.splitlines()[:4]
    monkeypatch.setattr(
        "cae_keras.study.tasks.train", lambda *_: pytest.fail("trained")
    )
    monkeypatch.setattr(
        "cae_keras.study.tasks.quality", lambda *_: pytest.fail("measured")
    )
    assert main(["train"]) == 0
    assert capsys.readouterr().out.splitlines()[:4] == before


def test_an_empty_store(capsys):
    assert main(["report"]) == 0
    assert capsys.readouterr().out == "no run in the store\n"
    assert main(["report", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_json_has_null_where_a_diverged_run_has_no_number(capsys, tiny):
    """Python's own parser takes NaN and Infinity; those of other languages do not."""
    config = EXPERIMENTS["filters"].variants["thin"]
    task = Training(config, Recipe(images=64, epochs=3), 0)
    history = {
        "loss": [0.5, math.inf, math.nan],
        "val_loss": [0.25, -math.inf, math.nan],
        "seconds": [1.0, 2.0, 3.0],
    }
    entry = Entry(history, (np.full(2, np.nan),))
    kept = Store()
    kept.folder.mkdir()
    kept.write(task_key(task, tiny), task, entry)
    reader = Reader(Recipe(), 0, {}, ())
    measuring = Measuring(task.result(entry), reader)
    values = Entry({"bce": math.nan, "psnr": math.inf, "ssim": 0.125}, ())
    kept.write(task_key(measuring, tiny), measuring, values)

    assert main(["report", "--json"]) == 0

    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    (row,) = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert row["history"] == {
        "loss": [0.5, None, None],
        "val_loss": [0.25, None, None],
        "seconds": [1.0, 2.0, 3.0],
    }
    assert (row["val_bce"], row["bce"], row["psnr"]) == (None, None, None)
    assert (row["ssim"], row["seconds"], row["name"]) == (0.125, 6.0, "thin")
    assert row["valid"] is True


README = "Before.\n<!-- results -->\nan old table\n<!-- /results -->\nAfter.\n"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a README; costs that take no time to measure."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "README.md").write_text(README)
    monkeypatch.setattr(readme, "ROOT", folder)
    times = np.array([3.0, 1.0, 2.0, 5.0, 90.0])
    costs = {"both": times}
    monkeypatch.setattr(readme, "benchmark", lambda runs: dict.fromkeys(runs, costs))
    return folder


def contents(folder):
    return {path.name: path.read_text() for path in folder.glob("*.*")}


def test_the_readme_gets_its_table_and_trains_nothing(capsys, monkeypatch, project):
    assert main(["train"]) == 0
    capsys.readouterr()
    assert main(["report", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for what in ("train", "train_reader"):
        monkeypatch.setattr(
            f"cae_keras.study.tasks.{what}", lambda *_: pytest.fail("trained")
        )
    monkeypatch.setattr(  # no tiny network meets it
        readme,
        "meets_quality_floor",
        lambda results, _: {n: {"all": True} for n in results},
    )
    assert main(["report", "--readme"]) == 0
    out = capsys.readouterr().out

    assert set(contents(project)) == {"README.md", "results.json"}
    assert Image.open(project / "book" / "_static" / "card.png").size == (1200, 630)
    found = json.loads((project / "results.json").read_text())
    assert (found["preset"], found["images"], found["epochs"]) == ("full", 64, 3)
    assert found["seeds"] == [0, 1]
    assert set(found["configurations"]) == {"baseline", found["best"]}
    for name, figures in found["configurations"].items():
        mine = [row for row in rows if row["name"] == name]
        for what in ("parameters", "macs"):
            assert figures[what] == mine[0][what]
        for what in ("bce", "excess_bce", "mse", "ssim", "read"):
            assert figures[what] == pytest.approx([row[what] for row in mine])
        assert figures["code_bytes"] == 4 * 2
        assert figures["latency_ms"] == {"low": 2, "median": 3, "high": 5}

    text = (project / "README.md").read_text()
    before, table, after = readme.split(text)
    assert (before, after) == tuple(README.split("\nan old table\n"))
    assert table == readme.render(found)
    assert table.strip() in out


def test_without_the_runs_no_readme_is_written_and_nothing_trained(
    capsys, monkeypatch, project
):
    before = contents(project)
    monkeypatch.setattr(study, "complete", lambda *_: pytest.fail("it began to train"))
    assert main(["report", "--readme"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: CAE_RUNS={str(Store().folder)!r} lacks runs")
    assert err.count("\n") == 1
    for words in ("preset 'full', seeds 0, 1;", "`python -m cae_keras train`"):
        assert words in err
    assert contents(project) == before
    assert not Store().folder.exists()


def test_without_the_reader_it_is_not_trained_for_the_readme(capsys, tiny, project):
    study.run(*EXPERIMENTS, data=tiny)  # by names: without the reader
    files, before = set(Store().folder.iterdir()), contents(project)
    assert main(["report", "--readme"]) == 2
    assert "lacks runs" in capsys.readouterr().err
    assert (contents(project), set(Store().folder.iterdir())) == (before, files)


@pytest.mark.parametrize(
    "text", ["", README.replace("/", ""), README + README, README[::-1], None]
)
def test_a_readme_without_its_markers_is_left_as_it_is(
    capsys, monkeypatch, project, text
):
    monkeypatch.setattr(readme, "collect", lambda *_: pytest.fail("it measured"))
    path = project / "README.md"
    path.unlink() if text is None else path.write_text(text)
    before = contents(project)
    assert main(["report", "--readme"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: README.md ")
    assert err.count("\n") == 1
    assert contents(project) == before


@pytest.mark.usefixtures("nothing_done")
@pytest.mark.parametrize(
    "variable, value, arguments, named",
    [
        ("CAE_RUNS", "", ["train", "depht"], "experiment='depht'"),
        ("CAE_RUNS", "", ["train", "filters", "wide"], "experiment='wide'"),
        ("CAE_PRESET", "slow", ["train"], "CAE_PRESET='slow'"),
        ("CAE_SEEDS", "none", ["train"], "CAE_SEEDS='none'"),
    ],
)
def test_a_bad_value_is_one_line_and_status_2(
    capsys, monkeypatch, variable, value, arguments, named
):
    monkeypatch.setenv(variable, value)
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {named}: it must be ")
    assert err.count("\n") == 1
    if named.startswith("experiment"):
        assert "'filters'" in err


@pytest.mark.parametrize(
    "variable, value", [("CAE_WORKERS", "0"), ("CAE_RUNS", "/proc/runs")]
)
def test_workers_and_store_are_checked_before_training(
    capsys, monkeypatch, variable, value
):
    monkeypatch.setattr(
        "cae_keras.study.tasks.train", lambda *_: pytest.fail("trained")
    )
    monkeypatch.setenv(variable, value)
    assert main(["train"]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {variable}={value!r}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["trian"], ["report", "--xml"], ["report", "x"],
        ["report", "--json", "--readme"],
    ],
)  # fmt: skip
def test_a_bad_command_is_a_usage_error(capsys, arguments):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage: python -m cae_keras" in capsys.readouterr().err


def test_ctrl_c_is_status_130_and_says_what_is_kept(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(__main__, "run", interrupted)
    assert main(["train"]) == 130
    out, err = capsys.readouterr()
    assert "finished runs are kept" in out
    assert err == ""


def test_the_status_is_that_of_the_process(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["cae_keras", "train", "depht"])
    monkeypatch.delitem(sys.modules, "cae_keras.__main__")
    with pytest.raises(SystemExit) as stopped:
        runpy.run_module("cae_keras", run_name="__main__")
    assert stopped.value.code == 2
    assert "experiment='depht'" in capsys.readouterr().err
