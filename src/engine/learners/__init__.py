"""The kinds of learners, by their names in model.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.common.errors import UserError
from src.engine.learner import Learner
from src.engine.learners.head import Head
from src.engine.learners.network import Network
from src.engine.learners.tail import Tail
from src.records.run_notes import learner_in

LEARNERS: dict[str, type[Learner]] = {learner.kind: learner for learner in (Head, Network, Tail)}


def learner_of(facts: Mapping[str, Any]) -> type[Learner]:
    """The kind of learner that a model.json describes. Raises UserError for one that this version does not
    know."""
    kind = learner_in(facts)
    if kind not in LEARNERS:
        raise UserError(f'a model was trained by the unknown learner {kind!r}: train it anew with --fresh')
    return LEARNERS[kind]
