"""The gallery shows images from the best guess to the worst, each with its nearest training prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt.errors import InputError, UnreadableImageError
from unprompt.records import DIM, Embeddings, Prompts, unit_rows
from unprompt.regression.gallery import LINE, LINES, Shown, choose_shown, draw_gallery, wrap_text
from unprompt.storage.images import ImageFile


def turned(cosines: list[float]) -> np.ndarray:
    """Rows at these cosines from the first axis: (n, 384)."""
    rows = np.zeros((len(cosines), DIM), dtype=np.float32)
    rows[:, 0] = cosines
    rows[:, 1] = np.sqrt(1 - np.square(cosines))
    return rows


IDS = ("a", "b", "c", "d", "e")
IMAGES = [ImageFile(image_id, Path(f"{image_id}.png")) for image_id in IDS]
PROMPTS = Prompts(IDS, tuple(f"prompt {image_id}" for image_id in IDS))
TRUTH = Embeddings(IDS, turned([1.0] * 5))
PREDICTED = Embeddings(IDS, 3 * turned([0.5, 0.9, 0.1, 0.3, 0.7]))  # a network's output has no unit length
TRAINING = ("far", "near the axis", "half way")
VECTORS = turned([-1.0, 1.0, 0.5])


def test_shown_are_spread_from_the_best_to_the_worst() -> None:
    shown = choose_shown(IMAGES, PROMPTS, PREDICTED, TRUTH, TRAINING, VECTORS, 3)
    assert [item.image.image_id for item in shown] == ["b", "a", "c"]
    assert [item.similarity for item in shown] == pytest.approx([0.9, 0.5, 0.1], abs=1e-6)
    assert [item.prompt for item in shown] == ["prompt b", "prompt a", "prompt c"]
    assert [item.nearest for item in shown] == ["near the axis", "half way", "half way"]


def test_rows_are_matched_by_id() -> None:
    order = ("e", "c", "a", "d", "b")
    mixed = choose_shown(IMAGES, PROMPTS.at(order[::-1]), PREDICTED.at(order), TRUTH, TRAINING, VECTORS, 5)
    assert mixed == choose_shown(IMAGES, PROMPTS, PREDICTED, TRUTH, TRAINING, VECTORS, 5)
    with pytest.raises(InputError, match="first: e"):
        choose_shown(IMAGES, PROMPTS, PREDICTED.at(IDS[:4]), TRUTH, TRAINING, VECTORS, 5)


def test_more_than_there_are_gives_each_once_and_equals_go_by_id() -> None:
    equal = Embeddings(IDS, turned([0.5] * 5))
    shown = choose_shown(IMAGES[::-1], PROMPTS, equal, TRUTH, TRAINING, VECTORS, 99)
    assert [item.image.image_id for item in shown] == list(IDS)


def test_the_nearest_is_the_one_of_a_brute_force_search() -> None:
    rng = np.random.default_rng(0)
    predicted, truth = (Embeddings(IDS, rng.normal(size=(5, DIM))) for _ in range(2))
    vectors = unit_rows(rng.normal(size=(50, DIM)))
    texts = [f"text {number}" for number in range(50)]
    for item in choose_shown(IMAGES, PROMPTS, predicted, truth, texts, vectors, 5):
        guess = predicted.at([item.image.image_id]).unit().vectors[0]
        assert item.nearest == max(texts, key=lambda text: float(guess @ vectors[texts.index(text)]))


@pytest.mark.parametrize("count", [1, 5])
def test_the_gallery_is_a_picture_whatever_the_prompts_and_images(
    tmp_path: Path, count: int, recwarn: pytest.WarningsRecorder
) -> None:
    Image.new("RGB", (40, 90), (250, 0, 0)).save(tmp_path / "tall.png")
    prompts = ["", r"from $\nowhere to $10_000^2", "日本語 🐈", "x" * 500, "many words " * 50]
    files = [ImageFile("tall", tmp_path / "tall.png"), ImageFile("gone", tmp_path / "gone.png")]
    shown = [
        Shown(files[number % 2], prompt, prompts[-number], 0.5)
        for number, prompt in enumerate(prompts[:count])
    ]
    draw_gallery(tmp_path / "gallery.png", shown, "5 $images$")
    with Image.open(tmp_path / "gallery.png") as image:
        pixels = {colour: pixels for pixels, colour in image.convert("RGB").getcolors(1 << 24)}
    assert pixels[250, 0, 0] > 10_000  # the picture
    assert (pixels.get((0xDD, 0xDD, 0xDD), 0) > 10_000) == (count > 1)  # the square of the one that is gone
    assert not recwarn.list


def test_an_error_is_shown_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(file: ImageFile) -> Image.Image:
        raise UnreadableImageError(r"/data/$\nowhere$/part-00000.parquet cannot be read as parquet")

    monkeypatch.setattr("unprompt.regression.gallery.read_file", fail)
    draw_gallery(tmp_path / "gallery.png", [Shown(IMAGES[0], "a fox", "a cat", 0.5)], "1 image")
    assert (tmp_path / "gallery.png").exists()


def test_long_texts_end_in_an_ellipsis() -> None:
    assert wrap_text("a short one") == "a short one"
    assert wrap_text("two\nlines") == "two lines"
    lines = wrap_text("word " * 100).split("\n")
    assert len(lines) == LINES
    assert max(map(len, lines)) <= LINE
    assert lines[-1].endswith(" …")
