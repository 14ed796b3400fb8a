"""Photos that are not of the wanted kind: an ImageNet classifier sees none of the wanted classes in them.

A photo is found if none of its BEST most probable classes is wanted. Ten, as a dog on a sofa is first of all
a studio couch to the classifier, and as it confuses related breeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.progress import progress
from src.curation.findings import Finding
from src.curation.photos import Photos
from src.curation.wanted import names_in, names_of_classes, wanted_classes
from src.graph.frozen import NoLabels, load_graph
from src.images.faults import BadImage
from src.inference.runtimes.tensorflow import TensorFlowPredictor
from src.records import dataset
from src.records.dataset import Records
from src.records.fields import encoded_image

REASON = 'not the wanted kind'
BEST = 10
SHOWN = 2  # classes named in a finding
CHUNK = 256  # encoded pictures in memory


class Classifier:
    """A frozen classifier, and which of its classes are wanted.

    path: of the frozen graph. labels: its labels file, or None if it is beside the graph or inside it.
    wanted: the value of --wanted, or None for the names of `classes`. Raises UserError.
    """

    def __init__(self, path: Path, labels: Path | None, wanted: str | None, classes: Sequence[str]):
        try:
            graph = load_graph(path, labels)
        except NoLabels as error:
            raise UserError(f'{error}, or name the file that lists them: --labels FILE') from None
        if len(graph.labels) <= BEST:
            raise UserError(
                f'{paths.shown(path)} has {len(graph.labels)} classes: give a --classifier of more than '
                f'{BEST}, such as one of the 1,000 of ImageNet'
            )
        names = names_in(wanted) if wanted else names_of_classes(classes, graph.labels)
        self.labels = graph.labels
        self.wanted = np.zeros(len(graph.labels), bool)
        self.wanted[wanted_classes(graph.labels, names)] = True
        self._predictor = TensorFlowPredictor(graph)

    def probabilities(self, pictures: Sequence[bytes]) -> Iterator[np.ndarray | BadImage]:
        """The probabilities [classes] float32 of each encoded picture, or the BadImage."""
        return self._predictor.from_pictures(pictures)


def unwanted(photos: Photos, records: Records, classifier: Classifier) -> list[Finding]:
    """The photos without a wanted class among the BEST ones. Their score is -log10 of the probability of all
    wanted classes together."""
    row_of = {id_: row for row, id_ in enumerate(photos.ids)}
    found = []
    with progress(len(photos), 'classifying', 'pictures') as bar:
        for split in records.counts:
            image = {consts.IMAGE_RAW_FIELD: encoded_image()}
            for ids, _, fields in dataset.labelled(records, [split], image, CHUNK):
                answers = classifier.probabilities(fields[consts.IMAGE_RAW_FIELD])
                for id_, answer in zip(ids, answers, strict=True):
                    bar.update()
                    if id_ in row_of and not isinstance(answer, BadImage):
                        found += _judged(photos, row_of[id_], answer, classifier)
    return found


def _judged(photos: Photos, row: int, answer: np.ndarray, classifier: Classifier) -> list[Finding]:
    """The finding about a photo, if there is one."""
    best = np.argsort(-answer, kind='stable')[:BEST]
    if classifier.wanted[best].any():
        return []
    score = -np.log10(max(float(answer[classifier.wanted].sum()), 1e-30))
    names = ', '.join(f'{_short(classifier.labels[i])} ({answer[i]:.0%})' for i in best[:SHOWN])
    return [photos.finding(row, REASON, float(score), f'looks like {names}')]


def _short(label: str) -> str:
    """'killer whale' of '149  killer whale, killer, orca'."""
    return label.lstrip('0123456789 ').split(',')[0]
