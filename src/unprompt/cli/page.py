"""`unprompt page`: colouring pages of pictures."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import (
    add_json,
    add_memory,
    add_settings,
    check_needed,
    complete,
    declare,
    given_settings,
    settings_from,
    take_memory,
    warn,
)
from unprompt.cli.trainings import check_belongs, tell_training, told_above
from unprompt.colouring_pages.config import PRESETS, PageMachine, PageTraining
from unprompt.colouring_pages.data_config import PairSettings, StageTwoSettings
from unprompt.colouring_pages.page_config import CompareConfig, GradeConfig, OutputConfig, PageConfig
from unprompt.colouring_pages.paper_config import NumbersConfig, PaperConfig
from unprompt.errors import ConfigError, InputError, UnreadableImageError
from unprompt.progress import StepBars
from unprompt.text.english import counted, none_readable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from PIL import Image

EXAMPLE = """\
  unprompt page make photo.jpg --out PAGES
  unprompt page make IMAGES --out PAGES --detail low --booklet "Our summer" --name-line
  unprompt page make IMAGES --out PAGES --numbers --colours 8 --paper letter
"""
DATA_EXAMPLE = """\
  unprompt page data --out PAIRS --count 20000 --workers 2
  unprompt page data --family TWEMOJI --plain --size 256 --count 200 --out GRADED
  unprompt page data photos --weights RUN/generator.safetensors --out STAGE2
"""
TRAIN_EXAMPLE = """\
  unprompt page train PAIRS --out RUN
  unprompt page train STAGE2 --out RUN2 --weights RUN/generator.safetensors --epochs 5
  unprompt page train PAIRS --out RUN --preset unet_256 --device cuda
"""
GRADE_EXAMPLE = (
    "  unprompt page grade PAIRS --methods canny dodge pix2pix --weights RUN/generator.safetensors"
)
COMPARE_EXAMPLE = "  unprompt page compare IMAGES --out sheet.png --methods canny hed"
STAGES: Mapping[str, tuple[type[DataclassInstance], ...]] = {"1": (PairSettings,), "2": (StageTwoSettings,)}
# Settings of pairs, and those that do nothing beside them.
REPLACED = {"family": ("pocket", "split"), "plain": ("pocket", "photographs")}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    making = declare(actions, "make", "make a page to print and colour of each image")
    complete(making, run, EXAMPLE)
    making.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    making.add_argument("--out", type=Path, required=True, metavar="PAGES", help="the folder for the pages")
    making.add_argument("--recursive", action="store_true", help="look into folders inside the folders too")
    making.add_argument("--overwrite", action="store_true", help="replace the pages that are in the folder")
    add_settings(making.add_argument_group("lines"), PageConfig)
    add_settings(making.add_argument_group("files"), OutputConfig)
    add_settings(making.add_argument_group("paper"), PaperConfig)
    add_settings(making.add_argument_group("paint by numbers"), NumbersConfig)
    add_memory(making)
    add_json(making)
    comparing = declare(actions, "compare", "put pages of the same pictures by several methods on one sheet")
    complete(comparing, run_compare, COMPARE_EXAMPLE)
    comparing.add_argument("images", type=Path, nargs="+", metavar="IMAGE", help="images, or folders of them")
    comparing.add_argument("--out", type=Path, required=True, metavar="FILE", help="the sheet, a .png")
    comparing.add_argument(
        "--recursive", action="store_true", help="look into folders inside the folders too"
    )
    add_settings(comparing, CompareConfig)
    _add_data(actions)
    _add_train(actions)
    _add_grade(actions)


def _add_data(actions: Any) -> None:
    parser = declare(actions, "data", "make pairs of pictures and their lines, to train on")
    complete(parser, run_data, DATA_EXAMPLE)
    parser.add_argument(
        "images",
        type=Path,
        nargs="*",
        metavar="IMAGE",
        help="stage 2: of these images, damaged, and of what --weights makes of them whole",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PAIRS", help="the folder for the pairs")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="stage 2: the generator of stage 1")
    first = [one.name for one in fields(PairSettings)]
    add_settings(parser.add_argument_group("stage 1: of drawings and scenes"), PairSettings, left_open=True)
    second = parser.add_argument_group("stage 2: of images", told_above(StageTwoSettings, first))
    add_settings(second, StageTwoSettings, skip=first, left_open=True)
    parser.add_argument("--overwrite", action="store_true", help="replace the pairs that are in the folder")
    add_json(parser)


def _add_train(actions: Any) -> None:
    parser = declare(actions, "train", "teach a pix2pix to draw lines, of pairs")
    complete(parser, run_train, TRAIN_EXAMPLE)
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="pairs, in any layout of docs/formats.md")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="RUN", help="folder for weights and curves"
    )
    parser.add_argument(
        "--held-out", type=Path, metavar="PAIRS", help="pairs of other drawings, looked at after each epoch"
    )
    parser.add_argument(
        "--preset", choices=tuple(PRESETS), default="small", help="settings to begin with (%(default)s)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another training in RUN")
    add_json(parser)
    add_settings(parser.add_argument_group("what is learnt"), PageTraining, left_open=True)
    machine = parser.add_argument_group("the machine (changes nothing in the result)")
    add_settings(machine, PageMachine)


def _add_grade(actions: Any) -> None:
    parser = declare(actions, "grade", "score methods on pairs: lines, areas, specks")
    complete(parser, run_grade, GRADE_EXAMPLE)
    parser.add_argument("pairs", type=Path, metavar="PAIRS", help="pairs of pictures and their lines")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="write METHOD.csv there, a line a page")
    parser.add_argument(
        "--ink", action="store_true", help="score what the method gives, before it is cleaned and traced"
    )
    add_settings(parser, GradeConfig)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Make the pages of a folder."""
    page, output = settings_from(options, PageConfig), settings_from(options, OutputConfig)
    take_memory(options)
    paper, numbers = settings_from(options, PaperConfig), settings_from(options, NumbersConfig)
    if not paper.name_line:
        check_needed(options, PaperConfig, "--name-line", only=("name_word",))
    if paper.original == PaperConfig.original:
        check_needed(options, PaperConfig, "--original", only=("original_size",))
    if not output.numbers:
        check_needed(options, NumbersConfig, "--numbers")
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.colouring_pages.folder import Settings, make_pages

    settings = Settings(page, output, paper, numbers)
    with StepBars("page") as bars:
        result = make_pages(
            options.images, options.out, settings, options.recursive, options.overwrite, bars.show
        )
    made = result.images - len(result.problems)
    if options.json:
        print(
            json.dumps(
                {
                    "images": result.images,
                    "unreadable": len(result.problems),
                    "blank": len(result.blank),
                    "files": len(result.files),
                    "methods": dict(result.methods),
                    "seconds": round(result.seconds, 3),
                    "out": str(result.path),
                }
            )
        )
    else:
        resumed = ", going on from an earlier start" if result.resumed else ""
        methods = "; ".join(f"{count:,} by {method}" for method, count in sorted(result.methods.items()))
        print(f"{counted(made, 'page')} in {result.seconds:.0f} s{resumed} ({methods}): {result.path}")
    if result.blank:
        warn(f"{counted(len(result.blank), 'page')} blank, nothing to draw was found: {result.blank[0]} …")
    if result.numberless:
        warn(
            f"{counted(len(result.numberless), 'page')} without numbers, their lines enclose nothing: "
            f"{result.numberless[0]} …"
        )
    if result.problems:
        warn(
            f"{len(result.problems):,} of {counted(result.images, 'image')} could not be read, see "
            f"{result.path / 'problems.csv'}"
        )


def run_compare(options: argparse.Namespace) -> None:
    """Write the sheet."""
    config = settings_from(options, CompareConfig)
    if options.out.suffix.lower() != ".png":
        raise ConfigError(f"--out {options.out} has to end in .png")

    from unprompt.colouring_pages.compare import compare_methods
    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.storage.files import write_bytes
    from unprompt.storage.images import encode_png, find_loose_images, read_file

    every = find_loose_images(options.images, options.recursive)
    files = every[: config.most]
    if len(files) < len(every):
        warn(f"the first {len(files):,} of {counted(len(every), 'image')} are compared (--most)")
    extractors = [open_extractor(config.of(method)) for method in config.methods]
    unreadable: list[str] = []

    def pictures() -> Iterator[Image.Image]:
        for file in files:
            try:
                yield read_file(file)
            except UnreadableImageError as error:
                unreadable.append(f"{file.name}: {error}")
                warn(unreadable[-1])

    sheet = compare_methods(pictures(), extractors, config.detail)
    shown = len(files) - len(unreadable)
    if not shown:
        raise InputError(none_readable(len(files), "picture", unreadable[0]))
    write_bytes(options.out, encode_png(sheet))
    print(f"{counted(shown, 'picture')} by {', '.join(config.methods)}: {options.out}")


def run_data(options: argparse.Namespace) -> None:
    """Write pairs of the first stage, or of the second where there are images."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"
    if bool(options.images) != bool(options.weights):
        raise ConfigError(
            "pairs of stage 2 are of images and of what a generator makes of them: give images and "
            "--weights, or neither"
        )
    check_belongs(options, STAGES, "stage", "2" if options.images else "1")
    for chosen, replaced in REPLACED.items():
        for name in replaced:
            if getattr(options, chosen) and getattr(options, name):
                raise ConfigError(f"--{name} does nothing beside --{chosen}; leave one of them out")

    from unprompt.colouring_pages.data import drawn_as_pages, make_pairs, stage_two

    with StepBars("pair") as bars:
        if not options.images:
            written = make_pairs(
                options.out, settings_from(options, PairSettings, overwrite=options.overwrite), bars.show
            )
        else:
            from unprompt.colouring_pages.generator_files import read_generator
            from unprompt.networks.checkpoints import sha256_of
            from unprompt.storage.images import find_loose_images

            written = stage_two(
                find_loose_images(options.images),
                drawn_as_pages(read_generator(options.weights).draw),
                options.out,
                settings_from(options, StageTwoSettings, overwrite=options.overwrite),
                bars.show,
                sha256_of(options.weights),
            )
    if options.json:
        print(
            json.dumps({"pairs": written.pairs, "unreadable": len(written.problems), "out": str(written.out)})
        )
        return
    print(f"{counted(written.pairs, 'pair')}: {written.out}")
    if written.problems:
        warn(f"{counted(len(written.problems), 'image')} left out, see {written.out / 'problems.csv'}")


def run_train(options: argparse.Namespace) -> None:
    """Train, then say where the generator is."""
    options.when_interrupted = "run the same command again to go on from the last save"
    config = PageTraining(**{**PRESETS[options.preset], **given_settings(options, PageTraining)})
    machine = settings_from(options, PageMachine)

    from unprompt.colouring_pages.train import MODEL_FILE, train_pages
    from unprompt.datasets.pairs import read_pairs

    held_out = read_pairs(options.held_out) if options.held_out else None
    with StepBars("pair") as bars:
        learnt = train_pages(
            read_pairs(options.pairs),
            options.out,
            config,
            machine,
            held_out,
            overwrite=options.overwrite,
            progress=bars.show,
        )
    path = learnt.out / MODEL_FILE
    counts = {"pairs": learnt.pairs, "held_out": learnt.held_out}
    try_it = ("page", "make", "IMAGES", "--out", "PAGES", "--method", "pix2pix", "--weights", path)
    tell_training(options, learnt, counts, "pair", learnt.rows[-1], path, try_it)


def run_grade(options: argparse.Namespace) -> None:
    """Print a table, or the numbers as JSON."""
    config = settings_from(options, GradeConfig)

    from unprompt.colouring_pages.extract import open_extractor
    from unprompt.colouring_pages.grade import grade_pairs, table_of
    from unprompt.colouring_pages.grades import write_scores
    from unprompt.datasets.pairs import read_pairs

    every = read_pairs(options.pairs)
    pairs = every.at(every.ids[: config.most])
    if len(pairs) < len(every):
        warn(f"the first {len(pairs):,} of {counted(len(every), 'pair')} are scored (--most)")
    graded = {}
    for method in config.methods:
        with StepBars("page") as bars:
            graded[method] = grade_pairs(
                pairs,
                open_extractor(config.of(method)),
                config.detail,
                "ink" if options.ink else "page",
                progress=bars.show,
            )
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            write_scores(options.out / f"{method}.csv", graded[method].scores)
    if options.json:
        print(
            json.dumps(
                {
                    method: {
                        "seconds": one.seconds,
                        **{
                            kind: {"n": one.counts[kind], **asdict(score)}
                            for kind, score in one.by_kind().items()
                        },
                    }
                    for method, one in graded.items()
                }
            )
        )
    else:
        print("\n".join(table_of(graded)))
