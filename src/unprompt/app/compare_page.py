"""Two pictures or prompts side by side: how near they are, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.app.asking import ask
from unprompt.app.looks import bars, chips, empty, head, label, meter, note, text_to_copy
from unprompt.app.picture_inputs import Picture, pick_picture
from unprompt.demos.compare import (
    Comparison,
    Difference,
    Side,
    compare,
    image_side,
    prompt_side,
    similarity_in_words,
    unrelated_images,
)
from unprompt.demos.sample_uploads import sample_images

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle

PICTURE, PROMPT = "Picture", "Prompt"


@dataclass(frozen=True)
class Chosen:
    """What a visitor put on one side: a picture, or a text."""

    picture: Picture | None
    text: str

    @property
    def key(self) -> tuple[str, str]:
        """The same for the same content."""
        return (PICTURE, self.picture.digest) if self.picture else (PROMPT, self.text)


def show() -> None:
    """The page."""
    head("Compare", "Two pictures or prompts beside each other: how near they are, and what sets them apart.")
    columns = st.columns(2, gap="large")
    chosen = []
    for position, (column, name) in enumerate(zip(columns, ("First", "Second"), strict=True)):
        with column:
            chosen.append(choose(name, first_sample=position))
    sides: list[Side] = []
    for column, one in zip(columns, chosen, strict=True):
        if one is None:
            continue
        with column:
            side = ask(("side", *one.key), "Looking.", partial(_side, one))
            if side is None:
                return
            sides.append(side)
            if one.picture:
                text_to_copy("Recovered prompt", side.prompt)
    if len(sides) < 2:
        empty("Put something on both sides to compare them.")
        return
    show_comparison(sides, of_pictures=all(one and one.picture for one in chosen))


def choose(name: str, first_sample: int) -> Chosen | None:
    """One side's widgets."""
    key = f"compare-{name.lower()}"
    kind = st.segmented_control(
        name, (PICTURE, PROMPT), default=PICTURE, required=True, key=f"{key}-kind", persist_state="session"
    )
    if kind == PROMPT:
        text = st.text_area("Prompt", key=f"{key}-text", max_chars=2000, label_visibility="collapsed",
                            placeholder="a watercolor of a penguin on a snowy field",
                            persist_state="session")  # fmt: skip
        return Chosen(None, " ".join(text.split())) if text and text.strip() else None
    picture = pick_picture(key, first_sample)
    if picture is None:
        return None
    st.image(picture.small, width="stretch", alt=picture.name)
    return Chosen(picture, "")


def show_comparison(sides: Sequence[Side], of_pictures: bool) -> None:
    """The number and the differences, and where pictures are compared, what members make of them."""
    found = compare(sides[0], sides[1])
    with st.container(border=True):
        words = similarity_in_words(found.texts)
        meter(found.texts, found.unrelated, "two unrelated prompts", f"the prompts are {words}")
        if found.members and st.toggle("What the members say", key="compare-members"):
            show_members(found, sides if of_pictures else ())
    for title, difference in (("Phrases", found.phrases), ("Words", found.words)):
        show_difference(title, difference)


def show_members(found: Comparison, pictures: Sequence[Side]) -> None:
    """The similarity of the predicted embeddings, all together and each member's.

    `pictures`: both sides where both are pictures; those are compared with sample pictures as well.
    """
    others = ask("samples", "Looking at sample pictures, to compare with.", _samples) if pictures else None
    unrelated = unrelated_images(pictures, others) if others else None
    label("The predicted embeddings, by all members together")
    meter(found.similarity, unrelated, "with sample pictures")
    if len(found.members) > 1:
        bars(list(found.members.items()))
    note(
        "Predicted embeddings keep near to the mean of all prompts, "
        "so pictures look more alike here than their prompts do."
    )


def show_difference(title: str, difference: Difference) -> None:
    """What is only in the first, in both, only in the second."""
    st.subheader(title, anchor=False)
    first, both, second = st.columns(3, gap="medium")
    with first:
        chips("Only in the first", difference.only_first)
    with both:
        chips("In both", difference.both, kind="both")
    with second:
        chips("Only in the second", difference.only_second)


def _side(chosen: Chosen, loaded: LoadedBundle) -> Side:
    if chosen.picture:
        return image_side(loaded, chosen.picture.image())
    return prompt_side(loaded, chosen.text)


def _samples(loaded: LoadedBundle) -> list[Side]:
    return [image_side(loaded, image) for image in sample_images()]


show()
