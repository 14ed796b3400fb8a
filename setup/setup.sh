#!/bin/sh
# All that the original story needs: folders, backbone, photos. Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."

sh setup/create_dirs.sh
sh setup/inception_download.sh "$@"
sh setup/download_stanford_dogs_dataset.sh "$@"
