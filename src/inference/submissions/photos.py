"""The photos of a submission: those without a label in the records of a data set, or those in a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from src.common import consts, paths
from src.common.errors import UserError
from src.common.progress import remark
from src.images.faults import BadImage
from src.images.files import pictures_below
from src.images.find import by_id
from src.inference import classify
from src.inference.from_records import answered, same_backbone
from src.inference.runtimes.base import Predictor
from src.inference.submissions.table import Answer, in_order
from src.records.dataset import open_records
from src.records.manifest import UNIFORM, manifest_of, remarks_of, source_of

SAMPLE = 'sample_submission.csv'


def answers_from_records(name: str, predictor: Predictor, order: Sequence[str] = ()) -> list[Answer]:
    """An answer for every unlabeled photo of the data set `name`, sorted as `in_order` does.

    Raises UserError if there are none, or if the model has another backbone.
    """
    records = open_records(name)
    unreadable = {
        Path(one['file']).stem: BadImage(one['reason'])
        for one in remarks_of(records.manifest)
        if one['outcome'] == UNIFORM
    }
    if not records.counts.get(consts.UNLABELLED) and not unreadable:
        raise UserError(
            f'{paths.shown(records.folder)} holds no unlabeled photos; '
            'give a folder of photos, or convert again with photos in the folder test/'
        )
    if not same_backbone(predictor, records):
        raise UserError(
            f'the model and {paths.shown(records.folder)} belong to different backbones: '
            'give --model a model for these records, or give the folder of the photos instead'
        )
    examples = answered(predictor, records, consts.UNLABELLED)
    found = dict(zip(examples.ids, examples.values, strict=True)) | unreadable
    return [(id_, found[id_]) for id_ in in_order(found, order)]


def answers_from_folder(folder: Path, predictor: Predictor, order: Sequence[str] = ()) -> Iterator[Answer]:
    """An answer for every photo below `folder`, sorted as `in_order` does. Raises UserError as `photos_in`
    does."""
    photos = photos_in(folder)
    names = [photos[id_] for id_ in in_order(photos, order)]
    return ((Path(name).stem, answer) for name, answer in classify.answers(predictor, 'file', names))


def photos_in(folder: Path) -> dict[str, str]:
    """The paths of the photos below `folder` by id. Other files are reported on standard error.

    Raises UserError if there are none, or two with the same id.
    """
    try:
        pictures, left_out = pictures_below(folder)
    except OSError as error:
        raise UserError(f'cannot read the folder {paths.shown(folder)}: {error.strerror}') from error
    for path, reason in left_out:
        remark(f'left out {path}: {reason}')
    if not pictures:
        raise UserError(f'there are no photos in {paths.shown(folder)}')
    return by_id(pictures, paths.shown(folder))


def sample_of(folder: Path | None, name: str) -> Path | None:
    """Kaggle's sample_submission.csv for the photos in `folder`, or for the unlabeled ones of the data set
    `name`; None when there is none. It is searched beside the folder, and in the folder of the data set's
    photos, if `folder` is inside that."""
    source = source_of(manifest_of(name))
    home = (source if source.is_dir() else source.parent).resolve() if source else None
    places = [home] if home else []
    if folder is not None:
        inside = [place for place in places if folder.resolve().is_relative_to(place)]
        places = [folder.resolve().parent, *inside]
    return next((place / SAMPLE for place in places if (place / SAMPLE).is_file()), None)
