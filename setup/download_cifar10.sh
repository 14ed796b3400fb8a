#!/bin/sh
# Download CIFAR-10, 60,000 pictures of 32 x 32 pixels (170 MB). Takes --mirror URL.
set -e
cd "$(dirname "$0")/.."
. setup/python.sh

download cifar10 "$@"
