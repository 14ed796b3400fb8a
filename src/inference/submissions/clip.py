"""The bound of the probabilities in a submission, chosen on the validation photos of the model's data set."""

from __future__ import annotations

import argparse
import math

from src.common import paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.inference.from_records import answered, same_backbone
from src.inference.runtimes.base import Predictor
from src.records.dataset import Records, open_records
from src.records.manifest import belongs
from src.scoring.clipping import best_clip
from src.scoring.kinds import learned_from

AUTO, NONE = 'auto', 'none'
VALIDATION = 'validation'


def clip_or_word(text: str) -> float | str:
    """An argparse type: a number from 0 to below 0.5, AUTO or NONE."""
    if text in (AUTO, NONE):
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < 0.5:
        raise argparse.ArgumentTypeError(f'{text!r} is neither auto, none nor a number from 0 to below 0.5')
    return value


def least_probability(wanted: float | str, predictor: Predictor) -> float:
    """The bound for probabilities, 0 for none: a number as it is, and AUTO by validation photos, which it
    reports. Raises UserError for a number of at least 1 / classes."""
    if wanted == NONE:
        return 0.0
    if wanted != AUTO:
        if wanted * len(predictor.labels) >= 1:
            raise UserError(
                f'--clip {wanted:g} is too much: it has to be below 1 / {len(predictor.labels)} classes'
            )
        return wanted
    try:
        records = _validation_records(predictor)
    except UserError as reason:
        say(f'no clip is chosen: {reason}')
        return 0.0
    examples = answered(predictor, records, VALIDATION)
    clip = best_clip(examples.values, examples.labels)
    photos = count(len(examples), 'validation photo')
    if clip.least:
        say(
            f'clip {clip.least:.3g}, chosen on {photos}: log loss {clip.after:.4f} with it, '
            f'{clip.before:.4f} without'
        )
    else:
        say(f'no clip: none lowers the log loss of {clip.before:.4f} on {photos}')
    return clip.least


def _validation_records(predictor: Predictor) -> Records:
    """The records with photos that the model has not learned from. Raises UserError, with the reason, when
    there are none."""
    info = predictor.info
    if not info.get('data_set'):
        raise UserError('the model file does not name its data set')
    if VALIDATION in learned_from(info):
        raise UserError('the model was trained on the validation photos too')
    if not paths.manifest(info['data_set']).exists():
        raise UserError(f'there are no records of {info["data_set"]} here')
    records = open_records(info['data_set'])
    shown = paths.shown(records.folder)
    if not records.counts.get(VALIDATION):
        raise UserError(f'{shown} holds no validation photos')
    if info.get('records') is not None and not belongs(records.manifest, info['records']):
        raise UserError(f'{shown} was converted again after training, so some may be training photos')
    if records.classes != predictor.labels or not same_backbone(predictor, records):
        raise UserError(f'{shown} has other classes or another backbone than the model')
    return records
