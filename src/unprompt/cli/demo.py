"""`unprompt demo`: photographs and sample scenes, prediction, score, report."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, describe_score
from unprompt.progress import StepBars

if TYPE_CHECKING:
    from unprompt.demos.sample_scenes import Demo

EXAMPLE = """\
  unprompt demo
  unprompt demo --out somewhere --json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("unprompt-demo"),
        metavar="DIR",
        help="folder for the pictures and the report (%(default)s)",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Make the pictures, predict, say what came of them."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again"

    from unprompt.demos.sample_scenes import run_demo

    with StepBars("image") as bars:
        demo = run_demo(options.out, bars.show)
    seconds = time.monotonic() - started
    if options.json:
        print(json.dumps(numbers_of(demo, options.out) | {"seconds": round(seconds, 3)}))
    else:
        _describe(demo, options.out / "samples" / "images", seconds)


def numbers_of(demo: Demo, out: Path) -> dict[str, Any]:
    """What `--json` prints: the photographs' prompts, and the scenes' beside the true ones."""
    prompt_by_id = dict(zip(demo.run.prompts.ids, demo.run.prompts.texts, strict=True))
    similarity_by_id = dict(demo.run.score.ranked()) if demo.run.score else {}
    return {
        "out": str(out),
        "run": str(demo.run.folder),
        "photographs": [
            {"imgId": image_id, "prompt": prompt_by_id[image_id]} for image_id in demo.photographs
        ],
        "scenes": [
            {
                "imgId": image_id,
                "truth": truth,
                "prompt": prompt_by_id[image_id],
                "similarity": similarity_by_id.get(image_id),
            }
            for image_id, truth in zip(demo.truths.ids, demo.truths.texts, strict=True)
        ],
        "score": demo.run.score.numbers() if demo.run.score else None,
    }


def _describe(demo: Demo, pictures: Path, seconds: float) -> None:
    """Two tables, the score, and where the report is."""
    print(f"{len(demo.truths) + len(demo.photographs)} pictures: {pictures}\n")
    prompt_by_id = dict(zip(demo.run.prompts.ids, demo.run.prompts.texts, strict=True))
    if demo.photographs:
        print("photograph -> recovered prompt (nobody wrote these a prompt, so they have no score)")
        width = max(map(len, demo.photographs))
        for image_id in demo.photographs:
            print(f"  {image_id:{width}}  -> {prompt_by_id[image_id]}")
        print()
    similarity_by_id = dict(demo.run.score.ranked()) if demo.run.score else {}
    print("drawn scene: cosine, true prompt -> recovered prompt")
    for image_id, truth in zip(demo.truths.ids, demo.truths.texts, strict=True):
        print(f"{similarity_by_id[image_id]:6.3f}  {truth} -> {prompt_by_id[image_id]}")
    if demo.run.score:
        print(f"\nscore of the {len(demo.truths)} drawn scenes:")
        print(describe_score(demo.run.score)[0])  # the others are of the photographs
    print(
        f"\ndone in {seconds:.0f} s. The scenes are flat drawings, made of OpenMoji;\n"
        "networks trained on photographs hardly know them: their score shows that all works, not how well\n"
        "it does on real images."
    )
    print(f"report: {(demo.run.folder / 'report.html').resolve()}")
