"""The words of a conversion command that give the backbones in a manifest. Does not load TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.common import consts, paths
from src.graph.joined.facts import members
from src.graph.precision import INT8
from src.records.manifest import is_url


def backbone_words(converter: str, manifest: dict) -> list[str]:
    """The flags of a converter that give the backbone in a manifest."""
    backbone = manifest.get('backbone')
    if backbone is None:
        return [] if converter == 'cifar10_to_tfrecords' else ['--no-backbone']
    all_of_them = members(backbone)
    words = [word for one in all_of_them for word in graph_words(one, converter, len(all_of_them) > 1)]
    words += ['--mirror'] if manifest.get('mirrored') else []
    precision = manifest.get('precision')
    if precision == INT8 or (precision and not manifest.get('complete')):
        words += ['--precision', precision]  # auto may differ on another machine, and is never int8
    return words


def graph_words(
    backbone: Mapping[str, Any], converter: str, named: bool, flag: str = '--backbone'
) -> list[str]:
    """The flags of a converter that give a backbone, by its facts; the default one only if it is to be
    `named`."""
    words = []
    path = backbone.get('path')  # a frozen model names the file alone
    default = paths.ROOT / (path or '') == paths.IMAGENET_GRAPH_DEF and converter != 'cifar10_to_tfrecords'
    if named or not default:
        words += [flag, typed(path) if path else backbone.get('file', '')]
    if backbone.get('bottleneck', consts.BOTTLENECK_TENSOR) != consts.BOTTLENECK_TENSOR:
        words += ['--bottleneck', backbone['bottleneck']]
    if pixel_range := backbone.get('pixel_range'):
        words += ['--pixel-range=' + ','.join(f'{end:g}' for end in pixel_range)]
    changes = backbone.get('changes', {})
    if size := changes.get('input_size'):
        words.append('--input-size=' + ','.join(map(str, size)))
    for tensor, value in changes.get('set', {}).items():
        words += ['--set', f'{tensor}={str(value).lower()}']
    return [*words, '--inference-mode'] if changes.get('inference_mode') else words


def typed(path: str) -> str:
    """A path in a manifest (`paths.from_root`), as a user types it in the current folder."""
    return path if is_url(path) else paths.shown(paths.located(paths.ROOT / path))
