"""Trains the study, reports its runs, or measures how fast this machine trains."""

import argparse
import io
import json
import math
import sys
import time

from cae_keras.bench.quality import time_to_quality
from cae_keras.bench.speed import measure_speed
from cae_keras.bench.text import quality_text, speed_text
from cae_keras.compare.front import QUALITY_FLOOR, RULE, choose, pca_errors
from cae_keras.compare.tables import Table
from cae_keras.data import first_of_each_class, load_mnist
from cae_keras.experiments import BEYOND, EXPERIMENTS, configurations
from cae_keras.figures.pictures import card
from cae_keras.images import to_float
from cae_keras.measurements.baselines import fit_pca
from cae_keras.study import readme
from cae_keras.study.report import report
from cae_keras.study.store import Store
from cae_keras.study.study import measure, run

FOR_README = "instead, write results.json and the README's table; trains nothing"
OF_QUALITY = "instead, how long and how good: the book's recipe and the published one"
SHOWN = ("bce", "mse", "ssim", "read")
TITLE = "A Convolutional Autoencoder,\nOne Factor at a Time"
CARD = ("baseline", "trade-off", "2 latents")


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns 0, or 1 (failed), 2 (bad argument), 130 (stopped)."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # not every pipe takes – and ±
        sys.stdout.reconfigure(errors="replace")
    asked = _parser().parse_args(arguments)
    kept = "" if asked.command is _bench else "; finished runs are kept"
    try:
        status = asked.command(asked) or 0
        sys.stdout.flush()
        return status
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError) as error:
        if not isinstance(error, BrokenPipeError):  # `| head` has read enough
            print(f"error: {error}{kept}", file=sys.stderr)
        if isinstance(error, OSError):
            sys.stdout = None  # or Python would try to flush it again
        return 1
    except KeyboardInterrupt:
        print(f"\nstopped{kept and kept + ', and not trained again'}")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cae_keras", description=__doc__)
    commands = parser.add_subparsers(required=True)
    train = commands.add_parser("train", help="train and measure what the store lacks")
    train.add_argument(
        "experiments", nargs="*", metavar="EXPERIMENT",
        help=f"{', '.join(EXPERIMENTS)}; without any, all of these. "
        f"Beyond them: {', '.join(BEYOND)}",
    )  # fmt: skip
    train.set_defaults(command=_train)
    listing = commands.add_parser("report", help="list the runs in the store")
    form = listing.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="as JSON, with histories")
    form.add_argument("--readme", action="store_true", help=FOR_README)
    listing.set_defaults(command=_report)
    bench = commands.add_parser("bench", help="measure how fast this machine trains")
    bench.add_argument("--json", action="store_true", help="as JSON")
    bench.add_argument("--quality", action="store_true", help=OF_QUALITY)
    bench.set_defaults(command=_bench)
    return parser


def _train(asked):
    start, mnist = time.monotonic(), load_mnist()
    studied = [name for name in asked.experiments if name != "search"]
    if studied or not asked.experiments:
        _show(run(*studied, data=mnist), mnist, "test")
    if "search" in asked.experiments:
        _search(mnist)
    print(f"\n{time.monotonic() - start:.0f} s; kept in {Store().folder}")


def _search(mnist):
    """Trains the search; only what was chosen is measured on the test images."""
    configs, runs = configurations("search"), run("search", data=mnist)
    validated = _show(runs, mnist, "validation")
    chosen = choose(validated, pca_errors(fit_pca(mnist.x_train), mnist.x_val, configs))
    print(f"\n{QUALITY_FLOOR}\n{RULE}")
    if chosen is None:
        print("no configuration meets the floor: none is chosen")
        return
    print(f"chosen on the validation images: {chosen}\n")
    _show({chosen: runs[chosen]}, mnist, "test")


def _show(runs, mnist, split: str):
    """Measures runs on a split, prints the means over their seeds, and returns all."""
    measured = measure(runs, mnist, split=split)
    headers = ["", f"{split} BCE", "MSE", "SSIM", "accuracy", "seeds"]
    rows = [
        [name, *(values[what].mean() for what in SHOWN), len(values["bce"])]
        for name, values in measured.items()
    ]
    print(Table(rows, headers, ["", ".4f", ".5f", ".4f", ".4f", ""]))
    return measured


def _report(asked):
    mnist = load_mnist()
    if asked.readme:
        print(f"{readme.update(mnist)}\n\nwritten into README.md and results.json")
        _draw_card(mnist)
        return
    rows = report(mnist)
    if asked.json:
        print(json.dumps(_finite(rows), indent=1))
        return
    for row in rows:
        del row["history"]
    cells = [["" if cell is None else cell for cell in row.values()] for row in rows]
    print(Table(cells, list(rows[0])) if rows else "no run in the store")


def _draw_card(mnist):
    """Draws the picture for the README and for links to the book, of seed 0."""
    runs = run(data=mnist)
    digits = to_float(mnist.x_test[first_of_each_class(mnist.y_test)])
    shown = [name for name in CARD if name in runs]
    rows = {name: runs[name][0].reconstruct(digits) for name in shown}
    path = readme.ROOT / "book" / "_static" / "card.png"
    path.write_bytes(card(TITLE, {"original": digits} | rows).png(dpi=100))


def _bench(asked) -> int:
    """Prints a benchmark; returns 1 if the machine was too noisy for a ratio."""
    load_mnist()  # so that it is prepared, or refused, before anything starts
    found = time_to_quality() if asked.quality else measure_speed()
    text = quality_text if asked.quality else speed_text
    print(json.dumps(found, indent=1) if asked.json else text(found))
    return 1 if found.get("noisy") else 0


def _finite(value):
    """Turns what JSON has no number for, as in a diverged run, into null."""
    if isinstance(value, dict):
        return {name: _finite(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return list(map(_finite, value))
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main())
