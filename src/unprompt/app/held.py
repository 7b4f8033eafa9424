"""Widgets whose values the program changes too, while pages follow each other fast. Nothing of Streamlit's.

A widget that is given another value can miss it, where the page is drawn anew before that came to the
browser; and of a page that was not drawn to its end, values come back as if the visitor had just given them.
So a widget that is to show something else is a new one, with another key, and what it shows is no news. So is
one that comes back after a page without it: the server may still have its value when the browser has not.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any


@dataclass
class Held:
    """The widget of a name: which one it is, what it began with, and what it last showed.

    `is_gone`: whether the page is drawn without it.
    """

    name: str
    number: int
    first: Any
    last: Any
    is_gone: bool = False

    @property
    def key(self) -> str:
        """The widget's key."""
        return f"{self.name}-{self.number}"

    def is_news(self, value: object) -> bool:
        """Whether a visitor changed the widget to this value; then it is what it last showed."""
        if self.is_gone or value == self.last:
            return False
        self.last = value
        return True

    def begin_again(self) -> None:
        """Take in that the widget was forgotten, so that it shows what it began with."""
        self.last = self.first


def hold(widgets: MutableMapping[str, Held], name: str, value: object) -> Held:
    """The widget of a name that shows a value: the one that is there, or a new one."""
    before = widgets.get(name)
    if before is None or before.is_gone or before.last != value:
        widgets[name] = Held(name, before.number + 1 if before else 0, value, value)
    return widgets[name]
