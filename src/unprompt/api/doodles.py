"""Doodles of requests: strokes in, names, a caption and a prompt out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unprompt.api.config import MOST_POINTS
from unprompt.api.contract import DoodleAnswer, DoodleGuess, DoodleRequest
from unprompt.doodles.drawing import Drawing
from unprompt.doodles.paint_config import DoodlePaint
from unprompt.doodles.steps import Steps, open_steps
from unprompt.doodles.wording import content_of
from unprompt.errors import ConfigError, InputError, UnpromptError
from unprompt.serving.painters import NotHereError


@dataclass(frozen=True, eq=False)
class DoodleOrder:
    """A drawing that is to be named, checked; `word`: what it is, where that is known."""

    drawing: Drawing
    word: str
    top: int
    style: str


def read_order(request: DoodleRequest) -> DoodleOrder:
    """A request as an order. Raises InputError for too many points, what is no drawing, and an empty word."""
    count = sum(map(len, request.strokes))
    if count > MOST_POINTS:
        raise InputError(f"strokes: {count:,} points, the limit here is {MOST_POINTS:,}; send fewer")
    drawing = Drawing(tuple(np.array(stroke, float) for stroke in request.strokes))
    word = " ".join(request.word.split())
    if word and not (word.isprintable() and content_of(word)):
        raise InputError(f"word: {word!a} names nothing; say what the drawing shows, such as cat")
    return DoodleOrder(drawing, word, request.top, request.style)


def tell(order: DoodleOrder, device: str = "cpu") -> DoodleAnswer | UnpromptError:
    """What a drawing is; what is wrong with it is given back, so that it harms no other."""
    steps = open_steps(DoodlePaint(device=device))
    if steps.namer is None:
        return NotHereError("nothing here names drawings")
    try:
        return _answer(order, steps)
    except (ConfigError, InputError) as error:
        return error


def _answer(order: DoodleOrder, steps: Steps) -> DoodleAnswer:
    guesses = steps.guesses(order.drawing, order.top)
    last = len(order.drawing.strokes) - 1
    caption = steps.caption(order.drawing, {last: order.word} if order.word else {}, guesses)
    return DoodleAnswer(
        guesses=[DoodleGuess(word=guess.word, probability=guess.probability) for guess in guesses],
        caption=caption,
        prompt=steps.prompt(caption, order.style),
        negative_prompt=steps.negative_prompt(order.style),
    )
