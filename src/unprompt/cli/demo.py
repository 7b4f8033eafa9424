"""`unprompt demo`: photographs and sample scenes, prediction, score, report."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from unprompt.cli.options import describe_score

EXAMPLE = """\
  unprompt demo
  unprompt demo --out somewhere
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("unprompt-demo"), metavar="DIR", help="(%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Make the pictures, predict, print two tables."""
    started = time.monotonic()
    options.when_interrupted = "run the same command again"

    from unprompt.demos.sample_scenes import run_demo

    demo = run_demo(options.out)
    pictures = options.out / "samples" / "images"
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
        f"\ndone in {time.monotonic() - started:.0f} s. The scenes are flat drawings, made of OpenMoji;\n"
        "networks trained on photographs hardly know them: their score shows that all works, not how well\n"
        "it does on real images."
    )
    print(f"report: {(demo.run.folder / 'report.html').resolve()}")
