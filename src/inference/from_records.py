"""A frozen model's predictions for the examples in records: from bottlenecks if it has a backbone that was
not fine-tuned, and the records hold those of all views that it averages, not in int8; else from pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.progress import progress
from src.graph.model_info import views_in
from src.graph.precision import INT8
from src.images.faults import BadImage
from src.inference.runtimes.base import Predictor
from src.records import dataset
from src.records.chosen import missing, of_model
from src.records.dataset import Examples, Records
from src.records.fields import encoded_image

CHUNK = 256  # pictures that are read at once


def answered(predictor: Predictor, records: Records, split: str) -> Examples:
    """The examples of a split; their values are the model's probabilities [N, classes] float32, with several
    views from the pictures.

    Raises UserError for bottlenecks of another width, and for a damaged shard or picture.
    """
    if records.manifest.get('precision') == INT8:  # a frozen graph has the backbone in float32
        return from_pictures(predictor, records, split)
    backbone = predictor.info.get('backbone')
    mirrored = views_in(predictor.info) > 1
    # A fine-tuned backbone gives other bottlenecks, and records may lack those of a view.
    cached = backbone and not backbone.get('thawed') and (records.mirrored or not mirrored)
    if cached and predictor.takes_bottlenecks and predictor.views == 1:
        field = of_model(records, backbone).bottlenecks(mirrored)
        held = dataset.load(records, split, field=field)
        return replace(held, values=predictor.from_bottlenecks(held.values))
    return from_pictures(predictor, records, split)


def from_pictures(predictor: Predictor, records: Records, split: str) -> Examples:
    """The same as `answered`, always from the pictures, with a progress bar."""
    answers = np.empty((dataset.number_of(records, [split]), len(predictor.labels)), np.float32)
    return dataset.filled(answers, records, _parts_from_pictures(predictor, records, split))


def same_backbone(predictor: Predictor, records: Records) -> bool:
    """Whether the model fits these records: it has no backbone, or one of theirs, or several of theirs."""
    return not missing(records, predictor.info.get('backbone') or {})


def _parts_from_pictures(predictor: Predictor, records: Records, split: str) -> Iterator[Examples]:
    image = {consts.IMAGE_RAW_FIELD: encoded_image()}
    what = f'classifying {split} pictures' + (f', {predictor.views} views' if predictor.views > 1 else '')
    with progress(dataset.number_of(records, [split]), what, 'pictures') as bar:
        for ids, labels, fields in dataset.labelled(records, [split], image, CHUNK):
            rows = list(predictor.from_pictures(fields[consts.IMAGE_RAW_FIELD]))
            for id_, row in zip(ids, rows, strict=True):
                if isinstance(row, BadImage):
                    raise UserError(
                        f'{id_} in {paths.shown(records.folder)} cannot be decoded ({row}): run the '
                        'conversion again with --overwrite'
                    )
            bar.update(len(ids))
            yield Examples(ids, labels, np.stack(rows))
