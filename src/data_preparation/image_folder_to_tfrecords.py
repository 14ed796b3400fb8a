"""Your own photos to TFRecords with cached bottlenecks: a folder with one folder for each class.

    photos/daisy/1.jpg
    photos/daisy/2.jpg            python -m src.data_preparation.image_folder_to_tfrecords \\
    photos/rose/1.jpg                 photos --name flowers --backbone frozen/pocket/pocket.pb

Several backbones make the bottlenecks side by side, and others may be added to records that stand:

    python -m src.data_preparation.image_folder_to_tfrecords photos --name flowers --backbone A.pb B.pb
    python -m src.data_preparation.image_folder_to_tfrecords --name flowers --add-backbone C.pb

Writes data/records/<name>/. A hash of its bytes puts each photo into the training, validation or test
split (80, 10 and 10 %), unless DIR holds train/ and test/ folders (or training_set/, val/, dev/ and so
on) with the class folders in them, or --test-list names the test photos. Where a folder can be read in
two ways, --class-folders chooses. The content of a file decides whether it is a picture. Files that are
not used or cannot be read are counted, and listed in metrics/<name>_skipped.csv. Stop it at any time: the
same command goes on where it was.
"""

from __future__ import annotations

from src.common import errors
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion.command import add_test_list, added, converter_parser, run


def main(argv: list[str] | None = None) -> None:
    made = converter_parser('image_folder_to_tfrecords', __doc__)
    add_test_list(made)
    args = made.parse_args(argv)
    if added(args):
        return
    run(args, image_folder_samples(args.data, args.class_folders))


if __name__ == '__main__':
    errors.run(main)
