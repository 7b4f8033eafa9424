"""What thick pens cost the namer, and where the captioner loses: drawings with words -> tables.

    python benchmarks/doodles.py pens DRAWINGS [--namer NAMER]
    python benchmarks/doodles.py steps DRAWINGS [--namer NAMER] [--weights CAPTIONER]

pens: drawings on a sheet of 400 x 400 pixels, as large as it, or .4 to .9 of it and anywhere; traced, named.
steps: scenes whose things lie apart, captioned with single steps told the truth.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from unprompt.doodles.caption_scores import intervals, mean_scores, score_caption
from unprompt.doodles.captioners import read_group_network
from unprompt.doodles.drawing import Doodle, Drawing, take
from unprompt.doodles.facts import SceneFacts
from unprompt.doodles.group_network import NEVER, Told
from unprompt.doodles.groups import (
    Group,
    Named,
    facts_of,
    group_of,
    group_strokes,
    name_alone,
    name_groups,
    settle,
    tell_groups,
)
from unprompt.doodles.ink import ink, picture_of
from unprompt.doodles.name import Namer, hits, labels_of
from unprompt.doodles.picture import read_picture
from unprompt.doodles.read import read_doodles
from unprompt.doodles.scenes import Scene, compose_scenes
from unprompt.doodles.scenes_config import SceneConfig
from unprompt.doodles.train_groups import things_of

SIDE = 400  # pixels of a sheet
PENS = (2, 4, 8, 12, 16, 24)
SOMEWHERE = (0.4, 0.9)  # of the sheet: how large drawings are
SURE = 0.25


def place(drawing: Drawing, pen: float, random: np.random.Generator) -> Image.Image:
    """A drawing of any size, anywhere on a sheet, black on white or white on black."""
    side = random.uniform(*SOMEWHERE) * SIDE
    at = random.uniform(pen, max(pen + 1, SIDE - side - pen), 2)
    covered = ink(drawing.fitted(side).moved(1, at), SIDE, SIDE, pen)
    sheet = Image.fromarray((255 * (1 - covered)).astype(np.uint8))
    return ImageOps.invert(sheet) if random.random() < 0.5 else sheet


def measure_pens(doodles: Sequence[Doodle], namer: Namer, count: int, seed: int) -> Iterator[str]:
    """Lines of how often drawings are named rightly, by pens."""
    random = np.random.default_rng(seed)
    some = [doodles[n] for n in random.choice(len(doodles), min(count, len(doodles)), replace=False)]
    labels = labels_of(some, namer.words)

    def told(what: str, drawings: list[Drawing]) -> str:
        found = hits(namer.probabilities(drawings), labels)
        return f"{what}: {found['top_1']:.3f}, among five {found['top_5']:.3f}"

    yield told("strokes", [one.drawing for one in some])
    for pen in PENS:
        large = [read_picture(picture_of(one.drawing, SIDE, pen)) for one in some]
        yield told(f"pen {pen}, as large as the sheet", large)
        yield told(f"pen {pen}, anywhere", [read_picture(place(one.drawing, pen, random)) for one in some])


def measure_steps(doodles: Sequence[Doodle], namer: Namer, weights: Path | None, count: int) -> Iterator[str]:
    """Lines of how good captions are, with single steps told the truth."""
    network = read_group_network(weights)
    order = [namer.words.index(word) for word in network.config.words]
    scenes = list(compose_scenes(doodles, SceneConfig(count, seed=1)))
    found = group_strokes(network, [scene.drawing for scene in scenes], namer)
    true = [[group_of(scene.drawing, strokes) for strokes in scene.things] for scene in scenes]

    def answers(scene: Scene, groups: Sequence[Group]) -> np.ndarray:
        parts = [take(scene.drawing, group.strokes) for group in groups]
        return np.ascontiguousarray(namer.probabilities(parts)[:, order])

    def by_network(scene: Scene, groups: Sequence[Group]) -> Named:
        return name_groups(network, scene.drawing, groups, answers(scene, groups), SURE)

    def by_kinds(scene: Scene, groups: Sequence[Group]) -> Named:
        """Of groups that are the things themselves."""
        each, pairs = (torch.from_numpy(part)[None] for part in tell_groups(scene.drawing, groups))
        there = torch.ones(1, len(groups), dtype=torch.bool)
        with torch.inference_mode():
            logits, _ = network.names(
                Told(each, pairs, there), torch.from_numpy(answers(scene, groups))[None]
            )
            logits[..., -1] = NEVER  # no piece of a thing
        nouns = np.array(scene.nouns)
        same = np.where(nouns[:, None] == nouns, 1.0, -1.0)
        return settle(logits[0].numpy(), same, network.config.words, SURE)

    def by_namer(scene: Scene, groups: Sequence[Group]) -> Named:
        return name_alone(groups, answers(scene, groups), network.config.words)

    def by_truth(scene: Scene, groups: Sequence[Group]) -> Named:
        things = things_of(scene.drawing, scene.owners, groups)
        kinds = list(dict.fromkeys(scene.nouns[thing] for thing in things if thing >= 0))
        members = [
            tuple(n for n, thing in enumerate(things) if thing >= 0 and scene.nouns[thing] == kind)
            for kind in kinds
        ]
        return Named(tuple(kinds), (1.0,) * len(kinds), tuple(members))

    ways: dict[str, tuple[list[list[Group]], Callable[[Scene, Sequence[Group]], Named]]] = {
        "nothing": (found, by_network),
        "which strokes are one thing": (true, by_network),
        "which strokes are one thing, and which things one kind": (true, by_kinds),
        "what each of its own groups is": (found, by_truth),
        "both": (true, by_truth),
        "which strokes are one thing; the namer alone": (true, by_namer),
    }
    for what, (groups, name) in ways.items():
        said: list[SceneFacts] = [
            facts_of(name(scene, those), those) for scene, those in zip(scenes, groups, strict=True)
        ]
        scores = [score_caption(one, scene.facts) for one, scene in zip(said, scenes, strict=True)]
        spans = intervals(scores)
        cells = (
            f"{name} {mean:.3f}" + ("" if np.isnan(low) else f" ({low:.2f} to {high:.2f})")
            for (name, mean), (low, high) in zip(mean_scores(scores).items(), spans.values(), strict=True)
        )
        yield f"told {what}: {', '.join(cells)}"


def main() -> None:
    """Print what was measured, line by line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("pens", "steps"))
    parser.add_argument("drawings", type=Path)
    parser.add_argument("--namer", type=Path, help="the package's own where none is given")
    parser.add_argument("--weights", type=Path, help="of a captioner; the package's own")
    parser.add_argument("--count", type=int, help="drawings (400), scenes (300)")
    options = parser.parse_args()
    doodles, namer = list(read_doodles(options.drawings)), Namer.load(options.namer)
    if options.what == "pens":
        lines = measure_pens(doodles, namer, options.count or 400, seed=0)
    else:
        lines = measure_steps(doodles, namer, options.weights, options.count or 300)
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    main()
