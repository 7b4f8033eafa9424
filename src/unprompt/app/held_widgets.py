"""Held widgets (held.py) of a visitor's session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from unprompt.app.held import Held, hold

HELD = "held"  # in the session: widgets by their names


def held(name: str, value: object) -> Held:
    """The widget of a name that is to show a value.

    Streamlit forgets what a visitor changed a widget to as soon as a page is drawn without it.
    """
    widgets = st.session_state.setdefault(HELD, {})
    before = widgets.get(name)
    if before is not None and before.key not in st.session_state:
        before.begin_again()
    return hold(widgets, name, value)


def let_go(page: str) -> None:
    """Take in that a page is drawn without its widgets, whose names begin with its own."""
    for name, widget in st.session_state.get(HELD, {}).items():
        if name.startswith(f"{page}-"):
            widget.is_gone = True


def take(widget: Held, use: Callable[[Any], None]) -> None:
    """Use what a visitor changed a widget to."""
    value = st.session_state[widget.key]
    if value is not None and widget.is_news(value):
        use(value)
