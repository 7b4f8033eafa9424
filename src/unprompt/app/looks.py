"""What pages look like: the style sheet, heads, notes, chips, bars. All texts are escaped here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import urlsplit

import streamlit as st

from unprompt.html.kit import write_number

MARKDOWN = frozenset("\\`*_{}[]()#+-.!~|<>:$")
STYLE = Path(__file__).with_name("style.css")
ICON = Path(__file__).with_name("icon.svg")
COPY = Path(__file__).with_name("copy.js")


def set_style() -> None:
    """Put the style sheet into the page."""
    st.html(STYLE)


def enable_copying() -> None:
    """Let the buttons of `text_to_copy` copy."""
    st.components.v2.component("unprompt_copy", js=COPY.read_text(encoding="utf-8"))(key="copy")


def head(title: str, says: str) -> None:
    """A page's title, and what one can do on it."""
    st.html(f'<header class="head"><h1>{escape(title)}</h1><p>{escape(says)}</p></header>')


def brand() -> None:
    """The name of the app, beside its pages."""
    mark = b64encode(ICON.read_bytes()).decode()
    st.html(f'<p class="brand"><img src="data:image/svg+xml;base64,{mark}" alt="">unprompt</p>')


def foot(bundle: str, webui: str | None = None) -> None:
    """What stands under every page. `webui`: the address of one that paints."""
    sent = "; no picture is sent on"
    if webui:
        host = urlsplit(webui).hostname or "another machine"
        sent = f", but what is painted is sent to the web UI on {escape(host)}"
    st.html(
        f"<footer>Bundle {escape(bundle)}. Everything is computed on the machine that serves this page"
        f"{sent}.</footer>"
    )


def plain(text: str) -> str:
    """A text for Streamlit's own widgets without what Markdown would make of it: an address stays unread."""
    return "".join(f"\\{letter}" if letter in MARKDOWN else letter for letter in text)


def trouble(text: str) -> None:
    """What went wrong, and what to do."""
    st.error(plain(text))


def name(text: str) -> None:
    """What a thing is called."""
    st.html(f'<p class="name">{escape(text)}</p>')


def label(text: str) -> None:
    """A small heading over one thing."""
    st.html(f'<p class="label">{escape(text)}</p>')


def note(text: str) -> None:
    """A quiet sentence."""
    st.html(f'<p class="note">{escape(text)}</p>')


def empty(text: str) -> None:
    """What stands where the results will be."""
    st.html(f'<p class="empty">{escape(text)}</p>')


def hint(text: str) -> None:
    """What a visitor must know to read the page right, once for all that is on it."""
    st.html(f'<p class="hint">{escape(text)}</p>')


def text_to_copy(title: str, text: str, large: bool = False) -> None:
    """A titled text with a button that copies it."""
    button = (
        f'<button type="button" data-copy aria-label="Copy: {escape(title)}">Copy</button>' if text else ""
    )
    st.html(
        f'<div class="copyable {"large" if large else ""}"><div><p class="label">{escape(title)}</p>'
        f'<p class="text">{escape(text)}</p></div>{button}</div>'
    )


def chips_html(texts: Sequence[str], kind: str = "") -> str:
    """Short texts beside each other."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<ul class="chips {escape(kind)}">{items}</ul>'


def chips(title: str, texts: Sequence[str], none: str = "none", kind: str = "") -> None:
    """A titled row of chips."""
    shown = chips_html(texts, kind) if texts else f'<p class="none">{escape(none)}</p>'
    st.html(f'<div class="group"><p class="label">{escape(title)}</p>{shown}</div>')


def bars(rows: Sequence[tuple[str, float]], unrelated: float | None = None) -> None:
    """Texts with their similarities, each a number and a bar from 0 to 1, with a tick at `unrelated`."""
    items = "".join(
        f'<li><span class="said">{escape(text)}</span><b>{write_number(similarity, 2)}</b>'
        f"{_track(similarity, unrelated)}</li>"
        for text, similarity in rows
    )
    st.html(f'<ol class="bars">{items}</ol>')


def meter(value: float, unrelated: float | None, against: str, says: str = "") -> None:
    """A similarity beside the level that tells what it is worth: that of what is unrelated, `against`."""
    beside = f"<span>{escape(against)}: {write_number(unrelated, 2)}</span>" if unrelated is not None else ""
    words = f" <em>{escape(says)}</em>" if says else ""
    st.html(
        f'<div class="meter"><p><span class="label">Similarity</span><b>{write_number(value, 2)}</b>{words}'
        f"{beside}</p>{_track(value, unrelated)}</div>"
    )


def _track(value: float, unrelated: float | None) -> str:
    """A bar from 0 to 1 for the eyes; the numbers stand beside it."""
    tick = f'<i class="tick" style="left: {_percent(unrelated)}"></i>' if unrelated is not None else ""
    return f'<i class="track"><i class="share" style="width: {_percent(value)}"></i>{tick}</i>'


def _percent(share: float) -> str:
    return f"{100 * min(max(share, 0.0), 1.0):.1f}%"
