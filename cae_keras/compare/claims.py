"""What the original study claims, each claim with the rule that decides it.

The rules were written before the results. Each puts measured values between bounds. A
value is an interval over seeds: its part of the claim holds if the whole interval lies
between the bounds, fails if nothing of it does, and is undecided otherwise. A claim
holds if all its parts do, and fails if one fails.

Each interval is one of 95 %. A claim of many parts (13 and 14 have nine or more) that
is true by a hair may therefore fail by chance more often than in 1 of 40; that all
parts hold by chance is rarer.
"""

from dataclasses import dataclass

from cae_keras.compare.rules import (
    Part,
    changed,
    factor_effects,
    fewer_parameters,
    last_gains,
    lead_of_two,
    no_larger,
    size_times_error,
)
from cae_keras.compare.text import SHARE, TIMES


@dataclass(frozen=True)
class Claim:
    """A claim of the original study.

    Args:
        number: Its place in the ledger.
        quote: The original study's own words; … stands for words left out.
        chapter: The experiment that tests it, or `"takeaways"` if it takes several.
        rule: What must be found, in words.
        parts: The same in numbers.
    """

    number: int
    quote: str
    chapter: str
    rule: str
    parts: tuple[Part, ...]


CLAIMS = (
    Claim(
        1,
        "Wider = better, but more costly",
        "filters",
        "Excess BCE falls from narrow to baseline, and from baseline to wide; "
        "parameters and MACs grow at both steps.",
        (
            changed("excess_bce", "baseline", start="narrow", high=0),
            changed("excess_bce", "wide", high=0),
            changed("parameters", "baseline", start="narrow", low=0),
            changed("parameters", "wide", low=0),
            changed("macs", "baseline", start="narrow", low=0),
            changed("macs", "wide", low=0),
        ),
    ),
    Claim(
        2,
        "2× lighter than baseline, loss ≈ +4 %",
        "filters",
        "The baseline has 1.8 to 2.2 times the parameters of narrow, and the test BCE "
        "of narrow is 2 to 6 % higher. Excess BCE is shown beside.",
        (
            Part("parameters", fewer_parameters, TIMES, low=1.8, high=2.2, exact=True),
            changed("bce", "narrow", low=2, high=6),
            changed("excess_bce", "narrow", judged=False),
        ),
    ),
    Claim(
        3,
        "Too small fails … Very small latent spaces (e.g., 2) resulted in poor "
        "reconstructions",
        "latent_dim",
        "With 2 latents, the share of digits that the classifier reads right is more "
        "than 10 points below the baseline's, and SSIM more than 0.1.",
        (
            changed("read", "2 latents", high=-10),
            changed("ssim", "2 latents", high=-0.1),
        ),
    ),
    Claim(
        4,
        "overly large ones (e.g., 64) added cost without benefit … no visible "
        "improvement over the baseline",
        "latent_dim",
        "With 64 latents parameters grow, and nothing visible is gained: the share of "
        "digits read right grows by less than 0.5 points, SSIM by less than 0.02. "
        "Excess BCE is shown beside.",
        (
            changed("parameters", "64 latents", low=0),
            changed("read", "64 latents", high=0.5),
            changed("ssim", "64 latents", high=0.02),
            changed("excess_bce", "64 latents", judged=False),
        ),
    ),
    Claim(
        5,
        "Latent dimension size and filter width had the most significant effect on "
        "model performance",
        "takeaways",
        "The effect of a factor is its largest excess BCE over its smallest, the "
        "baseline included, seed by seed. The smaller effect of these two is greater "
        "than the largest of the other three: their ratio is above 1.",
        (
            Part("over the largest of the others", lead_of_two, TIMES, low=1),
            Part("effect", factor_effects, TIMES, judged=False),
        ),
    ),
    Claim(
        6,
        "Smoother training",
        "batch_norm",
        "With batch norm, the validation curve is less rough.",
        (changed("roughness", "batch norm", high=0),),
    ),
    Claim(
        7,
        "slight improvement",
        "batch_norm",
        "With batch norm, excess BCE falls, by less than 10 %.",
        (changed("excess_bce", "batch norm", low=-10, high=0),),
    ),
    Claim(
        8,
        "Adds <0.5 % params",
        "batch_norm",
        "Batch norm adds trainable parameters, less than 0.5 %. Their number with the "
        "moving statistics, which are not trained, is shown beside.",
        (
            changed("parameters", "batch norm", low=0, high=0.5),
            changed("all_parameters", "batch norm", judged=False),
        ),
    ),
    Claim(
        9,
        "Modest gain in sharpness",
        "activation",
        "With Leaky ReLU, sharpness grows, by less than 10 %.",
        (changed("sharpness", "Leaky ReLU", low=0, high=10),),
    ),
    Claim(
        10,
        "Modest gain in … stability … slightly steadier curves",
        "activation",
        "With Leaky ReLU, the validation curve is less rough.",
        (changed("roughness", "Leaky ReLU", high=0),),
    ),
    Claim(
        11,
        "BatchNorm and Leaky ReLU offered small, consistent improvements in stability "
        "and output quality",
        "takeaways",
        "In every seed, both have less excess BCE and a less rough curve than the "
        "baseline. At least 3 seeds must agree; among 2 or more, one that does not is "
        "enough to refute it.",
        (
            changed("excess_bce", "batch norm", high=0, every_seed=True),
            changed("roughness", "batch norm", high=0, every_seed=True),
            changed("excess_bce", "Leaky ReLU", high=0, every_seed=True),
            changed("roughness", "Leaky ReLU", high=0, every_seed=True),
        ),
    ),
    Claim(
        12,
        "Marginal improvement with added layers",
        "depth",
        "With three blocks, excess BCE falls, by less than 5 %.",
        (changed("excess_bce", "three blocks", low=-5, high=0),),
    ),
    Claim(
        13,
        "All models converged within 10 epochs",
        "takeaways",
        "In every configuration, the last epoch of this build's budget changes the "
        "excess validation BCE by less than 1 %, either way.",
        (Part("gain of the last epoch", last_gains, SHARE, low=-1, high=1),),
    ),
    Claim(
        14,
        "The baseline model … remains the best trade-off between performance and "
        "complexity",
        "takeaways",
        "Every other configuration with at most as many parameters has more excess "
        "BCE, and every other one a larger product of parameters and excess BCE: 1 % "
        "more parameters must buy at least 1 % less error.",
        (
            Part("excess BCE, at most as many parameters", no_larger, low=0),
            Part("parameters × excess BCE", size_times_error, low=0),
        ),
    ),
)
