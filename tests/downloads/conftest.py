from __future__ import annotations

import pytest

from tests.downloads.loopback import Site


@pytest.fixture
def site():
    made = Site()
    yield made
    made.close()
