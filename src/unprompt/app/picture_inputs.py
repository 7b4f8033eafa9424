"""The widgets by which pictures come to a page: an uploader, pasting, samples, what was there before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from unprompt.app.looks import plain
from unprompt.app.settings import current_settings
from unprompt.app.upload_room import count_kept, drop_files, held_bytes, room_for
from unprompt.app.visit import go_on_with, visit_of
from unprompt.demos.sample_uploads import are_there_samples, sample_uploads
from unprompt.errors import UnreadableImageError
from unprompt.serving.uploads import (
    EXTENSIONS,
    MEGABYTE,
    Upload,
    open_upload,
    preview,
    read_upload,
    without_doubles,
)
from unprompt.text.english import agreed, counted

if TYPE_CHECKING:
    from PIL import Image

PASTE = Path(__file__).with_name("paste.js")
REFUSED = Path(__file__).with_name("refused.js")
VISIT = Path(__file__).with_name("visit.js")
NAMED = 8  # files that can be removed one by one


@dataclass(frozen=True)
class Picture:
    """An upload that can be read, and a small JPEG of it for the page."""

    upload: Upload
    small: bytes

    @property
    def name(self) -> str:
        """The file's name."""
        return self.upload.name

    @property
    def digest(self) -> str:
        """The same for the same bytes."""
        return self.upload.digest

    def image(self) -> Image.Image:
        """The whole picture as RGB, decoded anew: a session holds no decoded pictures."""
        return read_upload(self.upload, current_settings().limit_mb)


def pick_pictures(key: str) -> list[Picture]:
    """An uploader for several pictures, and samples to take one after the other. Says what cannot be read."""
    settings = current_settings()
    say_room()
    widget = f"{key}-files"
    is_new = widget not in st.session_state
    files = st.file_uploader(
        "Pictures",
        EXTENSIONS,
        accept_multiple_files=True,
        key=widget,
        max_upload_size=settings.limit_mb,
        label_visibility="collapsed",
    )
    uploads = [Upload.of(file.name, file.getvalue()) for file in files]
    kept = visit_of(st.session_state).take(widget, uploads, is_new)
    _offer_removal(widget, kept)
    uploads = [*kept, *uploads]
    count = _samples_taken(key, each_once=True)
    if count:
        uploads += sample_uploads()[:count]
    return _readable(_limited(without_doubles(uploads), settings.most_files))


def pick_picture(key: str, first_sample: int = 0) -> Picture | None:
    """An uploader for one picture; where it is empty, a sample can be taken. Says what cannot be read."""
    say_room()
    visit, widget = visit_of(st.session_state), f"{key}-file"
    is_new = widget not in st.session_state
    file = st.file_uploader(
        "Picture",
        EXTENSIONS,
        key=widget,
        max_upload_size=current_settings().limit_mb,
        label_visibility="collapsed",
    )
    uploads = [Upload.of(file.name, file.getvalue())] if file is not None else []
    kept = visit.take(widget, uploads, is_new)
    if uploads:
        _forget(widget, kept)  # one takes the place of another
    elif kept:
        _offer_removal(widget, kept)
        uploads = [*kept[-1:]]
    else:
        count = _samples_taken(key)
        samples = sample_uploads() if count else ()
        uploads = [samples[(first_sample + count - 1) % len(samples)]] if samples else []
    pictures = _readable(uploads)
    return pictures[0] if pictures else None


def _offer_removal(widget: str, kept: Sequence[Upload]) -> None:
    """Buttons to remove files that are there though their uploader shows them no longer."""
    if not kept:
        return
    with st.container(horizontal=True, vertical_alignment="center", key=f"{widget}-kept"):
        st.caption(f"{counted(len(kept), 'picture')} from before", width="content")
        if len(kept) <= NAMED:
            for upload in kept:
                st.button(
                    f"Remove {plain(upload.name)}", key=f"{widget}-drop-{upload.digest}", type="tertiary",
                    on_click=_forget, args=(widget, (upload,)),
                )  # fmt: skip
        if len(kept) > 1:
            st.button(
                "Remove them all", key=f"{widget}-drop", type="tertiary", on_click=_forget,
                args=(widget, kept),
            )  # fmt: skip


def _forget(widget: str, uploads: Sequence[Upload]) -> None:
    visit_of(st.session_state).remove(widget, uploads)
    drop_files(_visitor(), [upload.content for upload in uploads])


def go_on_after_reload() -> None:
    """Let who loads the page again go on with what was there before."""
    component = st.components.v2.component("unprompt_visit", js=VISIT.read_text(encoding="utf-8"))
    component(
        key="visit-before",
        data={"token": visit_of(st.session_state).token},
        on_before_change=lambda: go_on_with(st.session_state, st.session_state["visit-before"]["before"]),
    )


def accept_pasted() -> None:
    """Let pictures that are pasted anywhere on the page go to its uploaders."""
    st.components.v2.component("unprompt_paste", js=PASTE.read_text(encoding="utf-8"))(key="paste")


def notice_refusals() -> None:
    """Run the page anew where there was no room for a file, so that it says so: Streamlit shows a number."""
    component = st.components.v2.component("unprompt_refused", js=REFUSED.read_text(encoding="utf-8"))
    component(key="refused", on_refused_change=lambda: None)


def say_room() -> None:
    """Say how large a file the server takes from this visitor now, where that is less than it takes at most.

    Stands above each uploader, for what is larger is refused before a page can say anything. What Colour by
    words keeps of this visitor's earlier line art goes first, as nothing there can be taken away by hand.
    """
    settings, visit, visitor = current_settings(), visit_of(st.session_state), _visitor()
    most = int(settings.uploads_mb * MEGABYTE)
    enough = min(settings.limit_mb * MEGABYTE, most)
    count_kept(visitor, visit)
    room = room_for(visitor, held_bytes(), most)
    if room < enough:
        visit.easel.forget_others()
        room = room_for(visitor, held_bytes(), most)
    if room >= enough:
        return
    tenths = 10 * room // MEGABYTE
    taken = f"files of up to {tenths / 10} MB" if tenths else "no more files"
    st.warning(
        f"This server is nearly full and takes {taken} from you now. "
        "Remove some of yours, or try again in a few minutes."
    )


def _visitor() -> str:
    """Streamlit's name for the visitor's session."""
    script = get_script_run_ctx()
    return script.session_id if script else ""


def _samples_taken(key: str, each_once: bool = False) -> int:
    """Buttons to take samples and to put them away; returns how many have been taken.

    `each_once`: no more than there are, else the first follows the last.
    """
    samples = visit_of(st.session_state).samples
    count = samples.get(key, 0)
    if not are_there_samples():
        return 0

    def take() -> None:
        samples[key] = count + 1

    def put_away() -> None:
        samples[key] = 0

    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}-sampling"):
        label = "Take another sample" if count else "Take a sample"
        none_left = each_once and count > 0 and count >= len(sample_uploads())
        st.button(
            label, key=f"{key}-take", on_click=take, icon=":material/auto_awesome:", type="tertiary",
            disabled=none_left,
        )  # fmt: skip
        if count:
            st.button(
                "Remove samples" if count > 1 else "Remove the sample",
                key=f"{key}-put-away",
                on_click=put_away,
                type="tertiary",
            )
    return count


def _limited(uploads: Sequence[Upload], most: int) -> Sequence[Upload]:
    if len(uploads) > most:
        more = len(uploads) - most
        st.warning(f"{counted(most, 'picture')} at a time: the last {more} {agreed(more, 'are')} left out.")
    return uploads[:most]


def _readable(uploads: Sequence[Upload]) -> list[Picture]:
    """The uploads that can be read; for each of the others a message."""
    pictures = []
    for upload in uploads:
        try:
            pictures.append(Picture(upload, _small(upload.digest, upload)))
        except UnreadableImageError as error:
            st.warning(f"**{plain(upload.name)}** cannot be used: {plain(str(error))}.")
    return pictures


@st.cache_data(max_entries=100, show_spinner=False)
def _small(digest: str, _upload: Upload) -> bytes:
    """A preview, made once for the same bytes, which `digest` stands for."""
    with open_upload(_upload, current_settings().limit_mb) as image:
        return preview(image)
