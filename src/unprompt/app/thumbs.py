"""Small pictures beside each other, of which a visitor takes one."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from unprompt.storage.images import encode_png, reduced

if TYPE_CHECKING:
    from PIL import Image

SCRIPT = Path(__file__).with_name("thumbs.js")
LOOKS = Path(__file__).with_name("thumbs.css")


def url_of(image: Image.Image, longest: int) -> str:
    """An image, reduced, as an address that holds it."""
    return f"data:image/png;base64,{b64encode(encode_png(reduced(image, longest))).decode()}"


def thumbs(
    key: str,
    pictures: Sequence[tuple[str, str]],
    take: Callable[[int], None],
    chosen: int | None = None,
    strip: bool = False,
) -> None:
    """Pictures as (address, what it shows); `take` is called with the number of the one that is taken.

    `strip`: in one row that can be scrolled.
    """

    def picked() -> None:
        number = st.session_state[key]["picked"]  # a browser can send anything
        if isinstance(number, int | float) and 0 <= number < len(pictures):
            take(int(number))

    component = st.components.v2.component(
        "unprompt_thumbs", js=SCRIPT.read_text(encoding="utf-8"), css=LOOKS.read_text(encoding="utf-8")
    )
    component(
        key=key,
        data={"pictures": list(pictures), "chosen": chosen, "strip": strip},
        on_picked_change=picked,
    )
