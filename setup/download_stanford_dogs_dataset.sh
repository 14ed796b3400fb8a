#!/bin/sh
# Download the Stanford Dogs photos, annotations and lists (816 MB). Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."
. setup/python.sh

download stanford_dogs "$@"
