"""The calibration of a model, and scores before and after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import numpy as np

from src.common.files import count
from src.common.shapes import Count
from src.scoring.calibration import LIMITS, apply_temperature, fit_temperature
from src.scoring.kinds import CROSS_VALIDATION
from src.scoring.scores import Tally, score, whole_score

# The scores that a temperature changes, and what follows their names when they are those without it.
BELIEF, BEFORE = ('log_loss', 'calibration_error'), '_uncalibrated'
Predicted = tuple[np.ndarray, np.ndarray]  # probabilities [N, classes] and labels [N] int


@dataclass(frozen=True)
class Calibration:
    """The temperature of a model.

    `fitted_on`: 'validation', or 'cross-validation' (out-of-fold predictions); '' where there was nothing to
    fit it on. `examples`: how many; `log_loss_before` and `log_loss_after` are theirs.
    """

    temperature: Annotated[float, LIMITS[0]] = 1.0
    fitted_on: str = ''
    examples: Count = 0
    log_loss_before: float | None = None
    log_loss_after: float | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


UNCALIBRATED = Calibration()


def calibration_from(facts: dict[str, Any] | None) -> Calibration:
    """The opposite of `Calibration.facts`; UNCALIBRATED for models of earlier versions, which have none."""
    known = {field.name for field in fields(Calibration)}
    return Calibration(**{key: value for key, value in (facts or {}).items() if key in known})


def calibrate(probabilities: np.ndarray, labels: np.ndarray, fitted_on: str) -> Calibration:
    """Fit the temperature on predictions [N, classes] for labels [N], none of them learned from."""
    temperature = fit_temperature(probabilities, labels)
    after = apply_temperature(probabilities, temperature)
    losses = (score(some, labels)['log_loss'] for some in (probabilities, after))
    return Calibration(temperature, fitted_on, len(labels), *losses)


def calibrated_score(parts: Iterable[Predicted], calibration: Calibration) -> dict[str, Any]:
    """`whole_score` of predictions with the temperature; where it was fitted, also
    `log_loss_uncalibrated` and `calibration_error_uncalibrated`, without it."""
    if not calibration.fitted_on:
        return whole_score(parts)
    t = calibration.temperature
    return _before_and_after((some, apply_temperature(some, t), labels) for some, labels in parts)


def cross_calibrated(parts: Sequence[Predicted]) -> tuple[dict[str, Any], Calibration]:
    """The calibration of a model of all examples, from the out-of-fold predictions of cross-validation, a
    part for each fold; and its estimated scores, those of `calibrated_score`.

    In the scores a fold has the temperature that the other folds give, since the scores of the examples that
    a temperature was fitted on flatter it.
    """
    calibration = calibrate(*_joined(parts), CROSS_VALIDATION)

    def each() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        for held_out, (some, labels) in enumerate(parts):
            others = [part for fold, part in enumerate(parts) if fold != held_out]
            yield some, apply_temperature(some, fit_temperature(*_joined(others))), labels

    return _before_and_after(each()), calibration


def calibration_lines(calibration: Calibration, scores: Mapping[str, dict[str, Any]]) -> list[str]:
    """What is printed below the table of the `scores` by part: the temperature, and the scores without it,
    except those of training."""
    if not calibration.fitted_on:
        return ['not calibrated (temperature 1): no photos were left to fit a temperature on']
    photos = count(calibration.examples, f'{calibration.fitted_on} photo')
    before = [
        f'{part} log loss {values["log_loss_uncalibrated"]:.3f}, '
        f'ECE {values["calibration_error_uncalibrated"]:.1%}'
        for part, values in scores.items()
        if part != 'train'
    ]
    return [
        f'calibrated: temperature {calibration.temperature:.2f}, fitted on {photos} '
        '(ECE: expected calibration error)',
        f'before calibration: {"; ".join(before)}',
    ]


def _before_and_after(parts: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """The scores of `parts`: predictions, the same with a temperature, and labels."""
    before, after = Tally(), Tally()
    for some, with_temperature, labels in parts:
        before.add(some, labels)
        after.add(with_temperature, labels)
    uncalibrated = before.scores
    return after.scores | {f'{name}{BEFORE}': uncalibrated[name] for name in BELIEF}


def _joined(parts: Iterable[Predicted]) -> Predicted:
    probabilities, labels = zip(*parts, strict=True)
    return np.concatenate(probabilities), np.concatenate(labels)
