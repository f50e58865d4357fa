"""What was measured, as text for a terminal."""

from cae_keras.compare.tables import Table

LABELS = {
    "stock_keras": "(a) stock Keras, fit on arrays",
    "tutorial_torch": "(b) PyTorch as in tutorials",
    "careful_torch": "(c) PyTorch with care",
    "careful_torch_one_thread": "(c) on one thread",
    "one_worker": "(d) this project, one worker",
    "all_workers": "(e) this project, one worker a core",
    "limit_images_per_s": "(f) limit, one matrix product",
}
RECIPES = {
    "book": "the book's recipe, by this project",
    "published": "the published one, by its PyTorch loop",
}
SPEED = """\
{machine[processor]}, {cores} cores, keras {machine[keras]}, torch {machine[torch]}, \
{machine[date]}
medians of {rounds} rounds of {window_seconds:g} s; spread between quartiles, standard \
error of the median

{table}

One contender runs at a time; all: the baseline in float32, MNIST, batch 64, no
validation, freed memory kept. (a) to (c) use torch's default threads, a worker one;
they have a constant learning rate, which is less work. (e) over (b) and (c) compares
all cores with all cores, (d) over (c) one thread with one thread. The limit is
{gemm_gflops:.0f} GFLOP/s over {mflop:.1f} MFLOP an image.

start-up of a page: {startup_seconds[data_loaded]:.1f} s until MNIST is loaded, of \
which {startup_seconds[imported]:.1f} s until cae_keras is imported
{verdict}"""


def speed_text(found: dict) -> str:
    """Returns what `measure_speed` found as a table and some lines."""
    errors = "spread", "standard_error"
    rows = [
        [label, found[name], *(100 * found[error][name] for error in errors)]
        for name, label in LABELS.items()
    ]
    headers = ["", "images/s", "spread (%)", "error (%)"]
    table = Table(rows, headers, ["", ",.0f", ".0f", ".0f"])
    mflop = found["flops_per_image"] / 1e6
    return SPEED.format(**found, table=table, mflop=mflop, verdict=_verdict(found))


def _verdict(found: dict) -> str:
    if found["noisy"]:
        reasons = (f"{name}: {reason}" for name, reason in found["noisy"].items())
        return f"too noisy: {'; '.join(reasons)}. No ratios: this is not a result."
    ratios = dict(found["ratios"])
    share = 100 * ratios.pop("e/limit")
    listed = ", ".join(f"{name} {value:.2f}" for name, value in ratios.items())
    return f"ratios: {listed}; (e) reaches {share:.0f} % of the limit"


def quality_text(found: dict) -> str:
    """Returns what `time_to_quality` found as a table."""
    rows = [[RECIPES[name], *values.values()] for name, values in found.items()]
    headers = ["", "test BCE", "seconds", "threads"]
    return str(Table(rows, headers, ["", ".4f", ".0f", ""]))
