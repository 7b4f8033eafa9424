"""Pictures -> their prompts, what those are worth, the nearest known prompts, one's own wordings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.app.asking import ask, await_answer
from unprompt.app.looks import bars, chips, empty, head, label, meter, note, text_to_copy
from unprompt.app.picture_inputs import Picture, pick_pictures
from unprompt.demos.edits import (
    KIND_NAMES,
    Place,
    Wording,
    find_in_file,
    find_place,
    measure,
    positive_modes,
    prompts_csv,
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

UNRELATED = "an unrelated prompt"
PHRASES = "phrases"  # the mode of a bundle without a CLIP
MEANING = (
    "Similarity: the cosine of a prompt's embedding with the one that the bundle predicts for the picture, "
    "from what it saw there. An unrelated prompt: the mean over 1,632 public ones (PartiPrompts). "
    "A high number says that the words fit what was seen, not that it was seen rightly."
)


def show() -> None:
    """The page."""
    head("Prompt", "Which prompts may have made these pictures? Copy them, or try words of your own.")
    pictures = pick_pictures("prompt")
    if not pictures:
        empty("Upload, paste or drop pictures, or take a sample.")
        return
    modes = ask("modes", "Looking which modes the bundle has.", lambda loaded: loaded.modes)
    if modes is None:
        return
    mode = choose_mode(positive_modes(modes))
    told: list[Interrogation] = []
    for number, picture in enumerate(pictures, start=1):
        of = f"{picture.name}, {number} of {len(pictures)}" if len(pictures) > 1 else picture.name
        with st.container(border=True, key=f"picture-{picture.digest}"):
            found = show_picture(picture, mode, f"Looking at {of}.", NEGATIVE in modes, len(pictures) == 1)
        if found is None:
            break
        told.append(found)
    show_download(pictures[: len(told)], told)
    note(MEANING)


def show_picture(picture: Picture, mode: str, doing: str, slow: bool, alone: bool) -> Interrogation | None:
    """A picture beside its prompt; what else there is to say at once where it is `alone`, else if wanted.

    Returns its prompt, or None where the visitor stopped.
    """
    left, right = st.columns([2, 3] if alone else [1, 2], gap="medium")
    left.image(picture.small, width="stretch", alt=picture.name)
    with right:
        note(picture.name)
        show_from_file(picture)
        found = ask(("prompt", mode, picture.digest), doing, partial(_recover, picture, mode))
        place = ask(("place", picture.digest), doing, partial(_place, picture)) if found else None
        if found is None or place is None:
            return None
        measured = ask(("measured", mode, picture.digest), doing, partial(_measure, (found.prompt,), place))
        if measured is None:
            return None
        show_prompt(found, mode, measured[0].similarity, place)
        wanted = alone or st.toggle(
            "Negative prompt, your own words", key=f"more-{picture.digest}", persist_state="session"
        )
        if wanted:
            show_negative(picture, slow)
    if wanted:
        columns = st.columns(2, gap="large") if place.known else [st.container()]
        with columns[0]:
            show_wordings(f"{mode}-{picture.digest}", measured[0], place)
        if place.known:
            with columns[1]:
                show_known(place)
    return found


def show_download(pictures: Sequence[Picture], told: Sequence[Interrogation]) -> None:
    """The prompts of several pictures as a table."""
    if len(told) > 1:
        st.download_button(
            "Download all as CSV",
            prompts_csv([picture.name for picture in pictures], [found.prompt for found in told]),
            "prompts.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )


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
    mode = st.segmented_control(
        "Mode", modes, default=modes[0], required=True, key="prompt-mode", persist_state="session"
    )
    return mode or modes[0]


def show_prompt(found: Interrogation, mode: str, similarity: float, place: Place) -> None:
    """The prompt, what its similarity is worth, and its phrases by kind where there are several."""
    text_to_copy("Recovered prompt", found.prompt, large=True)
    meter(similarity, place.unrelated, UNRELATED)
    if not found.choices and mode == PHRASES:
        note("Nothing was recognised here; these words are said of any such picture.")
    if len(found.choices) > 1:
        for kind, choices in found.by_kind().items():
            chips(KIND_NAMES.get(kind, kind), [choice.phrase for choice in choices])


def show_negative(picture: Picture, slow: bool) -> None:
    """The negative prompt; what is `slow`, as it takes as long as the prompt, is made when asked for."""
    wanted: set[str] = st.session_state.setdefault("negatives", set())
    of_picture = ""
    if slow and picture.digest not in wanted:
        st.button(
            "Find a negative prompt",
            on_click=wanted.add,
            args=(picture.digest,),
            key=f"find-negative-{picture.digest}",
        )
    else:
        doing = "Looking for what the picture is not."
        found = ask(("negative", picture.digest), doing, partial(_negative, picture))
        if found is None:
            return
        of_picture = found.text
        if found.why_not:
            chips("Negative prompt of this picture", (), none=f"None: {found.why_not}.")
    words = choose_words(picture.digest)
    whole = join_negative(of_picture, words)
    if whole:
        text_to_copy("Negative prompt" if of_picture else "Negative prompt, of usual words alone", whole)


def choose_words(key: str) -> tuple[str, ...]:
    """Usual words for a negative prompt: groups to switch on and off, and in them each word."""
    groups = st.pills(
        "Usual words",
        GROUPS,
        selection_mode="multi",
        default=GROUPS[:1],
        format_func=str.capitalize,
        key=f"negative-groups-{key}",
        persist_state="session",
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
            key=f"negative-words-{'-'.join(config.words)}-{key}",
            label_visibility="collapsed",
            persist_state="session",
        )
    return tuple(word for word in words if word in kept)


def show_known(place: Place) -> None:
    """The nearest known prompts."""
    st.subheader("Nearest known prompts", anchor=False)
    bars(place.known, place.unrelated)


@st.fragment
def show_wordings(state: str, first: Wording, place: Place) -> None:
    """A field for one's own wording, its similarity as it changes, and the wordings that were kept."""
    st.subheader("Your own words", anchor=False)
    text = st.text_input(
        "Edit the prompt",
        value=first.text,
        max_chars=2000,
        live="300ms",
        key=f"wording-{state}",
        persist_state="session",
        label_visibility="collapsed",
    )
    kept: tuple[Wording, ...] = st.session_state.setdefault(f"kept-{state}", (first,))
    words = " ".join(text.split()) if text else ""
    if words in ("", first.text):
        note("Change the words to see how near they come to the picture.")
    else:
        (now,) = await_answer("Measuring.", partial(_measure, (words,), place))
        says = f"{beside(now.similarity - first.similarity)} the recovered prompt"
        meter(now.similarity, place.unrelated, UNRELATED, says)
        if now.text not in [one.text for one in kept]:

            def keep() -> None:
                st.session_state[f"kept-{state}"] = with_wording(kept, now)

            st.button("Keep this wording", key=f"keep-{state}", on_click=keep)
    if len(kept) > 1:
        label("Wordings so far")
        bars(
            [(one.text, one.similarity) for one in sorted(kept, key=lambda one: -one.similarity)],
            place.unrelated,
        )


def beside(difference: float) -> str:
    """A difference of similarities, as it is said before what it is a difference to."""
    if abs(difference) < 0.005:
        return "as near as"
    return f"{write_number(abs(difference), 2)} {'above' if difference > 0 else 'below'}"


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
