"""The served models: loaded, found by name and version, and replaced while requests run.

A model is a frozen graph, NAME.pb, a LiteRT model, NAME.tflite, or a folder NAME of versions, 1.pb, 2.tflite
and so on. The highest version is served, as TensorFlow Serving does with its folders, and besides it those
that have a label (version_labels.py). A file that is replaced becomes the next version. A request keeps the
version that it began with; an old version is closed when its last request has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.progress import say
from src.inference.server import version_labels
from src.inference.server.served import Observer, Options, Served
from src.inference.versions import Found, Source, for_clients

# New versions that are loaded at the same time, as each takes memory. While one hangs, there is a place for
# the others.
LOADED_AT_ONCE = 2


class NoSuchModel(Exception):
    """There is no model of this name, or not in this version."""


class Slot:
    """A model: what it is loaded from, the version that is served, and by number those that have a label."""

    def __init__(self, source: Source, options: Options):
        self.name, self._source, self._options = source.name, source, options
        self._found: Found | None = None  # what is served
        self._refused: Found | None = None  # what could not be loaded
        self.served: Served | None = None
        self.failure: tuple[int, str] | None = None  # a version that could not be loaded, and why
        self.labels: dict[str, int] = {}
        self._others: dict[int, tuple[Found, Served]] = {}
        self._labels_seen: tuple = ()

    @property
    def all(self) -> list[Served]:
        """All versions that are served, the newest first."""
        return [self.served, *(served for _, (_, served) in sorted(self._others.items(), reverse=True))]

    def version(self, number: int | None, label: str | None = None) -> Served:
        """The version with this number or label (default: the newest). Raises NoSuchModel."""
        if label is not None:
            if label not in self.labels:
                raise NoSuchModel(
                    f'{self.name} has no label {label[:80]!r}; {_listed("labels", self.labels)}'
                )
            number = self.labels[label]
        newest = self.served
        if number is None or number == newest.version:
            return newest
        other = self._others.get(number)
        if other is None:
            served = [each.version for each in self.all]
            raise NoSuchModel(f'{self.name} has no version {number}; {_listed("versions", served)}')
        return other[1]

    def refresh(self) -> bool:
        """Load a new version, and those that got a label. Returns whether anything changed.

        Raises UserError, or TensorFlow's error, if one cannot be loaded or run; the old ones stay served.
        """
        changed = self._refresh_newest()
        return self._refresh_labels() or changed

    def _refresh_newest(self) -> bool:
        found = self._source.look()
        if found is None or found == self._refused:
            return False
        if found == self._found:  # also when one that could not be loaded is gone: this one is open still
            gone, self.failure, self._refused = self.failure, None, None
            return gone is not None
        version = found.version
        if version is None:
            version = self.served.version + 1 if self.served else 1
        try:
            fresh = Served(self.name, version, found, self._options, replaces=self.served is not None)
        except Exception as error:
            self._refused = found
            self.failure = version, for_clients(first_line(error), found.path)
            raise
        old, old_found = self.served, self._found
        keep = old and old.version in self.labels.values() and old.version != version
        if keep:
            self._others = {**self._others, old.version: (old_found, old)}
        self.served, self._found = fresh, found
        self.failure = self._refused = None
        if old and not keep:
            old.retire()
        return True

    def _refresh_labels(self) -> bool:
        """Serve the versions that have a label now, and no longer those that have none."""
        folder = self._source.path
        if self.served is None or not folder.is_dir():
            return False
        seen = version_labels.stamp(folder), self.served
        if seen == self._labels_seen:
            return False
        self._labels_seen = seen
        labels = version_labels.read_labels(folder)
        before, loaded = self._others, dict(self._others)
        wanted = set(labels.values()) - {self.served.version}
        try:
            for version in wanted - loaded.keys():
                found = version_labels.find_version(self._source, version)
                loaded[version] = found, Served(self.name, version, found, self._options, replaces=True)
        except BaseException:
            _retire(loaded, before)
            raise
        changed = labels != self.labels or wanted != before.keys()
        self._others, self.labels = {version: loaded[version] for version in wanted}, labels
        _retire(loaded, self._others)
        return changed


def _watch(slot: Slot, seconds: float, stop: threading.Event, places: threading.Semaphore) -> None:
    """Refresh a model every `seconds`, in one of the `places`, and report it, until `stop` is set."""
    while not stop.wait(seconds):
        with places:
            if stop.is_set():
                return
            try:
                if slot.refresh():
                    say(f'{slot.name}: now serving version {slot.served.version}, {slot.served.file}')
                    if slot.labels:
                        versions = ', '.join(f'{label} {number}' for label, number in slot.labels.items())
                        say(f'{slot.name}: versions by label: {versions}')
            except Exception as error:  # of any kind: the model is still watched
                if stop.is_set():
                    return
                say(f'{slot.name}: {first_line(error)}; still serving version {slot.served.version}')


def _retire(versions: dict[int, tuple[Found, Served]], but: dict[int, tuple[Found, Served]]) -> None:
    """Retire the versions that are not in `but`."""
    for number, (_, served) in versions.items():
        if number not in but:
            served.retire()


def _listed(what: str, names: Iterable) -> str:
    return f'its {what}: {", ".join(map(str, names)) or "none"}'


class Models:
    """All served models by name. The first is the default."""

    def __init__(
        self,
        sources: Sequence[Source | Path],
        observe: Observer = lambda name, size: None,
        views: int = 1,
        workers: int = 0,
    ):
        """Load all; a path is served as it is. The probabilities are averaged over so many views of each
        picture. `workers`: in so many processes each .tflite model runs, and new versions of frozen graphs
        are tried in a process first; 0: no processes.

        Raises UserError if one cannot be loaded, or two have the same name."""
        self._slots: dict[str, Slot] = {}
        for given in sources:
            source = Source(given) if isinstance(given, Path) else given
            if source.name in self._slots:
                raise UserError(f'two models are named {source.name}: rename one of the files')
            slot = self._slots[source.name] = Slot(source, Options(observe, views, workers))
            if not slot.refresh():
                raise UserError(
                    f'there is no model {paths.shown(source.path)}: a .pb or .tflite file, or a folder of '
                    'versions (1.pb, 2.tflite)'
                )

    @property
    def names(self) -> list[str]:
        return list(self._slots)

    def slot(self, name: str) -> Slot:
        """Raises NoSuchModel."""
        if name not in self._slots:
            raise NoSuchModel(f'no model {name[:80]!r}; the models are {", ".join(self._slots)}')
        return self._slots[name]

    @contextmanager
    def use(
        self, name: str | None = None, version: int | None = None, label: str | None = None
    ) -> Iterator[Served]:
        """The model of this name (default: the first), in the version with this number or label (default: the
        newest). It stays open inside the `with`.

        Raises NoSuchModel.
        """
        slot = self.slot(name if name is not None else self.names[0])
        served = slot.version(version, label)
        while not served.enter():  # it was replaced in this moment
            served = slot.version(version, label)
        try:
            yield served
        finally:
            served.leave()

    def watch(self, seconds: float, stop: threading.Event) -> None:
        """Look for new versions every `seconds` until `stop` is set: of each model in a thread of its own, as
        one that hangs while it is tried would hold up the others."""
        places = threading.Semaphore(LOADED_AT_ONCE)
        threads = [
            threading.Thread(target=_watch, args=[slot, seconds, stop, places], daemon=True)
            for slot in self._slots.values()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @property
    def unready(self) -> list[str]:
        """The names of the models that cannot answer now."""
        return [name for name, slot in self._slots.items() if not all(each.ready for each in slot.all)]

    def give_up(self) -> None:
        """Let the requests fail that are not answered yet."""
        for slot in self._slots.values():
            for served in slot.all:
                served.give_up()

    def close(self) -> None:
        """Close all, at the end of the server."""
        for slot in self._slots.values():
            for served in slot.all:
                served.end()
