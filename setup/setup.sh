#!/bin/sh
# Folders, backbone and photos for the 120 breeds of Stanford Dogs. Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."

sh setup/create_dirs.sh
sh setup/inception_download.sh "$@"
sh setup/download_stanford_dogs_dataset.sh "$@"
