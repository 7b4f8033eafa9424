"""What pages look like: the style sheet, heads, notes, chips, bars. All texts are escaped here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from pathlib import Path

import streamlit as st

from unprompt.html.kit import write_number

MARKDOWN = frozenset("\\`*_{}[]()#+-.!~|<>:$")
STYLE = Path(__file__).with_name("style.css")
ICON = Path(__file__).with_name("icon.svg")


def set_style() -> None:
    """Put the style sheet into the page."""
    st.html(STYLE)


def head(title: str, says: str) -> None:
    """A page's title, and what one can do on it."""
    st.html(f'<header class="head"><h1>{escape(title)}</h1><p>{escape(says)}</p></header>')


def brand() -> None:
    """The name of the app, beside its pages."""
    mark = b64encode(ICON.read_bytes()).decode()
    st.html(f'<p class="brand"><img src="data:image/svg+xml;base64,{mark}" alt="">unprompt</p>')


def foot(bundle: str) -> None:
    """What stands under every page."""
    st.html(
        f"<footer>Bundle {escape(bundle)}. Everything is computed on the machine that serves this page; "
        "no picture is sent on.</footer>"
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


def spoken(text: str, by: str) -> None:
    """A sentence, and who says it."""
    st.html(f'<p class="spoken">{escape(text)}</p><p class="note">{escape(by)}</p>')


def text_to_copy(title: str, text: str) -> None:
    """A titled text with a button that copies it."""
    with st.container(gap="xxsmall"):
        label(title)
        st.code(text, language=None, wrap_lines=True)


def chips_html(texts: Sequence[str | tuple[str, float]], kind: str = "") -> str:
    """Short texts beside each other, each with its similarity where it has one."""
    items = []
    for one in texts:
        text, similarity = one if isinstance(one, tuple) else (one, None)
        number = f"<b>{write_number(similarity, 2)}</b>" if similarity is not None else ""
        items.append(f"<li>{escape(text)}{number}</li>")
    return f'<ul class="chips {escape(kind)}">{"".join(items)}</ul>'


def chips(title: str, texts: Sequence[str | tuple[str, float]], none: str = "none", kind: str = "") -> None:
    """A titled row of chips."""
    shown = chips_html(texts, kind) if texts else f'<p class="none">{escape(none)}</p>'
    st.html(f'<div class="group"><p class="label">{escape(title)}</p>{shown}</div>')


def bars(rows: Sequence[tuple[str, float]]) -> None:
    """Texts with their similarities, each as a number and as a bar from 0 to 1."""
    items = "".join(
        f'<li><span class="said">{escape(text)}</span><b>{write_number(similarity, 3)}</b>'
        f'<i style="width: {100 * min(max(similarity, 0.0), 1.0):.1f}%"></i></li>'
        for text, similarity in rows
    )
    st.html(f'<ol class="bars">{items}</ol>')


def big_number(value: float, title: str, says: str) -> None:
    """One similarity that the page is about."""
    st.html(
        f'<div class="number"><p class="label">{escape(title)}</p>'
        f"<b>{write_number(value, 3)}</b><span>{escape(says)}</span></div>"
    )
