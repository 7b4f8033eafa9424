from __future__ import annotations

from unprompt.text.words import find_stems, split_compounds, split_words

TEXT = "Émile’s 35mm_photo -- a sci-fi 5 o'clock'"


def test_words_keep_their_apostrophes_inside() -> None:
    assert split_words(TEXT) == ["émile’s", "35mm", "photo", "a", "sci", "fi", "5", "o'clock"]
    assert split_words(" ,.- ") == []


def test_compounds_keep_their_hyphens_inside_too() -> None:
    assert split_compounds(TEXT) == ["émile’s", "35mm", "photo", "a", "sci-fi", "5", "o'clock"]
    assert split_compounds("-a- b-") == ["a", "b"]


def test_stems_are_compared_without_case_and_plural() -> None:
    assert find_stems("Jungles, a JUNGLE!") == {"jungle", "a"}
    assert find_stems("…") == set()
