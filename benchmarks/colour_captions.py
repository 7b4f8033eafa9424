"""Captions for colour: measured ones beside a CNN-LSTM, a BLIP from nothing and a CLIP, on the same triples.

What is scored is which of the eleven basic colours a caption names, as a set. There are two truths: the
colours that the triple's own caption names, of the triples that name some; and the colours that the regions
of the coloured picture have, those of 4 % of the figure and more, and that of a coloured ground. Counts are
added over all triples: recall is the share of the true colours that are named, precision the share of the
named ones that are true. Captions of triples name mostly colours that the things do not usually have, so a
captioner has to look. `<unk>` is the share of a caption's words that are the CNN-LSTM's <unk>.

Seconds are CPU seconds of training, with all that it needs (the frozen network's look at every picture), and
of captioning the held-out pictures.

    python benchmarks/colour_captions.py TRIPLES HELD_OUT --out RUNS
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from unprompt.colouring.captions import Colours, measure_pair, measure_picture, word_colours
from unprompt.colouring.captions_config import FillSettings
from unprompt.colouring.material import open_image
from unprompt.colouring.mentions import find_mentions
from unprompt.colouring.palette import BASIC, CLASSES, PAPER, class_of
from unprompt.colouring.write_captions import ClipCaptioner
from unprompt.datasets.pairs import Pairs, read_pairs
from unprompt.datasets.pixels import Pixels, open_pixels
from unprompt.learning.cnn_lstm_config import CnnLstmTraining
from unprompt.learning.train_captioner import CaptionerTraining, train_captioner
from unprompt.learning.train_cnn_lstm import look_at, train_cnn_lstm
from unprompt.networks.captioner import Captioner
from unprompt.networks.captioners import MODEL_FILE
from unprompt.networks.cnn_lstm import CnnLstmCaptioner, Eyes

UNKNOWN = "<unk>"
LEAST = 0.04  # of the figure: what the second truth counts

Sets = Sequence[frozenset[int]]


class Score(NamedTuple):
    """Recall and precision, and the recall of each basic colour (NaN where it is never true)."""

    recall: float
    precision: float
    by_colour: dict[str, float]


@dataclass(frozen=True)
class Row:
    """What one way gave: the held-out captions, and CPU seconds."""

    name: str
    captions: list[str]
    training: float | None
    captioning: float | None


def score(truths: Sets, named: Sets) -> Score:
    """Of N sets of colours that are true and that were named; those without a true one do not count."""
    both = [(true, said) for true, said in zip(truths, named, strict=True) if true]
    right = sum(len(true & said) for true, said in both)
    wanted, said_in_all = (sum(map(len, column)) for column in zip(*both, strict=True))
    by_colour = {}
    for basic in BASIC:
        number = class_of(basic)
        there = [number in said for true, said in both if number in true]
        by_colour[basic] = sum(there) / len(there) if there else float("nan")
    return Score(right / max(wanted, 1), right / max(said_in_all, 1), by_colour)


def colours_in(caption: str) -> frozenset[int]:
    """The basic colours that a caption names."""
    return frozenset(mention.colour.basic for mention in find_mentions(caption))


def unknown_share(captions: Sequence[str]) -> float:
    """The share of the captions' words that are <unk>."""
    words = [word for caption in captions for word in caption.split()]
    return words.count(UNKNOWN) / max(len(words), 1)


def colours_of_regions(found: Colours) -> frozenset[int]:
    """The second truth of a triple."""
    shown = {basic for basic, share in found.shares if share >= LEAST}
    return frozenset(shown | ({found.ground} - {PAPER}))


def by_fills(name: str, found: Sequence[Colours], settings: FillSettings, seconds: float) -> Row:
    """Measured captions."""
    captions = [
        word_colours(
            one.named(settings.least, settings.most), "", CLASSES[one.ground] if one.ground != PAPER else ""
        )
        for one in found
    ]
    return Row(name, captions, None, seconds)


def by_backbone(
    name: str, captioner: Captioner | CnnLstmCaptioner | ClipCaptioner, held: Pairs, training: float | None
) -> Row:
    """Captions by a network."""
    start = time.process_time()
    captions: list[str] = []
    for first in range(0, len(held), captioner.batch):
        some = [over_white(open_image(file)) for file in held.targets[first : first + captioner.batch]]
        captions += captioner.features([captioner.prepare(image) for image in some]).tolist()
    return Row(name, captions, training, time.process_time() - start)


def over_white(image: Image.Image) -> Image.Image:
    """As a viewer shows it."""
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image.convert("RGBA"))
    return white.convert("RGB")


def timed(work: Callable[[], object]) -> float:
    """CPU seconds of a piece of work."""
    start = time.process_time()
    work()
    return time.process_time() - start


def by_lstm(pixels: Pixels, train: Pairs, held: Pairs, out: Path, epochs: int, stages: bool) -> Iterator[Row]:
    """CNN-LSTMs with two cut-offs, as in the paper; or one that is told of every stage of its CNN."""
    eyes = Eyes.load(CnnLstmTraining.backbone, CnnLstmTraining.size, stages)
    start = time.process_time()
    features = look_at(pixels, eyes)
    looking = time.process_time() - start
    for min_count in (1,) if stages else (5, 1):
        config = CnnLstmTraining(min_count=min_count, epochs=epochs, stages=stages)
        run = out / f"lstm-{min_count}{'-stages' if stages else ''}"
        seconds = looking + timed(
            partial(train_cnn_lstm, features, train.captions or (), run, config, overwrite=True)
        )
        captioner = CnnLstmCaptioner.load("cpu", run / MODEL_FILE)
        name = f"CNN-LSTM, min_count {min_count}{', every stage' if stages else ''}"
        yield by_backbone(name, captioner, held, seconds)


def table_of(rows: Sequence[Row], truths: dict[str, Sets]) -> str:
    """Both tables, in Markdown."""
    heads = [f"{truth}: {what}" for truth in truths for what in ("recall", "precision")]
    lines = ["| captions | " + " | ".join([*heads, UNKNOWN, "training, s", "captioning, s"]) + " |"]
    lines.append("|---|" + "---:|" * (len(heads) + 3))
    colours = ["| captions | " + " | ".join(BASIC) + " |", "|---|" + "---:|" * len(BASIC)]
    for row in rows:
        named = [colours_in(caption) for caption in row.captions]
        scores = [score(true, named) for true in truths.values()]
        cells = [f"{value:.3f}" for one in scores for value in (one.recall, one.precision)]
        seconds = ["" if value is None else f"{value:.0f}" for value in (row.training, row.captioning)]
        lines.append(
            f"| {row.name} | " + " | ".join([*cells, f"{unknown_share(row.captions):.3f}", *seconds]) + " |"
        )
        by_colour = [f"{value:.2f}" for value in scores[0].by_colour.values()]
        colours.append(f"| {row.name} | " + " | ".join(by_colour) + " |")
    return "\n".join([*lines, "", "Recall of each colour that the triple's caption names:", "", *colours])


def main() -> None:
    """Train what is to be trained, caption the held-out triples, print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("triples", type=Path, help="of `unprompt colour data`")
    parser.add_argument("held_out", type=Path, help="others, of other drawings")
    parser.add_argument("--out", type=Path, required=True, help="folder for the networks")
    parser.add_argument("--count", type=int, default=4000, help="triples that are learnt from")
    parser.add_argument("--lstm-epochs", type=int, default=8)
    parser.add_argument("--every-stage", action="store_true", help="also a CNN-LSTM that is told of all")
    parser.add_argument("--blip-epochs", type=int, default=3)
    parser.add_argument("--captioner", type=Path, help="also a trained captioner: a folder of BLIP")
    parser.add_argument("--clip", help="also the interrogator: open_clip's name of a CLIP")
    parser.add_argument("--checkpoint", type=Path, help="the CLIP's file")
    parser.add_argument("--phrases", default="", help="a folder with flavors.txt: what the CLIP chooses from")
    options = parser.parse_args()
    train, held = read_pairs(options.triples), read_pairs(options.held_out)
    train = train.at(train.ids[: options.count])
    start = time.process_time()
    between_lines = [
        measure_pair(open_image(source), open_image(target))
        for source, target in zip(held.sources, held.targets, strict=True)
    ]
    pair_seconds = time.process_time() - start
    start = time.process_time()
    alone = [measure_picture(open_image(target)) for target in held.targets]
    alone_seconds = time.process_time() - start
    truths: dict[str, Sets] = {
        "caption": [colours_in(text) for text in held.captions or ()],
        "regions": [colours_of_regions(found) for found in between_lines],
    }

    def keep(row: Row) -> None:
        rows.append(row)
        some = score(truths["caption"], [colours_in(caption) for caption in row.captions])
        print(f"# {row.name}: {some.recall:.3f} {some.precision:.3f} {row.captions[:4]}", flush=True)

    rows: list[Row] = []
    keep(Row("the true caption", list(held.captions or ()), None, None))
    usual = FillSettings()
    keep(by_fills("fills, between the lines", between_lines, usual, pair_seconds))
    keep(by_fills("fills, between the lines, --most 2", between_lines, FillSettings(most=2), pair_seconds))
    keep(by_fills("fills, of the picture alone", alone, usual, alone_seconds))
    preprocess = Eyes.load(CnnLstmTraining.backbone, CnnLstmTraining.size).preprocess
    pixels = open_pixels(train.side("target"), preprocess, "auto", options.out)
    blip = CaptionerTraining(epochs=options.blip_epochs, guidance=0)
    seconds = timed(
        lambda: train_captioner(pixels, train.captions or (), options.out / "blip", blip, overwrite=True)
    )
    keep(by_backbone("BLIP from nothing", Captioner.load("cpu", options.out / "blip"), held, seconds))
    if options.captioner:
        keep(
            by_backbone(
                f"BLIP, {options.captioner.name}", Captioner.load("cpu", options.captioner), held, None
            )
        )
    if options.clip:
        keep(
            by_backbone(
                f"interrogator, {options.clip}",
                ClipCaptioner.load("cpu", options.clip, options.checkpoint, options.phrases),
                held,
                None,
            )
        )
    for stages in (False, True)[: 1 + options.every_stage]:
        for row in by_lstm(pixels, train, held, options.out, options.lstm_epochs, stages):
            keep(row)
    print(table_of(rows, truths))
    pixels.discard()


if __name__ == "__main__":
    main()
