"""What holds for every test of the app."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_main() -> Iterator[None]:
    """Streamlit puts its script in the place of `__main__`, and there new processes would look for theirs."""
    before = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = before
