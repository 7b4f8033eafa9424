"""`unprompt doodle caption`, `scenes` and `grade`: what drawings with several things on them show."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import add_json, add_settings, complete, declare, settings_from, warn
from unprompt.doodles.grade_config import GradeConfig
from unprompt.doodles.group_config import CaptionConfig
from unprompt.doodles.scenes_config import SceneConfig
from unprompt.errors import ConfigError, InputError
from unprompt.progress import StepBars
from unprompt.records import Problem
from unprompt.settings import DEVICES
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.doodles.drawing import Doodle

EXAMPLE = """\
  unprompt doodle caption drawing.png
  unprompt doodle caption DRAWINGS --out captions.csv
"""
SCENES_EXAMPLE = """\
  unprompt doodle scenes QUICKDRAW --out scenes.ndjson.gz --count 2000 --touch 0.5
"""
GRADE_EXAMPLE = """\
  unprompt doodle grade TEST.ndjson --learnt TRAIN.ndjson --out grades.html
  unprompt doodle grade TEST.ndjson --weights RUN/captioner.safetensors --others GRID/captioner.safetensors
"""
DRAWINGS = "a file of drawings or a picture, or a folder of them"
TOLD = 5  # drawings that cannot be read, of which something is said at once


def add(actions: Any) -> None:
    """Declare the three actions."""
    parser = declare(actions, "caption", "say what drawings show: things, how many, and where they are")
    complete(parser, run, EXAMPLE)
    parser.add_argument("drawings", type=Path, metavar="DRAWINGS", help=DRAWINGS)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="a table of imgId,caption; none: it is shown"
    )
    add_settings(parser, CaptionConfig)
    _add_device(parser)
    add_json(parser)

    parser = declare(actions, "scenes", "compose scenes of single drawings, with captions of known truth")
    complete(parser, run_scenes, SCENES_EXAMPLE)
    parser.add_argument("drawings", type=Path, nargs="+", metavar="DRAWINGS", help=f"{DRAWINGS}, with words")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="SCENES.ndjson or .ndjson.gz")
    add_settings(parser, SceneConfig)
    add_json(parser)

    parser = declare(actions, "grade", "score captioners on scenes whose truth is known")
    complete(parser, run_grade, GRADE_EXAMPLE)
    parser.add_argument(
        "drawings",
        type=Path,
        nargs="+",
        metavar="DRAWINGS",
        help="drawings with words that nothing was taught",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="a page with the scores and scenes")
    add_settings(parser, GradeConfig)
    _add_device(parser)
    add_json(parser)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", metavar="DEVICE", help=f"{DEVICES} (%(default)s)")


def run(options: argparse.Namespace) -> None:
    """Caption the drawings of a file or a folder."""
    config = settings_from(options, CaptionConfig)

    from unprompt.doodles.caption_files import caption_all, write_captions
    from unprompt.doodles.captioners import GroupCaptioner
    from unprompt.networks.devices import choose_device

    captioner = GroupCaptioner.load(config, choose_device(options.device))
    with StepBars("drawing") as bars:
        done = caption_all(options.drawings, captioner, bars.show)
    if options.out:
        write_captions(options.out, done.captions)
    if options.json:
        found = {key: {"caption": one.text, "sure": one.sure} for key, one in done.captions.items()}
        print(json.dumps({"captions": found, "problems": list(done.problems)}, ensure_ascii=False))
    elif options.out:
        print(f"{counted(len(done.captions), 'drawing')} captioned: {options.out}")
    else:
        for key, one in done.captions.items():
            print(f"{key}: {one.text}")
    for problem in done.problems[:TOLD]:
        warn(problem)
    if len(done.problems) > TOLD:
        warn(f"and {counted(len(done.problems) - TOLD, 'more problem')} like these")


def run_scenes(options: argparse.Namespace) -> None:
    """Compose scenes and write them."""
    config = settings_from(options, SceneConfig)
    if not options.out.name.endswith((".ndjson", ".ndjson.gz")):
        raise ConfigError(f"--out {options.out} has to end in .ndjson or .ndjson.gz")

    from unprompt.doodles.scenes import compose_scenes, write_scenes

    doodles = read_all(options.drawings)
    with StepBars("scene") as bars:
        count = write_scenes(options.out, compose_scenes(doodles, config, bars.show))
    if options.json:
        print(json.dumps({"scenes": count, "drawings": len(doodles), "out": str(options.out)}))
    else:
        print(f"{counted(count, 'scene')} of {counted(len(doodles), 'drawing')}: {options.out}")


def run_grade(options: argparse.Namespace) -> None:
    """Print a table, or the numbers as JSON, and write a page."""
    config = settings_from(options, GradeConfig)

    from unprompt.doodles.grades import grade_captioners, grade_page, table_of
    from unprompt.doodles.name import Namer
    from unprompt.networks.devices import choose_device
    from unprompt.storage.files import write_bytes

    device = choose_device(options.device)
    doodles = read_all(options.drawings)
    learnt = read_all([config.learnt]) if config.learnt else []
    with StepBars("scene") as bars:
        graded = grade_captioners(
            doodles, Namer.load(config.namer, device), config, learnt, device, bars.show
        )
    if options.out:
        write_bytes(options.out, grade_page(graded, config).encode())
    if options.json:
        print(json.dumps(graded.as_dict()))
    else:
        print(table_of(graded))
        if options.out:
            print(f"page: {options.out}")


def read_all(paths: list[Path]) -> list[Doodle]:
    """All drawings of files and folders that are not empty; InputError where there is none."""
    from unprompt.doodles.read import read_doodles

    problems: list[Problem] = []
    found = [one for path in paths for one in read_doodles(path, problems) if one.drawing.strokes]
    if problems:
        first = f"{problems[0].image_id}: {problems[0].problem}"
        warn(f"{counted(len(problems), 'drawing')} cannot be read, first: {first}")
    if not found:
        raise InputError(f"no drawings in {', '.join(map(str, paths))}")
    return found
