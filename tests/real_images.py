"""Where the real Stable Diffusion images with known prompts are, if they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_folder() -> Path:
    """The folder of real images, or skip the test saying why."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "real"
    folder = Path(os.environ.get("UNPROMPT_REAL", beside))
    if not folder.is_dir():
        pytest.skip(f"the real images are not at {folder} (set UNPROMPT_REAL)")
    return folder
