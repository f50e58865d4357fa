"""All claims, by chapter, judged."""

from cae_keras.compare.claims import (
    ACTIVATION,
    BATCH_NORM,
    DEPTH,
    FILTERS,
    LATENT_DIM,
    ONE_FACTOR,
    PROPOSAL,
    TAKEAWAYS,
)
from cae_keras.compare.comparison import Results
from cae_keras.compare.published import PUBLISHED
from cae_keras.compare.tables import Table
from cae_keras.compare.verdicts import HEADERS, LATER_HEADERS, Claim, verdict
from cae_keras.config import one_of

CLAIMS = {
    "filters": FILTERS, "latent_dim": LATENT_DIM, "batch_norm": BATCH_NORM,
    "activation": ACTIVATION, "depth": DEPTH, "takeaways": TAKEAWAYS,
    "tradeoff": PROPOSAL, "published": PUBLISHED,
}  # fmt: skip


def judge_claims(results: Results, chapter: str | None = None) -> Table:
    """Judges the claims of the original study by what this build measured, row by row.

    With one seed, whatever depends on the seed is undecided.

    Args:
        chapter: An experiment, or `"takeaways"`: its claims only. `"published"`: those
            of the later version. Without it, all but these and those of `"tradeoff"`,
            the choices behind the proposal.

    Raises:
        ValueError: If there is no such chapter, or the results lack a configuration or
            a measure.

    Example:
        >>> baseline = {"excess_bce": [0.0125, 0.0124, 0.0126]}
        >>> deeper = {"excess_bce": [0.0130, 0.0130, 0.0131]}
        >>> results = {"baseline": baseline, "three blocks": deeper}
        >>> judge_claims(results, "depth")[0]["measured"]
        'three blocks: excess BCE +4.3 % (+3.1 to +5.5)'
    """
    headers = LATER_HEADERS if chapter == "published" else HEADERS
    return Table([verdict(claim, results) for claim in claims_of(chapter)], headers)


def claims_of(chapter: str | None = None) -> tuple[Claim, ...]:
    """Returns the claims of a chapter, or those that are judged without one."""
    if chapter is not None:
        return CLAIMS[one_of("chapter", chapter, CLAIMS)]
    first = (claim for name in (*ONE_FACTOR, "takeaways") for claim in CLAIMS[name])
    return tuple(sorted(first, key=lambda claim: claim.number))
