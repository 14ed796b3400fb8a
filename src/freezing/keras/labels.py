"""The class names of a Keras network from a file."""

from __future__ import annotations

from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError
from src.freezing.keras.networks import unique
from src.graph.model_info import labels_in


def class_names(file: Path) -> list[str]:
    """The class names in output order: lines of text, or Keras' imagenet_class_index.json
    ({"0": ["n01440764", "tench"], ...}). Raises UserError when the file is neither."""
    if file.suffix != '.json':
        names = labels_in(file)
    else:
        index = files.read_json(file)
        try:
            names = unique([tuple(index[str(place)]) for place in range(len(index))])
        except (LookupError, TypeError, ValueError) as error:
            raise UserError(
                f'{paths.shown(file)} is no class index of Keras ({{"0": ["n01440764", "tench"], ...}}): '
                'give a text file, one class a line'
            ) from error
    if not names:
        raise UserError(f'{paths.shown(file)} holds no class names')
    return names
