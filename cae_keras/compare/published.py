"""What the author of the original study published later, with other findings.

It is the README of 2025-07-27 (4c9a594), in our words. These rules were written last:
results of earlier builds, of both recipes, were known. Visible, and a small change of
excess BCE, are what they are in `claims`.
"""

from functools import partial

import numpy as np

from cae_keras.compare.claims import factor_effects, product, widened
from cae_keras.compare.comparison import Quantity, Results, change
from cae_keras.compare.text import TIMES
from cae_keras.compare.verdicts import Claim, Part, changed
from cae_keras.experiments import EXPERIMENTS, configurations


def lead_of_latents(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of how far latent size is ahead of all other factors."""
    effects = factor_effects(results)
    latents = effects.pop(factor := EXPERIMENTS["latent_dim"].factor)
    return {factor: latents - np.max([*effects.values()], axis=0)}


def doublings(results: Results, measure="excess_bce") -> dict[str, np.ndarray]:
    """Returns the change of a measure as the latents double, up to 32 and beyond."""
    two_doublings = change(results, measure, "baseline", "8 latents")
    return {
        "8 → 32 latents": two_doublings / 2,
        "32 → 64 latents": change(results, measure, "64 latents"),
    }


def last_doubling(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of the factor beyond 32 latents over that of a doubling before."""
    before, beyond = doublings(results).values()
    return {"32 → 64 over 8 → 32 latents": beyond - before}


def wider_times_error(results: Results) -> dict[str, np.ndarray]:
    """Returns the same at both steps to wider filters."""
    first = product(results, "baseline", "narrow")
    return {"narrow → baseline": first, "wide": product(results, "wide")}


def sizes(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of the larger over the smaller number of parameters."""
    names = configurations("filters", "latent_dim", "depth").keys() - {"baseline"}
    return {name: abs(change(results, "parameters", name)) for name in sorted(names)}


Paraphrase = partial(Claim, quoted=False)
PUBLISHED = (
    Paraphrase("P1", "Latent size has the largest effect of all.",
        "The effect of latent size (see claim 5) over the largest of the other four: "
        "their ratio is above 1.",
        (Part(Quantity("over the largest of the others", TIMES), lead_of_latents,
              low=1),)),
    Paraphrase("P2", "Gains shrink beyond 32 latents.",
        "Doubling 32 latents multiplies excess BCE by a factor; so did, on average, "
        "each of the two doublings from 8 to 32. The first factor over the second is "
        "above 1. BCE is shown beside.",
        (Part(Quantity("excess BCE per doubling", TIMES), last_doubling, low=1),
         Part(Quantity("excess BCE per doubling"), doublings, judged=False),
         Part(Quantity("BCE per doubling"), lambda r: doublings(r, "bce"),
              judged=False))),
    Paraphrase("P3", "Wider filters: slightly lower loss, no difference that the eye "
        "sees.",
        "From narrow to baseline, and from baseline to wide, BCE falls, by less than "
        "5 %; the share of digits read right changes by less than 0.5 points and SSIM "
        "by less than 0.02, either way.",
        (*widened("bce", low=-5, high=0), *widened("read", low=-0.5, high=0.5),
         *widened("ssim", low=-0.02, high=0.02))),
    Paraphrase("P4", "The cost of wider filters is not justified.",
        "At both steps the product of parameters and excess BCE grows: 1 % more "
        "parameters buy less than 1 % less error.",
        (Part(Quantity("parameters × excess BCE"), wider_times_error, low=0),)),
    Paraphrase("P5", "More than two strided layers do not improve the reconstruction; "
        "all depths end at a similar loss.",
        "From two strided layers to three (here with 16 latents) and from three to "
        "four, excess BCE does not fall by 5 % or more, and BCE changes by less than "
        "2 %, either way.",
        (changed("excess_bce", "16 latents", start="published trade-off", low=-5),
         changed("excess_bce", "three blocks", low=-5),
         changed("bce", "16 latents", start="published trade-off", low=-2, high=2),
         changed("bce", "three blocks", low=-2, high=2))),
    Paraphrase("P6", "Leaky ReLU has no measurable effect on quality.",
        "With Leaky ReLU (slope 0.1, one of its three), excess BCE and sharpness "
        "change by less than 5 %, either way.",
        (changed("excess_bce", "Leaky ReLU", low=-5, high=5),
         changed("sharpness", "Leaky ReLU", low=-5, high=5))),
    Paraphrase("P7", "Batch norm: training slightly smoother.",
        "With batch norm, the validation curve is less rough.",
        (changed("roughness", "batch norm", high=0),)),
    Paraphrase("P8", "Batch norm: final results unchanged.",
        "With batch norm, excess BCE changes by less than 5 %, either way.",
        (changed("excess_bce", "batch norm", low=-5, high=5),)),
    Paraphrase("P9", "Batch norm and activation do not matter for complexity; latents, "
        "filters, depth do.",
        "Batch norm and Leaky ReLU change the parameters by less than 0.5 %, every "
        "other variant of one factor by more, either way.",
        (changed("parameters", "batch norm", low=-0.5, high=0.5),
         changed("parameters", "Leaky ReLU", low=-0.5, high=0.5),
         Part(Quantity("parameters, either way", exact=True), sizes, low=0.5))),
    Paraphrase("P10", "Its trade-off, filters (32, 32) and 16 latents: about 40 % "
        "fewer parameters, quality comparable.",
        "Parameters are 35 to 45 % fewer than the baseline's; the share of digits read "
        "right falls by less than 0.5 points, and SSIM by less than 0.02. Excess BCE "
        "is shown beside.",
        (changed("parameters", "published trade-off", low=-45, high=-35),
         changed("read", "published trade-off", low=-0.5),
         changed("ssim", "published trade-off", low=-0.02),
         changed("excess_bce", "published trade-off", judged=False))),
)  # fmt: skip
