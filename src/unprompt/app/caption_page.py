"""Pictures -> captions in three tones, to copy and to keep as a table."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.app.asking import ask
from unprompt.app.looks import empty, head, hint, note, text_to_copy
from unprompt.app.picture_inputs import Picture, pick_pictures
from unprompt.demos.captions import Captioned, caption_image, captions_csv, captions_zip, speakers
from unprompt.demos.tones import different_tones

if TYPE_CHECKING:
    from unprompt.bundle.loaded import LoadedBundle


def show() -> None:
    """The page."""
    head("Caption", "A sentence about each picture, and other tones of it where they say it differently.")
    pictures = pick_pictures("caption")
    if not pictures:
        empty("Upload, paste or drop pictures, or take a sample.")
        return
    done: list[Captioned] = []
    above = st.container()
    for number, picture in enumerate(pictures, start=1):
        doing = f"Captioning {number} of {len(pictures)}: {picture.name}."
        captioned = ask(("caption", picture.digest), doing, partial(_question, picture))
        if captioned is None:
            break
        captioned = replace(captioned, name=picture.name)  # the same bytes may have come by another name
        show_caption(picture, captioned)
        done.append(captioned)
    if done:
        with above:
            for said in speakers([one.caption for one in done]):
                hint(said)
        with st.container(horizontal=True):
            st.download_button(
                "Download all as CSV" if len(done) > 1 else "Download as CSV",
                captions_csv(done),
                "captions.csv",
                "text/csv",
                on_click="ignore",
                icon=":material/download:",
            )
            st.download_button(
                "Captions (.zip)",
                captions_zip(done),
                "captions.zip",
                "application/zip",
                help="For training: a .txt for each picture, and metadata.jsonl",
                on_click="ignore",
                icon=":material/download:",
            )


def _question(picture: Picture, loaded: LoadedBundle) -> Captioned:
    return caption_image(loaded, picture.name, picture.image())


def show_caption(picture: Picture, captioned: Captioned) -> None:
    """One picture beside its caption and tones."""
    with st.container(border=True):
        left, right = st.columns([1, 2], gap="medium")
        left.image(picture.small, width="stretch", alt=captioned.caption.text)
        with right:
            note(picture.name)
            text_to_copy("Caption", captioned.tones.plain, large=True)
            for tone, text in different_tones(captioned.tones).items():
                text_to_copy(tone.capitalize(), text)


show()
