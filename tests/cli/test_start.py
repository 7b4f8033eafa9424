"""What a command imports before it answers: nothing that takes longer than the answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

# Each takes 0.3 s or more, alone or by what it imports.
HEAVY = (
    *("faiss", "huggingface_hub", "open_clip", "pandas", "scipy", "sklearn", "sympy", "timm", "torchvision"),
    *("torch._dynamo", "torch._inductor", "transformers"),
)
PROGRAM = """
import json, sys
from unprompt.cli import main
looked, predicted = json.loads(sys.argv[1])
codes = [main(looked)]
after_look = sorted(sys.modules)
codes.append(main(predicted))
print(json.dumps([codes, after_look, sorted(sys.modules)]))
"""


@pytest.mark.slow
def test_an_image_is_guessed_without_heavy_libraries(tmp_path: Path) -> None:
    picture = tmp_path / "images" / "a.png"
    picture.parent.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(picture)
    commands = [[str(picture)], ["predict", str(picture.parent), "--out", str(tmp_path / "run")]]
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(commands)], capture_output=True, text=True, check=True
    )
    codes, after_look, after_predict = json.loads(run.stdout.splitlines()[-1])
    assert codes == [0, 0]
    assert "torch" in after_look  # or nothing was guessed
    assert set(after_look).isdisjoint((*HEAVY, "polars"))
    assert set(after_predict).isdisjoint(HEAVY)
