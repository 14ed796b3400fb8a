"""Show what augmentation makes of a picture: a sheet with the original and random variants of it.

    python -m src.analysis.show_augmentation my_dog.jpg
    python -m src.analysis.show_augmentation my_dog.jpg --recipe cifar10/cnn_best
    python -m src.analysis.show_augmentation my_dog.jpg --rotation 90 --no-flip --variants 31

The settings of the augmentation come from a recipe for networks that learn from pixels, and from flags. The
variants are those of one training step. Writes metrics/augmentation_<picture>.jpg.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.progress import wrote
from src.common.tf1 import tf
from src.drawing.sheets import Tile, contact_sheet
from src.images.augment import augment
from src.images.faults import BadImage
from src.images.files import read_picture
from src.recipes.find import add_recipe
from src.recipes.recipe import AUGMENTATION, PixelRecipe
from src.records.fields import reader_for

USUAL = 'cats_dogs/cnn_small_augmented'
COLUMNS = 4


def variants(pixels: np.ndarray, number: int, settings: dict, seed: int) -> np.ndarray:
    """So many variants [number, height, width, 3] uint8 of a picture [height, width, 3] uint8, with settings
    of `augment`."""
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf.constant(np.repeat(pixels[None], number, axis=0))
        # In every other epoch a picture is mirrored.
        return session.run(augment(batch, (seed, 0), epoch=tf.range(number), **settings))


def pixels_of(path: Path, side: int) -> np.ndarray:
    """A picture as a network sees it, [side, side, 3] uint8. Raises UserError."""
    reader = reader_for(side)
    try:
        return np.rint(reader.read(read_picture(path))).astype(np.uint8)
    except BadImage as fault:
        raise UserError(f'{paths.shown(path)} cannot be used: {fault}') from fault
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror}') from error
    finally:
        reader.close()


def in_words(settings: dict) -> str:
    """'flip, rotation 40, shift 0.2'."""
    used = {name: value for name, value in settings.items() if value}
    return ', '.join(name if value is True else f'{name} {value:g}' for name, value in used.items())


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.analysis.show_augmentation', __doc__)
    made.add_argument('image', type=Path, metavar='IMAGE', help='a picture')
    recipe = add_recipe(made, USUAL, PixelRecipe, argv)
    made.add_argument(
        '--variants',
        type=cli.whole_number(1, 399),
        default=15,
        help='number of variants (default: %(default)s)',
    )
    cli.add_fields(made.add_argument_group('settings of the recipe'), recipe, ('side', 'seed', *AUGMENTATION))
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    settings = {name: getattr(args, name) for name in AUGMENTATION}
    pixels = pixels_of(args.image, args.side)
    tiles = [Tile(pixels, 'original')]
    made = variants(pixels, args.variants, settings, args.seed)
    tiles += [Tile(variant, f'variant {number}') for number, variant in enumerate(made, 1)]
    path = paths.METRICS_DIR / f'augmentation_{args.image.stem}.jpg'
    note = f'{in_words(settings) or "no augmentation"}; {args.side} x {args.side} pixels'
    contact_sheet(tiles, path, COLUMNS, args.image.name, note)
    wrote(path, f'the picture and {args.variants} variants of it')


if __name__ == '__main__':
    errors.run(main)
