"""What TensorBoard shows of a run besides scalars: images and hyperparameters.

Each goes to an event file of its own: two writers opened in the same second would use the same file name.

TensorBoard groups tags by the part before the slash, sorts the groups by name and expands the first two, so
the prefixes are chosen to sort scalars first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from src.common.tf1 import tf
from src.engine.summaries import summary_writer

SHOWN_INPUTS = 16
INPUTS = '.inputs'  # suffix of the event file with the training pictures
CURVES, FINAL, PICTURES, WEIGHTS = 'curves/', 'final/', 'visual/', 'weights/'


def show_inputs(session: tf.Session, augmented: tf.Tensor, feed: Callable[[int], dict], folder: Path) -> None:
    """Write the first training pictures as augmentation leaves them, `augmented` [N, height, width, 3],
    unless an earlier part of the run has written them."""
    if any(folder.glob(f'*{INPUTS}')):
        return
    shown = tf.summary.image(f'{PICTURES}inputs', augmented, SHOWN_INPUTS)
    with summary_writer(folder, suffix=INPUTS) as writer:
        writer.add_summary(session.run(shown, feed(0)), 0)


def show_picture(tag: str, picture: Path, folder: Path) -> None:
    """Add a picture file to the images of a run. Does nothing where the file or the run's folder is
    missing."""
    if not (picture.exists() and folder.is_dir()):
        return
    with Image.open(picture) as opened:
        width, height = opened.size
    image = tf.Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=picture.read_bytes()
    )
    with summary_writer(folder, suffix=f'.{tag}') as writer:
        writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag=PICTURES + tag, image=image)]), 0)


def show_parameters(settings: Any, scores: dict[str, dict[str, float]], folder: Path) -> None:
    """Write settings (a dataclass instance) and scores for TensorBoard's HParams plugin. Does nothing where
    TensorBoard is not installed."""
    try:
        from tensorboard.plugins.hparams import api_pb2
        from tensorboard.plugins.hparams import summary as hparams
    except ImportError:
        return
    values = {key: value for key, value in asdict(settings).items() if isinstance(value, int | float | str)}
    metrics = {
        f'{FINAL}{part}_{name}': of_part[name]
        for part, of_part in scores.items()
        for name in ('top_1', 'log_loss')
    }
    with summary_writer(folder, suffix='.parameters') as writer:
        writer.add_summary(
            hparams.experiment_pb(
                [api_pb2.HParamInfo(name=key) for key in values],
                [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metrics],
            ).SerializeToString()
        )
        writer.add_summary(hparams.session_start_pb(values).SerializeToString())
        writer.add_summary(
            tf.Summary(
                value=[tf.Summary.Value(tag=tag, simple_value=value) for tag, value in metrics.items()]
            )
        )
        writer.add_summary(hparams.session_end_pb(api_pb2.STATUS_SUCCESS).SerializeToString())
