"""The table of choices behind the original study's proposal, cell by cell.

Each cell is a claim with its rule, as in `claims`; the numbers go on from there. Where
a cell repeats a claim, its rule is the same. The rules were written before the results
of a full build; those of a quick one, of 3 epochs, were known.
"""

from cae_keras.compare.claims import Claim
from cae_keras.compare.rules import Part, changed, fewer_parameters
from cae_keras.compare.text import TIMES

PROPOSAL = (
    Claim(
        15,
        "Filters [16, 32, 32] … 2× lighter than baseline",
        "tradeoff",
        "The baseline has 1.8 to 2.2 times the parameters of narrow.",
        (Part("parameters", fewer_parameters, TIMES, low=1.8, high=2.2, exact=True),),
    ),
    Claim(
        16,
        "Filters [16, 32, 32] … loss ≈ +4 %",
        "tradeoff",
        "The test BCE of narrow is 2 to 6 % higher than the baseline's. Excess BCE is "
        "shown beside.",
        (
            changed("bce", "narrow", low=2, high=6),
            changed("excess_bce", "narrow", judged=False),
        ),
    ),
    Claim(
        17,
        "Latent dim 16 … 50 % smaller rep.",
        "tradeoff",
        "The code of the trade-off has 45 to 55 % fewer bytes than the baseline's.",
        (changed("code_bytes", "trade-off", low=-55, high=-45),),
    ),
    Claim(
        18,
        "Latent dim 16 … quality sweet-spot",
        "tradeoff",
        "Half of the code, all else as in the baseline, loses nothing visible: the "
        "share of digits read right falls by less than 0.5 points, and SSIM by less "
        "than 0.02. Excess BCE is shown beside.",
        (
            changed("read", "16 latents", low=-0.5),
            changed("ssim", "16 latents", low=-0.02),
            changed("excess_bce", "16 latents", judged=False),
        ),
    ),
    Claim(
        19,
        "Depth 2 blocks … Extra block gave negligible gain",
        "tradeoff",
        "A third block lowers excess BCE by less than 5 %, if at all.",
        (changed("excess_bce", "three blocks", low=-5),),
    ),
    Claim(
        20,
        "Leaky ReLU (α = 0.1) … Same quality",
        "tradeoff",
        "With Leaky ReLU, excess BCE changes by less than 5 %, either way.",
        (changed("excess_bce", "Leaky ReLU", low=-5, high=5),),
    ),
    Claim(
        21,
        "Leaky ReLU (α = 0.1) … slightly steadier curves",
        "tradeoff",
        "With Leaky ReLU, the validation curve is less rough.",
        (changed("roughness", "Leaky ReLU", high=0),),
    ),
    Claim(
        22,
        "BatchNorm Enabled … Adds <0.5 % params",
        "tradeoff",
        "Batch norm adds trainable parameters to the baseline, less than 0.5 %.",
        (changed("parameters", "batch norm", low=0, high=0.5),),
    ),
    Claim(
        23,
        "BatchNorm Enabled … minor stability win",
        "tradeoff",
        "With batch norm, the validation curve is less rough.",
        (changed("roughness", "batch norm", high=0),),
    ),
)
