"""What the original study claims, by chapter, each claim with the rule that decides it.

Its text is the README of vlad-uve/CAE-MNIST of 2025-06-04 (5a2259d and dc6add4 have its
wording). But where it is said otherwise, the rules were written before the results; a
change of one has a comment. With intervals of 95 %, a claim of many parts that is true
by a hair may fail by chance more often than in 1 of 40.
"""

import numpy as np

from cae_keras.compare.comparison import Quantity, Results, change, values
from cae_keras.compare.text import SHARE, TIMES
from cae_keras.compare.verdicts import Claim, Part, changed
from cae_keras.experiments import EXPERIMENTS, configurations

ONE_FACTOR = ("filters", "latent_dim", "batch_norm", "activation", "depth")
VARIANTS = tuple(  # of the original study: an experiment added to it moves no claim
    name for name in configurations(*ONE_FACTOR, "tradeoff") if name != "baseline"
)


def factor_effects(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of the largest over the smallest excess BCE that each factor gives."""
    return {
        EXPERIMENTS[name].factor: np.ptp(
            [change(results, "excess_bce", v) for v in EXPERIMENTS[name].variants], 0
        )
        for name in ONE_FACTOR
    }


def lead_of_two(results: Results) -> dict[str, np.ndarray]:
    """Returns ln of how far latent size and filter width are ahead of the others."""
    width, latents, *others = factor_effects(results).values()
    lead = np.minimum(width, latents) - np.max(others, axis=0)
    return {"smaller effect of the two": lead}


def no_larger(results: Results) -> dict[str, np.ndarray]:
    """Returns the change of excess BCE of all with no more parameters."""
    return {
        name: change(results, "excess_bce", name)
        for name in VARIANTS
        if (change(results, "parameters", name) <= 0).all()
    }


def product(results: Results, name: str, start: str = "baseline") -> np.ndarray:
    """Returns the change of parameters × excess BCE."""
    return sum(change(results, m, name, start) for m in ("parameters", "excess_bce"))


def size_times_error(results: Results) -> dict[str, np.ndarray]:
    """Returns the change of parameters × excess BCE of every variant."""
    return {name: product(results, name) for name in VARIANTS}


def widened(measure: str, **rule) -> tuple[Part, Part]:
    """Returns the parts on a measure's change at both steps to wider filters."""
    return (
        changed(measure, "baseline", start="narrow", **rule),
        changed(measure, "wide", **rule),
    )


FILTERS = (
    Claim(1, "Wider = better, but more costly",
        "Excess BCE falls from narrow to baseline, and from baseline to wide; "
        "parameters and MACs grow at both steps.",
        (*widened("excess_bce", high=0), *widened("parameters", low=0),
         *widened("macs", low=0))),
    Claim(2, "2× lighter than baseline, loss ≈ +4 %",
        "The baseline has 1.8 to 2.2 times the parameters of narrow, and the test BCE "
        "of narrow is 2 to 6 % higher. Excess BCE is shown beside.",
        (Part(Quantity("parameters", TIMES, exact=True),
              lambda r: {"baseline / narrow":
                         change(r, "parameters", "baseline", "narrow")},
              low=1.8, high=2.2),
         changed("bce", "narrow", low=2, high=6),
         changed("excess_bce", "narrow", judged=False))),
)  # fmt: skip

LATENT_DIM = (
    Claim(3, "Too small fails … Very small latent spaces (e.g., 2) resulted in poor "
        "reconstructions",
        "With 2 latents, the share of digits that the classifier reads right is more "
        "than 10 points below the baseline's, and SSIM more than 0.1.",
        (changed("read", "2 latents", high=-10),
         changed("ssim", "2 latents", high=-0.1))),
    # changed within hours, before a full build: what is lost is no improvement
    Claim(4, "overly large ones (e.g., 64) added cost without benefit … no visible "
        "improvement over the baseline",
        "With 64 latents parameters grow, and nothing visible is gained: the share of "
        "digits read right grows by less than 0.5 points, SSIM by less than 0.02. "
        "Excess BCE is shown beside.",
        (changed("parameters", "64 latents", low=0),
         changed("read", "64 latents", high=0.5),
         changed("ssim", "64 latents", high=0.02),
         changed("excess_bce", "64 latents", judged=False))),
)  # fmt: skip

BATCH_NORM = (
    Claim(6, "Smoother training",
        "With batch norm, the validation curve is less rough.",
        (changed("roughness", "batch norm", high=0),)),
    Claim(7, "slight improvement",
        "With batch norm, excess BCE falls, by less than 10 %.",
        (changed("excess_bce", "batch norm", low=-10, high=0),)),
    Claim(8, "Adds <0.5 % params",
        "Batch norm adds trainable parameters, less than 0.5 %. Their number with the "
        "moving statistics, which are not trained, is shown beside.",
        (changed("parameters", "batch norm", low=0, high=0.5),
         changed("all_parameters", "batch norm", judged=False))),
)  # fmt: skip

ACTIVATION = (
    Claim(9, "Modest gain in sharpness",
        "With Leaky ReLU, sharpness grows, by less than 10 %.",
        (changed("sharpness", "Leaky ReLU", low=0, high=10),)),
    Claim(10, "Modest gain in … stability … slightly steadier curves",
        "With Leaky ReLU, the validation curve is less rough.",
        (changed("roughness", "Leaky ReLU", high=0),)),
)  # fmt: skip

DEPTH = (
    Claim(
        12,
        "Marginal improvement with added layers",
        "With three blocks, excess BCE falls, by less than 5 %.",
        (changed("excess_bce", "three blocks", low=-5, high=0),),
    ),
)

TAKEAWAYS = (
    Claim(5, "Latent dimension size and filter width had the most significant effect "
        "on model performance",
        "The effect of a factor is its largest excess BCE over its smallest, the "
        "baseline included, seed by seed. The smaller effect of these two is greater "
        "than the largest of the other three: their ratio is above 1.",
        (Part(Quantity("over the largest of the others", TIMES), lead_of_two, low=1),
         Part(Quantity("effect", TIMES), factor_effects, judged=False))),
    Claim(11, "BatchNorm and Leaky ReLU offered small, consistent improvements in "
        "stability and output quality",
        "In every seed, both have less excess BCE and a less rough curve than the "
        "baseline. At least 3 seeds must agree; among 2 or more, one that does not is "
        "enough to refute it.",
        (changed("excess_bce", "batch norm", high=0, every_seed=True),
         changed("roughness", "batch norm", high=0, every_seed=True),
         changed("excess_bce", "Leaky ReLU", high=0, every_seed=True),
         changed("roughness", "Leaky ReLU", high=0, every_seed=True))),
    # changed within hours, before a full build: a curve that rises has not settled; on
    # 2026-11-27, when the recipe got 5 epochs: fewer than 10 cannot refute it
    Claim(13, "All models converged within 10 epochs",
        "In every configuration, the last epoch of this build's budget changes the "
        "excess validation BCE by less than 1 %, either way. A budget of fewer than 10 "
        "epochs cannot refute it.",
        (Part(Quantity("gain of the last epoch", SHARE),
              lambda r: {v: values(r, v, "last_gain") for v in ("baseline", *VARIANTS)},
              low=-1, high=1, epochs=10),)),
    Claim(14, "The baseline model … remains the best trade-off between performance and "
        "complexity",
        "Every other configuration with at most as many parameters has more excess "
        "BCE, and every other one a larger product of parameters and excess BCE: 1 % "
        "more parameters must buy at least 1 % less error.",
        (Part(Quantity("excess BCE, at most as many parameters"), no_larger, low=0),
         Part(Quantity("parameters × excess BCE"), size_times_error, low=0))),
)  # fmt: skip

# Of the table of choices behind the proposal, the cells that repeat no claim above.
# Their rules were written before the results of a full build; those of a quick one were
# known.
PROPOSAL = (
    Claim(15, "Latent dim 16 … 50 % smaller rep.",
        "The code of the trade-off has 45 to 55 % fewer bytes than the baseline's.",
        (changed("code_bytes", "trade-off", low=-55, high=-45),)),
    Claim(16, "Latent dim 16 … quality sweet-spot",
        "Half of the code, all else as in the baseline, loses nothing visible: the "
        "share of digits read right falls by less than 0.5 points, and SSIM by less "
        "than 0.02. Excess BCE is shown beside.",
        (changed("read", "16 latents", low=-0.5),
         changed("ssim", "16 latents", low=-0.02),
         changed("excess_bce", "16 latents", judged=False))),
    Claim(17, "Depth 2 blocks … Extra block gave negligible gain",
        "A third block lowers excess BCE by less than 5 %, if at all.",
        (changed("excess_bce", "three blocks", low=-5),)),
    Claim(18, "Leaky ReLU (α = 0.1) … Same quality",
        "With Leaky ReLU, excess BCE changes by less than 5 %, either way.",
        (changed("excess_bce", "Leaky ReLU", low=-5, high=5),)),
)  # fmt: skip
