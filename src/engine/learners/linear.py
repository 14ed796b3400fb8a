"""A head of one layer, trained by L-BFGS instead of the training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.process.interrupts import interrupts_held
from src.common.progress import progress, say
from src.common.tf1 import tf
from src.engine.checkpoints import ALL_STEPS, CheckpointManager, State
from src.engine.learners.head import Head
from src.engine.linear.objective import Objective
from src.engine.linear.path import TEMPERATURE, Solution
from src.engine.linear.plan import Plan
from src.engine.loop import curves
from src.engine.sources import fits_in_memory
from src.engine.summaries import Writer, summary_writer
from src.graph.joined.facts import members
from src.models.dense import head_variables
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Records


class LinearHead(Head):
    """A head without hidden layers; a step is an evaluation of the loss on all training examples.

    Its L2 penalty is chosen as `linear/path.py` does it, on the validation examples or by cross-validation.
    Its weights are divided by the temperature that the choice is made at. Interrupted, it has to begin again:
    it takes seconds. The checkpoint holds `l2` beside the weights.
    """

    @classmethod
    def settled(cls, recipe: HeadRecipe, records: Records) -> HeadRecipe:
        hidden = recipe.layers and list(recipe.layers[1:-1])
        settled = super().settled(replace(recipe, layers=recipe.layers or (0, 0)), records)
        if hidden:
            ends = f'{settled.layers[0]},{settled.layers[-1]}'
            raise UserError(
                f'L-BFGS trains heads without hidden layers ({",".join(map(str, hidden))}): '
                f'use --layers {ends}, or --solver adam'
            )
        if not fits_in_memory(records, cls.field(recipe, records)):
            raise UserError(
                f'the bottlenecks in {paths.shown(records.folder)} need more memory than MAX_EXAMPLE_BYTES '
                'in src/common/consts.py allows, and L-BFGS needs all in memory: raise it, or use '
                '--solver adam'
            )
        widths = [one['width'] for one in members(cls.facts(recipe, records)['backbone'])]
        return replace(settled, l2=recipe.l2, steps=recipe.steps, blocks=widths if widths[1:] else None)

    def build(self) -> None:
        self.x = tf.placeholder(tf.float32, [None, self.recipe.layers[0]], 'x')
        self.build_prediction()
        self.l2 = tf.get_variable('l2', [], tf.float32, tf.zeros_initializer(), trainable=False)
        self.weights = {variable.op.name: variable for variable in (*head_variables(), self.l2)}

    def found(self, session: tf.Session) -> dict[str, Any]:
        """The L2 penalty, as it was given or chosen."""
        return {'l2': float(f'{session.run(self.l2):.6g}')}

    def train(self, session: tf.Session, folder: Path, summaries: Path) -> State:
        manager = CheckpointManager(session, self.weights, folder)
        state = manager.resume(evaluate_every=1)
        if state.ended:
            say('training has ended before; --fresh trains again')
        else:
            bar = progress(None, 'training', 'evaluations of the loss')
            with summary_writer(summaries, session.graph) as writer, interrupts_held() as raise_pending, bar:
                started = time.monotonic()
                self._solve(session, state, writer, bar, raise_pending)
                state.seconds = time.monotonic() - started
            manager.save_best(state.step)
            manager.save(state)
        manager.restore_best()
        return state

    def _solve(
        self, session: tf.Session, state: State, writer: Writer, bar, raise_pending: Callable[[], None]
    ) -> None:
        """Train the layer, load it into the session, and describe the training in `state`."""
        plan = Plan.of(self.source, self.recipe)
        held_out = 'validation' if 'validation' in self.source.parts else 'cross-validation'

        def tick(loss: float) -> None:
            raise_pending()
            state.step += 1
            bar.update(1)
            writer.add_summary(curves({'cost': loss}), state.step)

        def seen(solution: Solution) -> None:
            writer.add_summary(curves(_scalars(solution, held_out)), state.step)
            bar.set_postfix_str(
                f'L2 {solution.l2:g}, {held_out} log loss {solution.log_loss:.3f}', refresh=False
            )

        with Objective(plan.groups, self.recipe.layers[-1], self.classes, self.recipe.blocks) as objective:
            best, found = plan.solve(objective, tick, seen)
            layer = objective.layer(found)
        for variable, value in zip(head_variables(), layer, strict=True):
            variable.load(value / np.float32(TEMPERATURE), session)
        self.l2.load(best.l2, session)
        writer.add_summary(curves(self.evaluate(session)), state.step)
        state.best_step, state.ended = state.step, ALL_STEPS
        state.best = best.log_loss if held_out == 'validation' else math.inf


def _scalars(solution: Solution, held_out: str) -> dict[str, float]:
    return {
        'l2': solution.l2,
        f'{held_out}_log_loss': solution.log_loss,
        f'{held_out}_error': solution.error,
    }


SOLVED_BY: dict[str, type[Head]] = {'adam': Head, 'adadelta': Head, 'lbfgs': LinearHead}


def head_of(recipe: HeadRecipe) -> type[Head]:
    """The kind of head that a recipe's solver trains."""
    return SOLVED_BY[recipe.solver]
