"""The small painter at use: which colour each region of a drawing gets, by words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from unprompt.colouring.examples import CHOICES, POINTS, SHAPE, Heard, Seen
from unprompt.colouring.network import Inputs, Painter
from unprompt.colouring.palette import PAPER, USUAL, classes_of
from unprompt.pocket.closing import NOTHING
from unprompt.records import DIM

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.colouring.mentions import Mention

    Ints = NDArray[np.int64]

ALONE = 192  # regions that are looked at together
# Of logits, and a share; chosen on drawings that were held out from training.
MARGIN, RELUCTANT, COVERED = 1.0, 2.0, 0.8
WITH = 64  # of these, the largest, which all others are looked at with


def choose(network: Painter, seen: Seen, heard: Heard) -> NDArray[np.float32]:
    """Logits (R, CHOICES + M) of each region, in `seen.order`.

    Of a drawing with very many regions the largest are looked at with each bundle of smaller ones.
    """
    network.eval()
    count = len(seen.order)
    found = np.empty((count, CHOICES + len(heard.slots)), np.float32)
    first = np.arange(min(count, ALONE))
    bundles = [first]
    for start in range(ALONE, count, ALONE - WITH):
        bundles.append(np.concatenate([first[:WITH], np.arange(start, min(start + ALONE - WITH, count))]))
    with torch.inference_mode():
        for number, rows in enumerate(bundles):
            made = network(gather([(seen, rows, heard)], network.config.side))[0].numpy()
            new = rows if number == 0 else rows[WITH:]
            found[new] = made[len(rows) - len(new) : len(rows), : found.shape[1]]
    return found


def settle(logits: NDArray[np.floating], areas: NDArray[np.number]) -> Ints:
    """A choice for each region (R,) of logits (R, CHOICES + M) and its area, in any unit.

    What a word is about is as large as the network expects, the sum of areas times probabilities: the word
    has its likeliest regions until COVERED of that is reached. All others take what is likeliest, words
    being RELUCTANT: else they flood what nothing is said about. A colour that no region would have goes to
    the one that gives up least for it, and to those that give up hardly more (MARGIN); not to the last region
    of another named colour.
    """
    if not len(logits):
        return np.zeros(0, np.int64)
    return _each_somewhere(_covered(logits, areas), logits)


def _covered(logits: NDArray[np.floating], areas: NDArray[np.number]) -> Ints:
    """Choices (R,), of which each named colour has no more than it is expected to."""
    first = logits.argmax(1)
    reluctant = logits.copy()
    reluctant[:, CHOICES:] -= RELUCTANT
    best: Ints = reluctant.argmax(1)
    likely = np.exp(logits - logits.max(1, keepdims=True), dtype=np.float64)
    likely /= likely.sum(1, keepdims=True)
    for colour in range(CHOICES, logits.shape[1]):
        expected = likely[:, colour] * areas
        order = np.argsort(-likely[:, colour], kind="stable")
        had = np.where(first == colour, expected, 0)[order]
        needed = np.cumsum(had) - had < COVERED * expected.sum()
        best[order[needed & (first[order] == colour)]] = colour
    return best


def _each_somewhere(best: Ints, logits: NDArray[np.floating]) -> Ints:
    """The same choices (R,), but that a named colour which has no region gets one."""
    named = range(CHOICES, logits.shape[1])
    for colour in named:
        if (best == colour).any():
            continue
        given_up = np.take_along_axis(logits, best[:, None], 1)[:, 0] - logits[:, colour]
        counts = np.bincount(best, minlength=logits.shape[1])
        given_up[(best >= CHOICES) & (counts[best] == 1)] = np.inf
        if not np.isfinite(given_up).any():
            continue
        taken = given_up <= given_up.min() + MARGIN
        for other in named:
            mine = best == other
            if mine.any() and not (mine & ~taken).any():
                taken[np.flatnonzero(mine)[given_up[mine].argmax()]] = False
        best = np.where(taken, colour, best)
    return best


def gather(those: Sequence[tuple[Seen, Ints, Heard]], side: int) -> Inputs:
    """Drawings, which of their regions, and texts, as one batch."""
    batch = len(those)
    most = max(1, *(len(rows) for _, rows, _ in those))
    tokens = max(len(heard.states) for *_, heard in those)
    slots = max(1, *(len(heard.slots) for *_, heard in those))
    ink = np.empty((batch, 1, side, side), np.float32)
    points = np.zeros((batch, most, POINTS, 2), np.float32)
    shapes = np.zeros((batch, most, SHAPE), np.float32)
    there = np.zeros((batch, most), bool)
    states = np.zeros((batch, tokens, DIM), np.float32)
    spoken = np.zeros((batch, tokens), bool)
    at = np.full((batch, slots), -1, np.int64)
    basics = np.zeros((batch, slots), np.int64)
    for number, (seen, rows, heard) in enumerate(those):
        ink[number, 0] = seen.ink / np.float32(255)
        points[number, : len(rows)] = seen.points[rows]
        shapes[number, : len(rows)] = seen.shapes[rows]
        there[number, : len(rows)] = True
        states[number, : len(heard.states)] = heard.states
        spoken[number, : len(heard.states)] = True
        at[number, : len(heard.slots)] = heard.slots
        basics[number, : len(heard.slots)] = heard.basics
    return Inputs(*map(torch.from_numpy, (ink, points, shapes, there, states, spoken, at, basics)))


def colours_of(choices: Ints, mentions: Sequence[Mention]) -> Ints:
    """Choices (R,) as colours, 0xRRGGBB, NOTHING for paper."""
    table = np.array([NOTHING, *USUAL, *(mention.colour.rgb for mention in mentions)])
    found: Ints = table[choices]
    return found


def basics_of(choices: Ints, named: Ints) -> Ints:
    """Choices (R,) as numbers in CLASSES; `named`: those of the named colours (M,)."""
    found: Ints = np.concatenate([[PAPER], classes_of(np.array(USUAL)), named])[choices]
    return found
