"""`unprompt colour`: line art and words to a coloured picture."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unprompt.cli.options import (
    add_json,
    add_settings,
    check_needed,
    complete,
    declare,
    given_settings,
    settings_from,
    warn,
)
from unprompt.cli.printing import command
from unprompt.cli.trainings import add_trainings, check_belongs, speaks, tell_training
from unprompt.colouring.captions_config import FILLS, WAYS, CaptionWay, FillSettings, ModelSettings
from unprompt.colouring.data_config import TripleSettings
from unprompt.colouring.grade_config import GradeConfig
from unprompt.colouring.instruct_config import (
    InstructMachine,
    InstructPaint,
    InstructTraining,
    training_of,
)
from unprompt.colouring.network_config import PainterTraining
from unprompt.colouring.paint_config import PaintConfig
from unprompt.colouring.webui_config import WebUIPaint
from unprompt.errors import ConfigError
from unprompt.learning.cnn_lstm_config import CnnLstmTraining
from unprompt.learning.schedule import TrainingMachine
from unprompt.painting.webui_config import find_auth
from unprompt.progress import StepBars
from unprompt.settings import DEVICES
from unprompt.storage.places import check_place
from unprompt.text.english import counted

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from unprompt.colouring.whole_picture import WholePainter

EXAMPLE = """\
  unprompt colour paint dragon.png "a green dragon with yellow wings" --out painted.png
  unprompt colour paint dragon.svg "a crimson dragon" --out painted.svg --variants 3
  unprompt colour paint page.png "a house" --hint 120,80,navy --crayons 8 --out painted.png
  unprompt colour paint --csv orders.csv --out FOLDER
  unprompt colour paint dragon.png "a green dragon" --out a.png --engine webui --url http://127.0.0.1:7860
"""
DATA_EXAMPLE = """\
  unprompt colour data --out TRIPLES --count 20000 --workers 2
  unprompt colour data --out HELD --count 600 --split choose --wordings kept
"""
GRADE_EXAMPLE = """\
  unprompt colour grade HELD
  unprompt colour grade KNOWN_WORDINGS OTHER_WORDINGS OTHER_FAMILY
  unprompt colour grade HELD --weights RUN/painter.safetensors --out grade.html
"""
TRAIN_EXAMPLE = """\
  unprompt colour train TRIPLES --out RUN --held-out HELD
  unprompt colour train PAIRS --out RUN --engine instruct --model stable-diffusion-v1-5
  unprompt colour train PAIRS --out RUN --engine instruct --model instruct-pix2pix --lora 8
  unprompt colour train PAIRS --out RUN --engine instruct --model pocket --steps 2000
"""
CAPTION_EXAMPLE = """\
  unprompt colour caption PAIRS --out captions.csv --turn-into
  unprompt colour caption PICTURES --nouns names --out captions.csv
  unprompt colour caption PAIRS --by lstm --model RUN/captioner.safetensors --out captions.csv
"""
TRAIN_CAPTIONS_EXAMPLE = """\
  unprompt colour train-captions TRIPLES --out RUN
  unprompt colour train-captions PAIRS --out RUN --min-count 5 --epochs 40
"""

TOLD = 5  # drawings of many about which something is said at once

# Engine -> the classes of its training's settings, in the order in which they are shown.
SETTINGS: Mapping[str, tuple[type[DataclassInstance], ...]] = {
    "small": (PainterTraining, TrainingMachine),
    "instruct": (InstructTraining, InstructMachine),
}
PAINTING: Mapping[str, tuple[type[DataclassInstance], ...]] = {
    "small": (PaintConfig,),
    "instruct": (InstructPaint,),
    "webui": (WebUIPaint,),
}
VARIANTS = "variants"  # an option of the command, whatever the engine
ENGINES = {
    "small": "the small painter, region by region",
    "instruct": "InstructPix2Pix, of a Stable Diffusion or small and from nothing",
    "webui": "a Stable Diffusion web UI over HTTP",
}


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    _add_paint(actions)
    _add_data(actions)
    _add_train(actions)
    _add_grade(actions)
    _add_caption(actions)
    _add_train_captions(actions)


def _add_paint(actions: Any) -> None:
    parser = declare(actions, "paint", "colour line art as words say")
    complete(parser, run, EXAMPLE)
    parser.add_argument("image", type=Path, nargs="?", metavar="LINE_ART", help="an image, or an .svg")
    parser.add_argument("words", nargs="?", help='what is in which colour: "a red fox with a white tail"')
    parser.add_argument(
        "--csv",
        type=Path,
        metavar="ORDERS.csv",
        help="many at once: columns image (relative to this file), words, out (a name in the folder --out)",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="a .png or .svg; with --csv a folder"
    )
    parser.add_argument("--engine", choices=tuple(ENGINES), default="small", help="what paints (%(default)s)")
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="--engine instruct: its diffusers folder"
    )
    parser.add_argument(
        "--variants", type=int, default=None, metavar="N", help="so many pictures, of seeds in a row (1)"
    )
    parser.add_argument(
        "--hint",
        action="append",
        default=[],
        metavar="X,Y,COLOUR",
        help="the region at this pixel gets this colour: a name, a code or paper; repeatable",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another folder of --csv")
    add_json(parser)
    add_settings(parser.add_argument_group("--engine small"), PaintConfig, left_open=True)
    own = {item.name for item in fields(PaintConfig)} | {VARIANTS}
    instruct, webui = ({item.name for item in fields(kind)} - own for kind in (InstructPaint, WebUIPaint))
    for engines, kind, names in (
        ("instruct and webui", InstructPaint, instruct & webui),
        ("instruct", InstructPaint, instruct - webui),
        ("webui", WebUIPaint, webui - instruct),
    ):
        add_settings(parser.add_argument_group(f"--engine {engines}"), kind, only=names, left_open=True)


def _add_data(actions: Any) -> None:
    parser = declare(actions, "data", "make triples to train on: line art, colour, words")
    complete(parser, run_data, DATA_EXAMPLE)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="TRIPLES", help="the folder for the triples"
    )
    add_settings(parser, TripleSettings)
    parser.add_argument("--overwrite", action="store_true", help="replace the triples that are in the folder")
    add_json(parser)


def _add_grade(actions: Any) -> None:
    parser = declare(actions, "grade", "score a painter on triples, beside simple ways to colour")
    complete(parser, run_grade, GRADE_EXAMPLE)
    parser.add_argument(
        "triples",
        type=Path,
        nargs="+",
        metavar="TRIPLES",
        help="triples of `unprompt colour data`; several sets are scored together and each by itself",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write a page with pictures: an .html")
    add_settings(parser, GradeConfig)
    add_json(parser)


def _add_caption(actions: Any) -> None:
    parser = declare(actions, "caption", "write captions for coloured pictures that have none")
    complete(parser, run_caption, CAPTION_EXAMPLE)
    parser.add_argument(
        "sources",
        type=Path,
        nargs="+",
        metavar="PAIRS",
        help="pairs, or coloured pictures or folders of them",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="write imgId,caption as .csv or .jsonl"
    )
    parser.add_argument(
        "--by",
        choices=WAYS,
        default="fills",
        help="fills: measured; captioner: BLIP and the like; lstm: of `train-captions`; interrogator: a CLIP "
        "(%(default)s)",
    )
    parser.add_argument(
        "--turn-into", action="store_true", help='as orders: "Turn it into a red apple with green"'
    )
    add_settings(parser.add_argument_group("--by fills"), FillSettings)
    group = parser.add_argument_group("by a network")
    add_settings(group, ModelSettings)
    group.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace a table that is there")
    add_json(parser)


def _add_train_captions(actions: Any) -> None:
    parser = declare(actions, "train-captions", "teach a CNN-LSTM to caption coloured pictures")
    complete(parser, run_train_captions, TRAIN_CAPTIONS_EXAMPLE)
    parser.add_argument(
        "pairs", type=Path, nargs="+", metavar="PAIRS", help="pairs with captions, in any layout"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for model and curves")
    add_settings(parser, CnnLstmTraining)
    parser.add_argument("--device", default="auto", help=f"{DEVICES} (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace another training in RUN")
    add_json(parser)


def _add_train(actions: Any) -> None:
    parser = declare(actions, "train", "teach an engine to colour by words, of pairs with captions")
    complete(parser, run_train, TRAIN_EXAMPLE)
    parser.add_argument(
        "pairs", type=Path, nargs="+", metavar="PAIRS", help="pairs, in any layout of docs/formats.md"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder for model and curves")
    known = "; ".join(f"{name}: {ENGINES[name]}" for name in SETTINGS)
    parser.add_argument("--engine", choices=tuple(SETTINGS), default="small", help=f"{known} (%(default)s)")
    parser.add_argument(
        "--held-out", type=Path, metavar="PAIRS", help="--engine small: others, scored after each epoch"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace another training in RUN")
    add_json(parser)
    add_trainings(parser, "--engine", SETTINGS)


def run_train(options: argparse.Namespace) -> None:
    """Train by the engine that was asked for."""
    options.when_interrupted = "run the same command again to go on from the last save"
    check_belongs(options, SETTINGS, "--engine", options.engine, (VARIANTS,))
    trainers: Mapping[str, Callable[[argparse.Namespace], None]] = {
        "small": _train_small,
        "instruct": _train_instruct,
    }
    trainers[options.engine](options)


def run_data(options: argparse.Namespace) -> None:
    """Write triples."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"
    settings = settings_from(options, TripleSettings, overwrite=options.overwrite)

    from unprompt.colouring.data import make_triples

    with StepBars("triple") as bars:
        written = make_triples(options.out, settings, bars.show)
    if options.json:
        numbers = {"triples": written.pairs, "unreadable": len(written.problems)}
        print(json.dumps({**numbers, "out": str(written.out)}))
    else:
        print(f"{counted(written.pairs, 'triple')}: {written.out}")
    if written.problems:
        warn(f"{counted(len(written.problems), 'drawing')} left out, see {written.out / 'problems.csv'}")


def run(options: argparse.Namespace) -> None:
    """Colour one drawing, or those of a table."""
    if (options.csv is None) == (options.image is None):
        raise ConfigError("name one drawing and words for it, or a table of them with --csv")
    if options.csv is None and options.words is None:
        raise ConfigError('say what is in which colour behind the drawing: "a red fox"; "" for usual colours')
    if options.variants is not None and options.variants < 1:
        raise ConfigError(f"--variants must be at least 1, got {options.variants}")
    check_belongs(options, PAINTING, "--engine", options.engine, (VARIANTS,))
    if options.model is not None and options.engine != "instruct":
        raise ConfigError(f"--model belongs to --engine instruct; the engine here is {options.engine}")
    if options.csv is None:
        check_place(options.out, is_file=True)
    if options.engine == "small":
        _paint_small(options)
    else:
        _paint_by_diffusion(options)


def _paint_small(options: argparse.Namespace) -> None:
    config = settings_from(options, PaintConfig)
    if options.csv is not None:
        _paint_orders(options, config)
        return

    from unprompt.colouring.hints import read_hint
    from unprompt.colouring.orders import encode_painted, open_drawing
    from unprompt.colouring.small_paint import ColourPainter
    from unprompt.storage.files import write_bytes

    suffix = options.out.suffix.lower()
    if suffix not in (".png", ".svg"):
        raise ConfigError(f"--out {options.out} has to end in .png or .svg")
    hints = [read_hint(text) for text in options.hint]
    picture, drawing = open_drawing(options.image)
    painter = ColourPainter.load(config.weights)
    page = painter.look(picture, config.bridge)
    written, told = [], []
    for number, one in enumerate(config.variants(options.variants or 1)):
        painted = painter.colour(page, options.words, one, hints)
        out = _numbered(options.out, number)
        write_bytes(out, encode_painted(painted, suffix, one, drawing))
        written.append(out)
        told = list(painted.told)
    if options.json:
        print(json.dumps({"files": [str(path) for path in written], "told": told}))
        return
    print(f"coloured: {', '.join(map(str, written))}")
    for sentence in told:
        warn(sentence)


def _numbered(out: Path, number: int) -> Path:
    """The file of a variant: painted.png, painted-2.png …"""
    return out.with_stem(f"{out.stem}-{number + 1}") if number else out


def _paint_orders(options: argparse.Namespace, config: PaintConfig) -> None:
    if options.hint or options.variants:
        raise ConfigError("--hint and --variants are for one drawing; leave them out with --csv")
    options.when_interrupted = "run the same command again to go on; what is done is kept"

    from unprompt.colouring.orders import paint_orders, read_orders
    from unprompt.colouring.small_paint import ColourPainter

    orders = read_orders(options.csv)
    with StepBars("drawing") as bars:
        done = paint_orders(
            orders,
            options.out,
            lambda: ColourPainter.load(config.weights),
            config,
            options.overwrite,
            bars.show,
        )
    made = done.orders - len(done.problems)
    if options.json:
        numbers = {"drawings": done.orders, "unreadable": len(done.problems), "told": done.told}
        print(json.dumps({**numbers, "out": str(done.path)}))
    else:
        print(f"{counted(made, 'drawing')} coloured: {done.path}")
        for name, sentences in list(done.told.items())[:TOLD]:
            warn(f"{name}: {'; '.join(sentences)}")
        if len(done.told) > TOLD:
            warn(f"… and {len(done.told) - TOLD:,} more, see {done.path / 'coloured.json'}")
    if done.problems:
        warn(f"{counted(len(done.problems), 'drawing')} left out, see {done.path / 'problems.csv'}")


def _paint_by_diffusion(options: argparse.Namespace) -> None:
    if options.csv is not None:
        raise ConfigError("--csv goes with --engine small")
    if options.hint:
        raise ConfigError(f"--hint belongs to --engine small; the engine here is {options.engine}")
    if options.out.suffix.lower() != ".png":
        raise ConfigError(f"--out {options.out} has to end in .png")
    open_engine = _instruct_of(options) if options.engine == "instruct" else _webui_of(options)

    from unprompt.colouring.orders import open_drawing
    from unprompt.storage.files import write_bytes
    from unprompt.storage.images import encode_png

    picture, _ = open_drawing(options.image)
    written: list[str] = []
    try:
        for number, made in enumerate(open_engine().variants(picture, options.words)):
            out = _numbered(options.out, number)
            write_bytes(out, encode_png(made))
            written.append(str(out))
            if not options.json:
                print(f"coloured: {out}")
    finally:  # also what was coloured before the web UI failed, or Ctrl-C
        if options.json and written:
            print(json.dumps({"files": written, "told": []}))


def _instruct_of(options: argparse.Namespace) -> Callable[[], WholePainter]:
    """What opens the engine, once its settings are known to be right."""
    if options.model is None:
        raise ConfigError(
            "--engine instruct needs --model FOLDER, such as RUN/model of `unprompt colour train`"
        )
    config = settings_from(options, InstructPaint)

    from unprompt.colouring.instruct_paint import open_painter

    return partial(open_painter, options.model, config)


def _webui_of(options: argparse.Namespace) -> Callable[[], WholePainter]:
    config = settings_from(options, WebUIPaint)

    from unprompt.colouring.webui_paint import WebUIPainter

    return partial(WebUIPainter, config, find_auth())


def run_grade(options: argparse.Namespace) -> None:
    """Print a table, or the numbers as JSON, and write a page."""
    config = settings_from(options, GradeConfig)
    if not options.out:
        check_needed(options, GradeConfig, "--out", only=("shown",))

    from unprompt.colouring.grade import grade_page, grade_painters, table_of
    from unprompt.datasets.pairs import read_pairs
    from unprompt.storage.files import write_bytes

    alike = len({path.name for path in options.triples}) < len(options.triples)
    sets = {str(path) if alike else path.name: read_pairs(path) for path in options.triples}
    with StepBars("triple") as bars:
        graded = grade_painters(sets, config, bars.show)
    # Before the page is drawn, which may fail: the scores took their time.
    print(json.dumps(graded.as_dict()) if options.json else table_of(graded), flush=True)
    if options.out:
        write_bytes(options.out, grade_page(graded, config).encode())
        if not options.json:
            print(f"page: {options.out}")


def run_caption(options: argparse.Namespace) -> None:
    """Write a table of captions."""
    options.when_interrupted = "run the same command again to go on; what is done is kept"
    way = CaptionWay(
        options.by,
        settings_from(options, FillSettings),
        settings_from(options, ModelSettings),
        options.turn_into,
    )
    if options.by == FILLS and options.device != "auto":
        raise ConfigError("--device belongs to captions by a network; fills are measured")

    from unprompt.colouring.write_captions import write_captions

    with StepBars("image") as bars:
        done = write_captions(options.sources, options.out, way, options.device, bars.show, options.overwrite)
    unreadable = len(done.problems)
    if options.json:
        print(json.dumps({"images": done.images, "unreadable": unreadable, "out": str(done.path)}))
        return
    resumed = ", going on from an earlier start" if done.resumed else ""
    print(f"{counted(done.images - unreadable, 'caption')}{resumed}: {done.path}")
    if unreadable:
        warn(f"{unreadable:,} of {counted(done.images, 'image')} could not be read")


def run_train_captions(options: argparse.Namespace) -> None:
    """Teach a CNN-LSTM."""
    options.when_interrupted = "run the same command again to go on from the last save"
    config = settings_from(options, CnnLstmTraining)

    from unprompt.colouring.train_captions import train_captions
    from unprompt.datasets.pairs import join_pairs, read_pairs
    from unprompt.networks.captioners import MODEL_FILE

    pairs = join_pairs(map(read_pairs, options.pairs))
    with StepBars("image") as bars:
        learnt = train_captions(pairs, options.out, config, options.device, options.overwrite, bars.show)
    path = options.out / MODEL_FILE
    if options.json:
        print(json.dumps({"seconds": round(learnt.seconds, 3), "loss": learnt.loss, "out": str(path)}))
        return
    print(f"learnt in {learnt.seconds:.0f} s, the last loss {learnt.loss:.3f}: {path}")
    words = ("colour", "caption", "PICTURES", "--by", "lstm", "--model", path, "--out", "captions.csv")
    print(f"try it: {command(*words)}")


def _train_small(options: argparse.Namespace) -> None:
    config, machine = settings_from(options, PainterTraining), settings_from(options, TrainingMachine)

    from unprompt.colouring.train_small import MODEL_FILE, train_painter
    from unprompt.datasets.pairs import join_pairs, read_pairs

    held_out = read_pairs(options.held_out) if options.held_out else None
    with StepBars("triple") as bars:
        learnt = train_painter(
            join_pairs(map(read_pairs, options.pairs)),
            options.out,
            config,
            machine,
            held_out,
            options.overwrite,
            progress=bars.show,
        )
    path = learnt.out / MODEL_FILE
    try_it = ("colour", "paint", "LINE_ART", "a red fox", "--out", "FILE", "--weights", path)
    tell_training(options, learnt, {"triples": learnt.triples}, "triple", learnt.rows[-1], path, try_it)


def _train_instruct(options: argparse.Namespace) -> None:
    if options.held_out:
        raise ConfigError("--held-out belongs to --engine small; the engine here is instruct")
    training, machine = (given_settings(options, kind) for kind in SETTINGS["instruct"])
    config, chosen = training_of(training, machine)

    from unprompt.colouring.train_instruct import MODEL, train_instruct
    from unprompt.datasets.pairs import join_pairs, read_pairs

    with StepBars("pair") as bars:
        learnt = train_instruct(
            join_pairs(map(read_pairs, options.pairs)),
            options.out,
            config,
            chosen,
            options.overwrite,
            bars.show,
        )
    if not speaks():
        return
    path = learnt.out / MODEL
    if options.json:
        numbers = {"pairs": learnt.pairs, "steps": learnt.steps, "seconds": round(learnt.seconds, 3)}
        print(json.dumps({**numbers, "last_epoch": learnt.rows[-1], "out": str(path)}))
        return
    resumed = ", going on from an earlier start" if learnt.resumed else ""
    loss = learnt.rows[-1]["loss"]
    print(
        f"{counted(learnt.steps, 'step')} on {counted(learnt.pairs, 'pair')} in {learnt.seconds:.0f} s"
        f"{resumed}, the last loss {loss:.4f}: {path}"
    )
