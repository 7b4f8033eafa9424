"""A picture -> its prompt in phrases, the nearest known prompts, and how near one's own wording comes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.app.asking import ask, await_answer
from unprompt.app.looks import bars, big_number, chips, empty, head, label, note, text_to_copy
from unprompt.app.picture_inputs import Picture, pick_picture
from unprompt.demos.compare import similarity_in_words
from unprompt.demos.edits import (
    KIND_NAMES,
    Place,
    Wording,
    find_in_file,
    find_place,
    measure,
    positive_modes,
    recover,
    with_wording,
)
from unprompt.easy_diffuser.config import GROUPS, NegativeConfig
from unprompt.easy_diffuser.negative import NEGATIVE, Negative, chosen_words, find_negative, join_negative
from unprompt.html.kit import write_number

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle
    from unprompt.interrogator.modes import Interrogation
    from unprompt.metadata.generation import Generation


def show() -> None:
    """The page."""
    head("Prompt", "Which prompt may have made this picture? See it in its phrases, then try your own words.")
    picture = pick_picture("prompt")
    if picture is None:
        empty("The prompt appears here, with what it is made of.")
        return
    left, right = st.columns([2, 3], gap="large")
    left.image(picture.small, width="stretch", alt=picture.name)
    with right:
        show_from_file(picture)
        modes = ask("modes", "Looking which modes the bundle has.", lambda loaded: loaded.modes)
        if modes is None:
            return
        mode = choose_mode(positive_modes(modes))
        doing = f"Looking at {picture.name} in the mode {mode}."
        found = ask(("prompt", mode, picture.digest), doing, partial(_recover, picture, mode))
        if found is None:
            return
        show_prompt(found)
        show_negative(picture, NEGATIVE in modes)
    place = ask(("place", picture.digest), "Predicting its embedding.", partial(_place, picture))
    if place is None:
        return
    left, right = st.columns(2, gap="large")
    with left:
        show_wordings(f"{mode}-{picture.digest}", found.prompt, place)
    with right:
        show_known(place)


def show_from_file(picture: Picture) -> None:
    """The prompt that stands in the picture's file, said to be that; nothing where there is none."""
    found = _from_file(picture.digest, picture)
    if found is None:
        return
    text_to_copy("Prompt read from the file", found.prompt)
    if found.negative:
        text_to_copy("Negative prompt read from the file", found.negative)
    by = f" by {found.tool}" if found.tool else ""
    note(f"It was written into the file ({found.place}){by}. What is guessed here does not look at it.")


def choose_mode(modes: tuple[str, ...]) -> str:
    """One of the modes; where there is a single one, no widget."""
    if len(modes) == 1:
        return modes[0]
    return st.segmented_control("Mode", modes, default=modes[0], required=True, key="prompt-mode") or modes[0]


def show_prompt(found: Interrogation) -> None:
    """The prompt, and its phrases by kind."""
    text_to_copy("Recovered prompt", found.prompt)
    for kind, choices in found.by_kind().items():
        chips(KIND_NAMES.get(kind, kind), [(choice.phrase, choice.similarity) for choice in choices])
    note(f"Similarity of the whole prompt with the picture: {write_number(found.similarity, 2)}")


def show_negative(picture: Picture, slow: bool) -> None:
    """The negative prompt; what is `slow`, as it takes as long as the prompt, is made when asked for."""
    wanted: set[str] = st.session_state.setdefault("negatives", set())
    of_picture = ""
    if slow and picture.digest not in wanted:
        st.button("Find a negative prompt", on_click=wanted.add, args=(picture.digest,))
    else:
        doing = "Looking for what the picture is not."
        found = ask(("negative", picture.digest), doing, partial(_negative, picture))
        if found is None:
            return
        of_picture = found.text
        if found.why_not:
            chips("Negative prompt of this picture", (), none=f"None: {found.why_not}.")
    words = choose_words()
    whole = join_negative(of_picture, words)
    if whole:
        text_to_copy("Negative prompt" if of_picture else "Negative prompt, of usual words alone", whole)


def choose_words() -> tuple[str, ...]:
    """Usual words for a negative prompt: groups to switch on and off, and in them each word."""
    groups = st.pills(
        "Usual words",
        GROUPS,
        selection_mode="multi",
        default=GROUPS[:1],
        format_func=str.capitalize,
        key="negative-groups",
    )
    config = NegativeConfig(words=tuple(group for group in GROUPS if group in groups))
    words = chosen_words(config)
    if not words:
        return ()
    with st.expander("Choose the words"):
        kept = st.pills(
            "Words",
            words,
            selection_mode="multi",
            default=words,
            key=f"negative-words-{'-'.join(config.words)}",
            label_visibility="collapsed",
        )
    return tuple(word for word in words if word in kept)


def show_known(place: Place) -> None:
    """The nearest known prompts."""
    st.subheader("Nearest known prompts", anchor=False)
    if place.known:
        bars(place.known)
    else:
        note("No prompts are known here: start the app with --known prompts.csv, or a bundle with a bank.")


@st.fragment
def show_wordings(state: str, start: str, place: Place) -> None:
    """A field for one's own wording, its similarity as it changes, and the wordings that were kept."""
    st.subheader("Your own words", anchor=False)
    text = st.text_input(
        "Edit the prompt",
        value=start,
        max_chars=2000,
        live="300ms",
        key=f"wording-{state}",
        label_visibility="collapsed",
    )
    if not text or not text.strip():
        note("Write something to see how near it comes.")
        return
    first, now = await_answer("Measuring.", partial(_measure, (start, text), place))
    kept: tuple[Wording, ...] = st.session_state.setdefault(f"kept-{state}", (first,))
    says = similarity_in_words(now.similarity)
    if now.text != first.text:
        says += f"; {beside(now.similarity - first.similarity)} the recovered prompt"
    big_number(now.similarity, "Similarity to the picture's predicted embedding", says)
    if now.text not in [one.text for one in kept]:

        def keep() -> None:
            st.session_state[f"kept-{state}"] = with_wording(kept, now)

        st.button("Keep this wording", key="keep-wording", on_click=keep)
    if len(kept) > 1:
        label("Wordings so far")
        bars([(one.text, one.similarity) for one in sorted(kept, key=lambda one: -one.similarity)])


def beside(difference: float) -> str:
    """A difference of similarities, as it is said before what it is a difference to."""
    if abs(difference) < 0.0005:
        return "as near as"
    return f"{write_number(abs(difference), 3)} {'above' if difference > 0 else 'below'}"


@st.cache_data(max_entries=100, show_spinner=False)
def _from_file(digest: str, _picture: Picture) -> Generation | None:
    """What stands in a file, read once for the same bytes, which `digest` stands for."""
    return find_in_file(_picture.upload.content)


def _recover(picture: Picture, mode: str, loaded: LoadedBundle) -> Interrogation:
    return recover(loaded, picture.image(), mode)


def _negative(picture: Picture, loaded: LoadedBundle) -> Negative:
    return find_negative(loaded, picture.image())


def _place(picture: Picture, loaded: LoadedBundle) -> Place:
    return find_place(loaded, picture.image())


def _measure(texts: Sequence[str], place: Place, loaded: LoadedBundle) -> list[Wording]:
    return measure(loaded, texts, place.embedding)


show()
