"""What a visitor's session remembers of the models' answers."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

pytest.importorskip("streamlit", reason="the app's pages need it")

from unprompt.app.asking import KEPT, keep
from unprompt.app.settings import AppSettings


def test_a_page_full_of_pictures_is_drawn_again_without_asking_anything() -> None:
    pictures = AppSettings().most_files
    page = [
        ("modes", 0),
        *((what, n) for n in range(pictures) for what in ("prompt", "place", "measured", "no")),
    ]
    answers: dict[Hashable, str] = {}
    for key in page:
        keep(answers, key, "an answer", pictures)
    assert all(key in answers for key in page)


def test_the_oldest_answers_are_forgotten() -> None:
    answers: dict[Hashable, int] = {}
    for number in range(1000):
        keep(answers, number, number, 1)
    assert KEPT <= len(answers) <= 200
    assert list(answers) == list(range(1000 - len(answers), 1000))
