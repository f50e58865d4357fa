"""What was measured, as text for a terminal."""

from cae_keras.compare.tables import Table

LABELS = {
    "stock_keras": "(a) stock Keras, fit on arrays",
    "tutorial_torch": "(b) PyTorch as in tutorials",
    "careful_torch": "(c) PyTorch with care",
    "careful_torch_one_thread": "(c) on one thread",
    "one_worker": "(d) this project, one worker",
    "all_workers": "(e) this project, one worker a core",
    "book_recipe": "(e) by the book's recipe",
    "limit_images_per_s": "(f) limit, one matrix product",
}
RECIPES = {
    "book": "the book's recipe, by this project",
    "published": "the published one, by its PyTorch loop",
}
SPEED = """\
{machine[processor]}, {cores} cores, keras {machine[keras]}, torch {machine[torch]}, \
{machine[date]}
medians of {rounds} rounds of {window_seconds:g} s; spread between quartiles; how much \
of its processor one thread had

{speeds}

One contender runs at a time; all: the baseline in float32, MNIST, batch 64, Adam but
for the book's recipe, no validation, freed memory kept. (a) to (c) use torch's default
threads, a worker one; they have a constant learning rate, which is less work. (e) over
(b) and (c) compares all cores with all cores, (d) over (c) one thread with one thread.
The limit is {gemm_gflops:.0f} GFLOP/s over {mflop:.1f} MFLOP an image.

start-up of a page: {startup_seconds[data_loaded]:.1f} s until MNIST is loaded, of \
which {startup_seconds[imported]:.1f} s until cae_keras is imported

ratios, each taken within a round: medians, and their 95 % bootstrap intervals

{compared}"""


def speed_text(found: dict) -> str:
    """Returns what `measure_speed` found as two tables and some lines."""
    shares = {name: 100 * share for name, share in found["cpu_share"].items()}
    rows = [
        [label, found[name], 100 * found["spread"][name], shares.get(name, "")]
        for name, label in LABELS.items()
    ]
    headers = ["", "images/s", "spread (%)", "processor (%)"]
    speeds = Table(rows, headers, ["", ",.0f", ".0f", ".0f"])
    mflop = found["flops_per_image"] / 1e6
    return SPEED.format(**found, speeds=speeds, mflop=mflop, compared=_ratios(found))


def _ratios(found: dict) -> str:
    """Returns a table of the ratios, and below it why some are not given."""
    rows = [
        [name, "too noisy" if ratio is None else ratio, *found["intervals"][name]]
        for name, ratio in found["ratios"].items()
    ]
    table = Table(rows, ["", "ratio", "from", "to"], ["", ".2f", ".2f", ".2f"])
    reasons = (f"\n{name}: {reason}" for name, reason in found["noisy"].items())
    return f"{table}{''.join(reasons)}"


def quality_text(found: dict) -> str:
    """Returns what `time_to_quality` found as a table, and the ratio of the seconds."""
    rows = [[label, *found[name].values()] for name, label in RECIPES.items()]
    table = Table(rows, ["", "test BCE", "seconds", "threads"], ["", ".4f", ".0f", ""])
    return f"{table}\nbook/published: {found['seconds_ratio']:.2f} of the seconds"
