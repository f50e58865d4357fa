"""A trained network's card: what it is for, what it is not for, and how good it is.

Its headings are those of Mitchell et al. (2019), Model Cards for Model Reporting,
doi:10.1145/3287560.3287596.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cae_keras.compare.tables import Table, summary
from cae_keras.data import Mnist
from cae_keras.deploy.machine import machine
from cae_keras.measurements.cost import cost
from cae_keras.training import Run

MEASURES = ("mse", "excess_bce", "ssim", "read")
CARD = """# Model card of {names}

## Model details

- Convolutional autoencoder: filters {config.filters}, {config.latent_dim} latents,
  {config.activation}; {parameters:,} parameters were trained. Batch normalisation, if
  there was any, is folded into the convolutions.
- Input and output: (n, 28, 28, 1), float32, from 0 for paper to 1 for ink.
- Licence: MIT, like the book that trained it.

## Intended use

- Learning and teaching: encode a digit, decode it, compare formats and their costs.

## Out-of-scope uses

- Images other than one centred digit of 28 × 28 pixels, light on dark, as MNIST's are.
- Drawing new digits: random latents mostly decode to none.
- Finding what does not belong, except after a test of your own: a small error proves no
  digit.
- Reading digits where a mistake matters.

## Factors

- Other hands, pens, and ways to prepare a picture were not measured, nor groups of
  writers.

## Metrics

- MSE per pixel; excess BCE, nats per pixel above the least that the images allow; SSIM;
  accuracy, the share of reconstructions that a classifier, trained on originals, reads
  right.

## Training data

- {recipe.images:,} training images of MNIST, {recipe.epochs} epochs: digits that
  employees of the US Census Bureau and high-school students wrote. Copyright of MNIST:
  Yann LeCun and Corinna Cortes, CC BY-SA 3.0.

## Evaluation data

- {tested:,} test images of MNIST; none of them trained or chose the network.

## Quantitative analyses

{quality}
{costs}
- Times on one thread, {machine[processor]}, {machine[date]}.

## Ethical considerations

- The digits come without names, but a code is still a picture of what somebody wrote.

## Caveats and recommendations

- A file with weights of 8 bits is another network: see its own BCE.
- Before any other use, measure on images of that use.
"""


def save_model_card(
    run: Run,
    measured: Mapping[str, np.ndarray],
    files: Mapping[str, tuple[int, float, float]],
    data: Mnist,
    path: str | os.PathLike,
) -> Table:
    """Writes the card of a network as Markdown, and returns it as a table.

    Args:
        run: The one in the files: the first of those that were measured.
        measured: What was measured on the test images, one value a seed.
        files: For each file its bytes, the BCE of what it reconstructs, and the
            milliseconds that one image takes.
        data: The images that it was trained and measured on.
    """
    first = {measure: measured[measure][:1] for measure in MEASURES}
    seeds, here = summary({"over seeds": measured, "here": first}, MEASURES)
    quality = [
        f"- {name}: {here[name]} with seed {run.seed}, which is in the files; "
        f"over all seeds (n = {len(measured['mse'])}) {found}."
        for name, found in seeds.items()
        if name != "configuration"
    ]
    costs = [
        f"- {name}: {size:,} bytes, BCE {bce:.6f}, one image in {ms:.3g} ms."
        for name, (size, bce, ms) in files.items()
    ]
    text = CARD.format(
        names=", ".join(files), config=run.config, recipe=run.recipe,
        parameters=cost(run.config)["parameters"], tested=len(data.x_test),
        quality="\n".join(quality), costs="\n".join(costs), machine=machine(),
    )  # fmt: skip
    Path(path).write_text(text, "utf-8")
    rows = [
        [heading, "\n".join(" ".join(line.split()) for line in body.split("\n- "))]
        for heading, body in re.findall(r"^## (.*)\n\n- ([^#]*)", text, re.M)
    ]
    return Table(rows, ["", "what its card says"])
