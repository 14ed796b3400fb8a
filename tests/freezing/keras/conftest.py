"""Keras, which is imported once for all tests of a process of pytest."""

from __future__ import annotations

import pytest

from tests.freezing.keras.processes import Keras


@pytest.fixture(scope='session')
def keras():
    made = Keras()
    yield made
    made.close()
