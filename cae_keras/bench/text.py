"""What was measured, as text for a terminal."""

from tabulate import tabulate

LABELS = {
    "stock_keras": "(a) stock Keras, fit on arrays, default threads",
    "tutorial_torch": "(b) PyTorch as in tutorials, default threads",
    "careful_torch": "(c) PyTorch with care, default threads",
    "careful_torch_one_thread": "(c) on one thread",
    "one_worker": "(d) this project, one worker (one thread)",
    "all_workers": "(e) this project, one worker a core",
}
CONDITIONS = """\
One contender runs at a time; all: the baseline in float32, MNIST, batch 64, no
validation, freed memory kept; (a) to (c) with a constant learning rate, which is less
work. (e) over (b) and (c) compares all cores with all cores, (d) over (c) one thread
with one thread."""


def speed_text(found: dict) -> str:
    """Returns what `measure_speed` found as a table and some lines."""
    rows = [
        [label, f"{found[name]:,.0f}", *_noise(found, name)]
        for name, label in LABELS.items()
    ]
    product = f"{found['gemm_gflops']:.0f} GFLOP/s"
    flops = f"{found['flops_per_image'] / 1e6:.1f} MFLOP an image"
    limit = f"(f) limit: {product} over {flops}"
    noise = _noise(found, "gemm_gflops")
    rows.append([limit, f"{found['limit_images_per_s']:,.0f}", *noise])
    seconds = found["startup_seconds"]
    about = found["machine"]
    versions = ", ".join(f"{name} {about[name]}" for name in ("keras", "torch"))
    return "\n".join([
        f"{about['processor']}, {found['cores']} cores, {versions}, {about['date']}",
        f"medians of {found['rounds']} rounds of {found['window_seconds']:g} s; spread "
        "between quartiles, standard error of the median",
        "",
        tabulate(rows, ["", "images/s", "spread", "error"], disable_numparse=True,
                 colalign=("left", "right", "right", "right")),
        "",
        CONDITIONS,
        "",
        f"start-up of a page: {seconds['data_loaded']:.1f} s until MNIST is loaded, of "
        f"which {seconds['imported']:.1f} s until cae_keras is imported",
        _verdict(found),
    ])  # fmt: skip


def _verdict(found: dict) -> str:
    if found["noisy"]:
        reasons = (f"{name}: {reason}" for name, reason in found["noisy"].items())
        return f"too noisy: {'; '.join(reasons)}. No ratios: this is not a result."
    ratios = dict(found["ratios"])
    share = _percent(ratios.pop("e/limit"))
    listed = ", ".join(f"{name} {value:.2f}" for name, value in ratios.items())
    return f"ratios: {listed}; (e) reaches {share} of the limit"


def quality_text(found: dict) -> str:
    """Returns what `time_to_quality` found as a table."""
    labels = {
        "book": "the book's recipe, by this project",
        "published": "the published recipe, by its PyTorch loop",
    }
    rows = [[labels[name], *values.values()] for name, values in found.items()]
    headers = ["", "test BCE", "seconds", "threads"]
    return tabulate(rows, headers, floatfmt=("", ".4f", ".0f", ".0f"))


def _noise(found: dict, name: str) -> list[str]:
    return [_percent(found[which][name]) for which in ("spread", "standard_error")]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
