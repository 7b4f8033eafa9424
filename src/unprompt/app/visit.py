"""What a visitor gave and got that stays, through other pages and when the page is loaded again.

Nothing of Streamlit's. It forgets an uploader's files as soon as a page is drawn without it, and for a page
that is loaded again it begins another session. The one before lives on for two minutes, and with it the
visit, which the browser's tab knows by a token.
"""

from __future__ import annotations

import secrets
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from unprompt.app.easel import Easel, easel_of
from unprompt.app.sketchbook import Sketchbook, sketchbook_of
from unprompt.serving.uploads import Upload, without_doubles


@dataclass(eq=False)
class Visit:
    """`shown`: the files in each uploader, by its key; `kept`: those of the same one before it was forgotten.

    `samples`: how many were taken beside each. `easel`, `book`, `answers`: those of the visitor's session.
    """

    easel: Easel
    book: Sketchbook
    answers: dict[Hashable, Any]
    shown: dict[str, tuple[Upload, ...]] = field(default_factory=dict)
    kept: dict[str, tuple[Upload, ...]] = field(default_factory=dict)
    samples: dict[str, int] = field(default_factory=dict)
    token: str = field(default_factory=lambda: secrets.token_hex(16))

    def take(self, key: str, uploads: Sequence[Upload], is_new: bool) -> tuple[Upload, ...]:
        """Take in what an uploader shows; gives what is kept beside that.

        `is_new`: whether the uploader was not there when the page was last drawn.
        """
        kept = self.kept.get(key, ())
        if is_new:
            kept = (*kept, *self.shown.get(key, ()))
        again = {upload.digest for upload in uploads}
        self.shown[key] = tuple(uploads)
        self.kept[key] = tuple(one for one in without_doubles(kept) if one.digest not in again)
        return self.kept[key]

    def remove(self, key: str, uploads: Sequence[Upload]) -> None:
        """Keep these of an uploader's files no longer."""
        self.kept[key] = tuple(one for one in self.kept.get(key, ()) if one not in uploads)

    @property
    def files(self) -> list[bytes]:
        """The files that are kept here, some of them several times."""
        kept = [upload.content for uploads in list(self.kept.values()) for upload in uploads]
        return [*kept, *self.easel.files]

    def go_on_from(self, before: Visit) -> None:
        """Have what another visit had, too; a copy, as a tab that is doubled knows its token as well."""
        for key in [*before.kept, *before.shown]:
            kept = before.kept.get(key, ()), before.shown.get(key, ()), self.kept.get(key, ())
            self.kept[key] = tuple(without_doubles([upload for uploads in kept for upload in uploads]))
        self.samples = before.samples | self.samples
        self.answers.update(before.answers)
        self.easel.go_on_from(before.easel)
        self.book.go_on_from(before.book)


_VISITS: WeakValueDictionary[str, Visit] = WeakValueDictionary()  # by token


def visit_of(session: Any) -> Visit:
    """The visit in a visitor's session (Streamlit's `session_state`)."""
    if "visit" not in session:
        answers: dict[Hashable, Any] = session.setdefault("answers", {})
        session["visit"] = Visit(easel_of(session), sketchbook_of(session), answers)
    visit: Visit = session["visit"]
    _VISITS[visit.token] = visit
    return visit


def go_on_with(session: Any, token: object) -> None:
    """Go on with the visit of a token, where it is still there; a browser can send anything."""
    visit = visit_of(session)
    before = _VISITS.get(token) if isinstance(token, str) else None
    if before is not None and before is not visit:
        visit.go_on_from(before)
