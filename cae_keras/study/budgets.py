"""What pages train beside the study, in one place: page, what, by which recipe."""

from dataclasses import dataclass, replace

from cae_keras.compare.tables import Table
from cae_keras.config import Recipe, get_preset, one_of
from cae_keras.experiments import EXPERIMENTS, configurations
from cae_keras.measurements.reader import reader_recipe


@dataclass(frozen=True)
class Budget:
    """So many runs, each by one recipe, which a page trains."""

    page: str
    what: str
    runs: int
    recipe: Recipe


def budgets() -> dict[str, Budget]:
    """Returns all budgets of this build by name."""
    preset = get_preset()
    recipe, seeds = preset.recipe, len(preset.seeds)
    adam = replace(recipe, optimizer="adam", peak_learning_rate=1.2e-2)
    shorter = replace(recipe, epochs=recipe.epochs // 2)
    small = Recipe(images=3_000, epochs=2, batch_size=32)  # of exercises: seconds
    little = Recipe(images=10_000, epochs=2, batch_size=32)
    if preset.name == "quick":
        little = replace(little, images=1_500, epochs=1)
    by_adam = replace(little, optimizer="adam")
    denoise = replace(by_adam, images=max(little.images, 5_000), epochs=2)
    every, pairs = len(configurations()), len(configurations("pairs"))
    rates = replace(small, images=5_000)
    one, _, three, four, five = (
        f"experiment_{i}_{factor}"
        for i, factor in enumerate((*EXPERIMENTS,)[1:6], start=1)
    )
    return {
        "reader": Budget("index", "the classifier", 1, reader_recipe(recipe)),
        "adam": Budget("baseline", "the baseline with Adam", 1, adam),
        "elsewhere": Budget(one, "exercise: filters elsewhere", 2, small),
        "rates": Budget(three, "four peak learning rates", 8, rates),
        "denoise": Budget("use_it", "a denoiser", 1, denoise),
        "slopes": Budget(four, "exercise: slopes", 4, small),
        "squeeze": Budget(five, "exercise: 256 filters", 3, small),
        "shorter": Budget("takeaways", "a shorter schedule", seeds, shorter),
        "besides": Budget("takeaways", "two more networks", 2 * seeds, recipe),
        "little": Budget(
            "hold_up", "pairs, and the study", (pairs + 5) * seeds, little
        ),
        "other rates": Budget("hold_up", "other rates", 3 * (3 * seeds + 7), little),
        "by Adam": Budget("hold_up", "the same by Adam", 4 * 3 * seeds, by_adam),
        "fashion": Budget("hold_up", "Fashion-MNIST", every * seeds + 2, little),
    }


def recipe_for(name: str) -> Recipe:
    """Returns the recipe of one of the `budgets` of this build.

    Example:
        >>> recipe_for("slopes").steps
        188
    """
    known = budgets()
    return known[one_of("name", name, known)].recipe


def budget_table() -> Table:
    """Returns the budgets of this build, a row each, with steps beside the study's."""
    preset = get_preset()
    study = len(configurations()) * len(preset.seeds) * preset.recipe.steps
    rows = []
    for each in budgets().values():
        steps = each.recipe.steps
        share = 100 * each.runs * steps / study
        rows.append([each.page, each.what, each.runs, steps, share])
    headers = ["page", "what it trains", "runs", "steps of each", "% of the study"]
    return Table(rows, headers, ("", "", "", ",", ".1f"))
