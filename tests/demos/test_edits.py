"""An image's recovered prompt, and how near other wordings come."""

from __future__ import annotations

import pytest

from tests.marked_pictures import PARAMETERS, SETTINGS, png_with, saved
from unprompt.demos.edits import (
    LONGEST_SHOWN,
    MOST_WORDINGS,
    Wording,
    find_in_file,
    find_place,
    measure,
    positive_modes,
    prompts_csv,
    recover,
    with_wording,
)
from unprompt.easy_diffuser.negative import NEGATIVE
from unprompt.ensemble.prior import unrelated_similarity


class TestWordings:
    def test_are_kept_once(self) -> None:
        first, second = Wording("a", 0.5), Wording("b", 0.6)
        kept = with_wording((first,), second)
        assert kept == (first, second)
        assert with_wording(kept, Wording("b", 0.6)) == kept

    def test_beyond_the_limit_the_first_and_the_latest_stay(self) -> None:
        kept: tuple[Wording, ...] = (Wording("first", 0.0),)
        for number in range(30):
            kept = with_wording(kept, Wording(str(number), 0.0))
        assert len(kept) == MOST_WORDINGS
        assert [one.text for one in (kept[0], kept[1], kept[-1])] == ["first", str(31 - MOST_WORDINGS), "29"]


def test_a_prompt_in_a_file_and_none() -> None:
    found = find_in_file(png_with(parameters=PARAMETERS))
    assert found is not None
    assert (found.prompt, found.negative) == ("a lighthouse at dusk, (warm light:1.2)", "blurry, lowres")
    for content in (saved("PNG"), b"nothing", png_with(parameters=SETTINGS)):
        assert find_in_file(content) is None
    endless = find_in_file(png_with(parameters="a" * 99_999))
    assert endless is not None
    assert len(endless.prompt) == LONGEST_SHOWN


def test_prompts_as_a_table() -> None:
    table = prompts_csv(["a.png", "b,c.png"], ["a cat", 'a "dog"'])
    assert table.decode() == 'file,prompt\na.png,a cat\n"b,c.png","a ""dog"""\n'


def test_negative_does_not_describe() -> None:
    assert positive_modes(("classic", "negative", "best")) == ("classic", "best")


@pytest.mark.slow
class TestWithLite:
    @pytest.fixture(scope="class")
    def loaded(self):  # type: ignore[no-untyped-def]
        pytest.importorskip("torch")
        from unprompt.bundle.loaded import LoadedBundle
        from unprompt.records import Prompts

        return LoadedBundle.load("lite", "cpu", known=Prompts(("a", "b"), ("a red bus", "a cat")))

    def test_the_recovered_prompt_is_the_bundles(self, loaded, scenes) -> None:  # type: ignore[no-untyped-def]
        from unprompt.storage.images import read_image

        image = read_image(next(iter(sorted((scenes / "images").iterdir()))))
        (reading,) = loaded.predict([image])
        assert recover(loaded, image, "phrases").prompt == reading.prompt
        place = find_place(loaded, image)
        assert {text for text, _ in place.known} == {"a red bus", "a cat"}
        start, same, other = measure(
            loaded, [reading.prompt, f" {reading.prompt} ", "tax law"], place.embedding
        )
        assert start == same
        assert start.similarity > other.similarity
        assert (
            start.similarity
            > place.unrelated
            == pytest.approx(float(unrelated_similarity(reading.embedding)))
        )
        assert start.similarity == pytest.approx(float(loaded.embed([reading.prompt])[0] @ reading.embedding))

    def test_without_a_clip_there_is_no_negative_mode(self, loaded) -> None:  # type: ignore[no-untyped-def]
        from PIL import Image

        from unprompt.errors import ConfigError

        with pytest.raises(ConfigError, match="no mode 'negative'"):
            recover(loaded, Image.new("RGB", (32, 32)), NEGATIVE)
