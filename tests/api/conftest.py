"""What tests of the API share."""

from __future__ import annotations

import pytest

from unprompt.bundle.loaded import LoadedBundle


@pytest.fixture(scope="session")
def loaded() -> LoadedBundle:
    """The bundle lite on a CPU."""
    return LoadedBundle.load("lite", "cpu")
