"""What canvas.js computes, run by Node; how it looks and is sent is asked of a browser elsewhere."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from unprompt import app

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")

SCRIPT = Path(app.__file__).with_name("canvas.js")
CUT = """
import { cut } from "./canvas.mjs";
const { lines, places, rubber } = JSON.parse(process.argv[2]);
const rub = (left, [x, y]) => left.flatMap((line) => cut(line, x, y, rubber));
console.log(JSON.stringify(places.reduce(rub, lines)));
"""


def rubbed(folder: Path, lines: list[list[float]], places: list[tuple[float, float]]) -> list[list[float]]:
    """The points of what is left of lines after a rubber of radius 28 was put at places."""
    module = SCRIPT.read_text(encoding="utf-8") + "\nexport { cut };\n"
    (folder / "canvas.mjs").write_text(module, encoding="utf-8")
    (folder / "cut.mjs").write_text(CUT, encoding="utf-8")
    given = {"lines": [{"pen": 14, "points": points} for points in lines], "places": places, "rubber": 28}
    done = subprocess.run(
        ["node", str(folder / "cut.mjs"), json.dumps(given)], capture_output=True, check=True, timeout=60
    )
    left: list[dict[str, Any]] = json.loads(done.stdout)
    return [line["points"] for line in left]


def test_a_rubber_cuts_a_line_in_two(tmp_path: Path) -> None:
    assert rubbed(tmp_path, [[100, 100, 400, 100]], [(250, 100)]) == [
        [100, 100, 215, 100], [285, 100, 400, 100],
    ]  # fmt: skip
    assert rubbed(tmp_path, [[100, 100, 400, 100]], [(250, 200)]) == [[100, 100, 400, 100]]


def test_nothing_is_left_where_a_rubber_was_everywhere(tmp_path: Path) -> None:
    """A cut beside the end of a line leaves two points in one place, which have to go with the next touch."""
    dots = [[100, 100], [100, 100, 100, 100], [150, 100, 150, 100, 150, 100]]
    assert rubbed(tmp_path, dots, [(110, 100), (160, 100)]) == []
    line = [coordinate for step in range(41) for coordinate in (100 + 5 * step, 100)]
    sweep = [(60 + 7.013 * step, 100) for step in range(50)]
    assert rubbed(tmp_path, [line], [*sweep, *sweep]) == []
    assert rubbed(tmp_path, [[100, 100, 400, 100]], [(135.02, 100), (100, 100)]) == [[170, 100, 400, 100]]


def test_points_in_one_place_that_are_not_touched_stay(tmp_path: Path) -> None:
    line = [100, 100, 100, 100, 400, 100, 400, 100]
    assert rubbed(tmp_path, [line], [(250, 200)]) == [line]
    assert rubbed(tmp_path, [line], [(250, 100)]) == [
        [100, 100, 100, 100, 215, 100],
        [285, 100, 400, 100, 400, 100],
    ]
