"""`unprompt doodle caption`, `scenes` and `grade`: what drawings with several things on them show."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli import doodle_blip2
from unprompt.cli.doodle_name import GOES_ON, OVERWRITE, read_all, warn_of
from unprompt.cli.options import (
    add_json,
    add_settings,
    check_needed,
    complete,
    declare,
    given_settings,
    settings_from,
)
from unprompt.cli.printing import found_is_printed
from unprompt.doodles.grade_config import GradeConfig
from unprompt.doodles.group_config import CaptionConfig
from unprompt.doodles.scenes_config import SceneConfig
from unprompt.errors import ConfigError
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.text.english import counted

if TYPE_CHECKING:
    from unprompt.doodles.blip2_files import Blip2Captions
    from unprompt.doodles.caption_files import Captioned
    from unprompt.doodles.captioners import Caption
    from unprompt.records import Problem

EXAMPLE = """\
  unprompt doodle caption drawing.png
  unprompt doodle caption DRAWINGS --out captions.csv
  unprompt doodle caption DRAWINGS --by blip2-opt-2.7b --adapter RUN --out captions.csv
"""
SCENES_EXAMPLE = """\
  unprompt doodle scenes QUICKDRAW --out scenes.ndjson.gz --count 2000 --touch 0.5
"""
GRADE_EXAMPLE = """\
  unprompt doodle grade TEST.ndjson --learnt TRAIN.ndjson --out grades.html
  unprompt doodle grade TEST.ndjson --weights RUN/captioner.safetensors --others GRID/captioner.safetensors
"""
DRAWINGS = "files of drawings, pictures, or folders of them"


def add(actions: Any) -> None:
    """Declare the three actions."""
    parser = declare(actions, "caption", "say what drawings show: things, how many, and where they are")
    complete(parser, run, EXAMPLE)
    parser.add_argument("drawings", type=Path, nargs="+", metavar="DRAWINGS", help=DRAWINGS)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="a table of imgId,caption, .csv or .jsonl; none: they are shown",
    )
    add_settings(parser, CaptionConfig, left_open=True)
    parser.add_argument(
        "--by", type=Path, metavar="FOLDER", help="caption by a BLIP-2 on disk, not by groups of strokes"
    )
    doodle_blip2.add_caption_options(parser)
    _add_device(parser)
    parser.add_argument("--overwrite", action="store_true", help=OVERWRITE)
    add_json(parser)

    parser = declare(actions, "scenes", "compose scenes of single drawings, with captions of known truth")
    complete(parser, run_scenes, SCENES_EXAMPLE)
    parser.add_argument("drawings", type=Path, nargs="+", metavar="DRAWINGS", help=f"{DRAWINGS}, with words")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="SCENES.ndjson or .ndjson.gz")
    add_settings(parser, SceneConfig)
    add_json(parser)

    parser = declare(actions, "grade", "score names, captions and pictures of drawings whose truth is known")
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
    """Caption the drawings of files and folders."""
    if options.by is not None:
        _refuse([*given_settings(options, CaptionConfig)], "captions by groups of strokes, not to --by")
        _run_blip2(options)
        return
    _refuse(doodle_blip2.given_caption_options(options), "--by FOLDER of a BLIP-2")
    config = settings_from(options, CaptionConfig)

    if options.out:
        options.when_interrupted = GOES_ON

    from tqdm import tqdm

    from unprompt.doodles.caption_files import caption_files

    showing = not (options.out or options.json)
    found: dict[str, Caption] = {}

    def tell(key: str, caption: Caption) -> None:
        if showing:
            tqdm.write(f"{key}: {caption.text}")  # above the bar
        elif not options.out:
            found[key] = caption

    def until_now() -> dict[str, Any]:
        said = {key: {"caption": one.text, "sure": one.sure} for key, one in found.items()}
        return {"captions": said} if said else {}

    with found_is_printed(until_now), StepBars("drawing") as bars:
        done = caption_files(
            options.drawings, config, options.out, options.device, options.overwrite, tell, bars.show
        )
    if options.json:
        _print_json(
            {key: {"caption": text, "sure": done.sure.get(key)} for key, text in done.captions.items()},
            done.problems,
        )
    elif options.out:
        _print_done(done, options.out)
    warn_of(done.problems)


def _refuse(given: Sequence[str], owner: str) -> None:
    """Raise ConfigError where an option was given that belongs to the other way of captioning."""
    if given:
        raise ConfigError(f"--{given[0]} belongs to {owner}")


def _run_blip2(options: argparse.Namespace) -> None:
    done = doodle_blip2.caption_drawings(options)
    if options.json:
        _print_json({key: {"caption": text} for key, text in done.captions.items()}, done.problems)
    elif options.out:
        _print_done(done, options.out)
    warn_of(done.problems)


def _print_done(done: Captioned | Blip2Captions, out: Path) -> None:
    resumed = ", going on from an earlier start" if done.resumed else ""
    print(f"{counted(len(done.captions), 'drawing')} captioned{resumed}: {out}")


def _print_json(found: Mapping[str, Mapping[str, Any]], problems: Sequence[Problem]) -> None:
    told = {"captions": found, "problems": [asdict(problem) for problem in problems]}
    print(json.dumps(told, ensure_ascii=False))


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
    if not options.out:
        check_needed(options, GradeConfig, "--out", only=("shown",))

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
