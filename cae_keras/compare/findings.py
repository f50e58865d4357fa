"""What was found, said in a sentence whose words follow from an interval."""

from collections.abc import Iterable

from cae_keras.compare.comparison import Results, change, estimate, known
from cae_keras.compare.statistics import Interval
from cae_keras.compare.text import PERCENT, Unit, as_text, in_unit

SMALL = 5.0  # in percent: what the book calls a small change, chosen beforehand


def finding(found: Interval, what: str, unit: Unit = PERCENT) -> str:
    """Returns a sentence on a change: it rises, falls, hardly changes, or may do both.

    Args:
        found: The change with its interval, as `as_text` takes it.
        what: What changes, the subject of the sentence.
        unit: How the change is shown. Only in percent a change may be called small.

    Example:
        >>> finding(Interval(0.01, 0.004, 0.016, 3), "The error")
        'The error rises, by less than 5 %: +1.01 % (+0.40 to +1.61).'
        >>> finding(Interval(0.01, -0.2, 0.22, 3), "The error")
        'The error may rise or fall: +1 % (−18 to +25).'
    """
    shown, limit = in_unit(found, unit), f"{SMALL:g} %"
    is_small = unit is PERCENT and shown.low > -SMALL and shown.high < SMALL
    if shown.low > 0 or shown.high < 0:
        verb = "rises" if shown.low > 0 else "falls"
        does = f"{verb}, by less than {limit}" if is_small else verb
    elif shown.low == shown.high:
        does = "stays as it is"
    else:
        does = f"changes by less than {limit}, either way"
        does = does if is_small else "may rise or fall"
    return f"{what} {does}: {as_text(found, unit)}."


def say(results: Results, measure: str, variant: str, start: str = "baseline") -> str:
    """Returns the `finding` on a measure's change from one configuration to another.

    Example:
        >>> of = {"baseline": [0.012, 0.013], "wide": [0.006, 0.0065]}
        >>> say({name: {"mse": values} for name, values in of.items()}, "mse", "wide")
        'From baseline to wide, MSE falls: −50.0 %.'
    """
    asked = known(measure)
    found = estimate(change(results, measure, variant, start), asked.exact)
    return finding(found, f"From {start} to {variant}, {asked.label}", asked.unit)


def listed(names: Iterable[str], nothing: str = "none") -> str:
    """Returns names as a list in a sentence.

    Example:
        >>> listed(["narrow", "wide", "batch norm"]), listed([])
        ('narrow, wide and batch norm', 'none')
    """
    *most, last = [*names] or [nothing]
    return f"{', '.join(most)} and {last}" if most else last
