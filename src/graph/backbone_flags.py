"""What a user can ask to change in a graph when it is loaded as a backbone, and the flags of these commands.

The changes alter what the graph computes. They are recorded in the facts of the backbone, so that it is
loaded in the same way when it is frozen, or on another machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from src.common import cli, consts, paths
from src.common.errors import UserError
from src.graph.preprocessing.placeholders import Value, value_flag


@dataclass(frozen=True)
class Changes:
    """Changes of a graph.

    input_size: (height, width) of the pixels, for a graph that accepts images of any size.
    values: (tensor, value) for placeholders that become constants.
    inference_mode: whether a graph saved in training mode is rewritten for inference.
    """

    input_size: tuple[int, int] | None = None
    values: tuple[tuple[str, Value], ...] = ()
    inference_mode: bool = False

    def facts(self) -> dict[str, Any]:
        """The requested changes for JSON, under 'changes'; empty when there are none."""
        changes: dict[str, Any] = {}
        if self.input_size:
            changes['input_size'] = list(self.input_size)
        if self.values:
            changes['set'] = dict(sorted(self.values))
        if self.inference_mode:
            changes['inference_mode'] = True
        return {'changes': changes} if changes else {}

    @staticmethod
    def of(facts: Mapping[str, Any]) -> Changes:
        """The changes in the facts of a backbone; facts of earlier versions have none."""
        changes = facts.get('changes') or {}
        size = changes.get('input_size')
        values = tuple(sorted(changes.get('set', {}).items()))
        return Changes(size and tuple(size), values, changes.get('inference_mode', False))


NO_CHANGES = Changes()


@dataclass(frozen=True)
class Asked:
    """A backbone that flags ask for: its file, or the URL of that for Beam, and how it is loaded."""

    path: Path
    bottleneck: str
    pixel_range: tuple[float, float] | None
    changes: Changes

    @staticmethod
    def of(path: Path, flags: Mapping[str, Any]) -> Asked:
        """With the parsed flags of `add_graph_flags`."""
        changes = Changes(
            flags['input_size'], tuple(sorted(dict(flags['set']).items())), flags['inference_mode']
        )
        return Asked(path, flags['bottleneck'], flags['pixel_range'], changes)


def asked(args: argparse.Namespace, flag: str = 'backbone') -> list[Asked]:
    """The graphs that --backbone, --add-backbone or --teacher ask for, in order: by default that of
    `add_backbone`, unless --no-backbone is given. Raises UserError for flags that exclude each other."""
    if len(flags := {group.flag for group in args.groups} - {'teacher'}) > 1:
        raise UserError(
            f'{" and ".join(f"--{name}".replace("_", "-") for name in sorted(flags))} exclude each other'
        )
    groups = [group for group in args.groups if group.flag == flag]
    if flag == 'backbone' and getattr(args, 'no_backbone', False):
        if groups:
            raise UserError('--backbone and --no-backbone exclude each other')
        return []
    if flag == 'backbone' and not groups and args.usual_backbone:
        groups = [_Group(flag, [args.usual_backbone], {})]
    return [Asked.of(path, {**vars(args), **group.flags}) for group in groups for path in group.paths]


@dataclass(frozen=True)
class _Group:
    """The values of a --backbone or --add-backbone, and the flags after it, which are for these."""

    flag: str
    paths: list[Path]
    flags: dict[str, Any]


class _NewGroup(argparse.Action):
    def __call__(self, parser, namespace, value, option_string=None):
        namespace.groups = [*namespace.groups, _Group(self.dest, value, {})]


class _GraphFlag(argparse.Action):
    """A flag for the graphs that were named last; for all if none was."""

    def __call__(self, parser, namespace, value, option_string=None):
        groups = getattr(namespace, 'groups', ())
        flags = groups[-1].flags if groups else vars(namespace)
        if isinstance(self.default, tuple):  # of a flag that may be repeated
            value = (*flags.get(self.dest, ()), value)
        flags[self.dest] = True if self.nargs == 0 else value


def add_graph_flags(made: argparse.ArgumentParser) -> None:
    """Add the flags that say how a graph is loaded as a backbone."""
    made.add_argument(
        '--bottleneck',
        action=_GraphFlag,
        metavar='TENSOR',
        default=consts.BOTTLENECK_TENSOR,
        help='tensor where the graph is cut (default: %(default)s)',
    )
    made.add_argument(
        '--pixel-range',
        action=_GraphFlag,
        type=cli.number_range,
        metavar='LOW,HIGH',
        help='for a graph without an image decoder: range of its input pixels, such as --pixel-range=-1,1',
    )
    made.add_argument(
        '--input-size',
        action=_GraphFlag,
        type=_size_flag,
        metavar='HEIGHT,WIDTH',
        help='for a graph that accepts pixels of any size, such as --input-size 224,224',
    )
    made.add_argument(
        '--set',
        action=_GraphFlag,
        type=value_flag,
        default=(),
        metavar='TENSOR=VALUE',
        help='value of another placeholder, such as --set keep_prob:0=1; may be repeated',
    )
    made.add_argument(
        '--inference-mode',
        action=_GraphFlag,
        nargs=0,
        default=False,
        help='for a graph saved in training mode: batch norms use their moving averages, dropout is removed',
    )


def add_backbone(made: argparse.ArgumentParser, default: Path | None = paths.IMAGENET_GRAPH_DEF) -> None:
    """Add --backbone, --no-backbone, --add-backbone and the flags of `add_graph_flags`; `asked` reads them.
    Without a default there is no --no-backbone."""
    made.set_defaults(groups=(), usual_backbone=default)
    usual = paths.shown(default) if default else 'none, pictures only'
    _add_graphs(
        made,
        'backbone',
        'frozen graph, or several, whose bottlenecks the head takes side by side: --backbone A.pb B.pb '
        f'(default: {usual})',
    )
    if default:
        made.add_argument(
            '--no-backbone',
            action='store_true',
            help='convert the pictures without bottlenecks, for networks that learn from pixels',
        )
    _add_graphs(
        made,
        'add-backbone',
        'add the bottlenecks of further graphs to the records of --name, from the pictures in them',
    )
    graphs = made.add_argument_group(
        'how graphs are loaded',
        'a flag is for the graphs of the --backbone before it; a flag before the first one is for all',
    )
    add_graph_flags(graphs)


def add_teacher(made: argparse.ArgumentParser) -> None:
    """Add --teacher and the flags of `add_graph_flags`; `asked(args, 'teacher')` reads them."""
    made.set_defaults(groups=())
    words = 'frozen graph, or several, whose bottlenecks the student learns side by side'
    _add_graphs(made, 'teacher', words, required=True)
    add_graph_flags(made.add_argument_group('how a teacher is loaded', 'for the teachers before the flag'))


def add_teacher_and_backbone(made: argparse.ArgumentParser, default: Path) -> None:
    """Add --teacher, --backbone and the flags of `add_graph_flags`: `asked` reads them."""
    made.set_defaults(groups=(), usual_backbone=default)
    _add_graphs(made, 'teacher', 'frozen classifier whose class probabilities are learned', required=True)
    usual = f'frozen graph that the head is for (default: {paths.shown(default)})'
    _add_graphs(made, 'backbone', usual)
    graphs = made.add_argument_group(
        'how graphs are loaded',
        'a flag is for the --teacher or --backbone before it; a flag before the first one is for both',
    )
    add_graph_flags(graphs)


def _add_graphs(made: argparse.ArgumentParser, name: str, words: str, **options: Any) -> None:
    """Add a flag for one graph or several, with `words` as its help."""
    cli.add_list(made, f'--{name}', '.pb', action=_NewGroup, type=Path, metavar='PB', help=words, **options)


def _size_flag(text: str) -> tuple[int, int]:
    try:
        height, width = map(int, text.split(','))
    except ValueError:
        height = width = 0
    if not 1 <= min(height, width) <= max(height, width) <= consts.LARGEST_INPUT_SIDE:
        raise argparse.ArgumentTypeError(
            f'{text!r} is not HEIGHT,WIDTH, such as 224,224, '
            f'of at most {consts.LARGEST_INPUT_SIDE:,} pixels each'
        )
    return height, width
