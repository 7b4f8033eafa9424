"""A bundle that stays loaded says of images in memory what a run says of their files."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.whole_world import ALL, INTERROGATOR
from unprompt.bundle.bundles import Bundle
from unprompt.bundle.loaded import PHRASES, LoadedBundle
from unprompt.ensemble.kinds import MemberSpec
from unprompt.ensemble.members import Guess
from unprompt.errors import ConfigError, NoMemoryError, UnreadableImageError
from unprompt.interrogator.config import MODES
from unprompt.members.bank import Bank
from unprompt.members.retrieval import RetrievalConfig, RetrievalMember
from unprompt.networks.loader import Loader
from unprompt.networks.minilm import encoder_identity
from unprompt.records import Prompts
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.storage.files import read_embeddings, read_prompts
from unprompt.storage.images import find_images, read_file, read_image

BARE = Bundle("bare", "", (MemberSpec("retrieval", "retrieval", 1.0),))

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def bundle(world: Path) -> Path:
    path = world / "prediction.toml"
    path.write_text(ALL)
    return path


@pytest.fixture(scope="module")
def loaded(bundle: Path) -> LoadedBundle:
    return LoadedBundle.load(str(bundle), "cpu")


@pytest.fixture(scope="module")
def pictures(world: Path) -> list[Image.Image]:
    return [read_file(file) for file in find_images(world / "images")]


@pytest.fixture(scope="module")
def lite() -> LoadedBundle:
    return LoadedBundle.load(
        "lite", "cpu", known=Prompts(("a", "b", "c"), ("a red bus", "a cat", "a red bus"))
    )


@pytest.fixture(scope="module")
def drawn(scenes: Path) -> list[Image.Image]:
    return [read_image(path) for path in sorted((scenes / "images").iterdir())[:2]]


def test_a_reading_is_what_a_run_leaves(
    loaded: LoadedBundle,
    bundle: Path,
    world: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
) -> None:
    predict(world / "images", tmp_path / "RUN", PredictConfig(bundle=str(bundle), device="cpu"))
    prompts = read_prompts(tmp_path / "RUN" / "prompts.csv")
    predictions = loaded.predict(pictures)
    assert [prediction.prompt for prediction in predictions] == list(prompts.texts)
    for name in ("regression", "interrogator", "retrieval"):
        left = read_embeddings(tmp_path / "RUN" / "members" / f"{name}.npz").vectors
        np.testing.assert_allclose([prediction.members[name] for prediction in predictions], left, atol=1e-5)
    assert {"interrogator", "retrieval"} == set(predictions[0].prompts)
    blended = sum(
        weight * predictions[0].members[name]
        for name, weight in (("regression", 0.5), ("interrogator", 0.45), ("retrieval", 0.2))
    )
    np.testing.assert_allclose(predictions[0].embedding, blended / np.linalg.norm(blended), atol=1e-5)


class Overflowing:
    """A backbone whose features of images of 3 pixels across are infinite."""

    name, batch = "overflowing", 2

    def prepare(self, image: Image.Image) -> np.ndarray:
        return np.array([1.0 if image.width != 3 else np.inf], np.float32)

    def features(self, prepared: list[np.ndarray]) -> np.ndarray:
        return np.stack(prepared)


def test_an_image_whose_features_are_not_finite_is_named() -> None:
    member = SimpleNamespace(name="retrieval", backbones=(Overflowing(),))
    loaded = LoadedBundle(BARE, [member], SimpleNamespace(device="cpu"))
    images = [Image.new("RGB", (width, 1)) for width in (1, 2, 4, 3, 5)]
    with pytest.raises(UnreadableImageError, match=r"^images\[3\]: what the model .* \(--device cpu\)$"):
        loaded.predict(images)
    for one in (images[3], images[3:4]):
        with pytest.raises(UnreadableImageError, match=r"^what the model makes of it is infinite"):
            loaded.predict(one)


class Crowded(Overflowing):
    """A backbone with memory for `room` images at once."""

    batch = 4

    def __init__(self, room: int) -> None:
        self.room = room

    def features(self, prepared: list[np.ndarray]) -> np.ndarray:
        if len(prepared) > self.room:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return np.stack(prepared)


def test_a_batch_that_does_not_fit_is_looked_at_in_smaller_ones() -> None:
    def loaded_with(room: int) -> LoadedBundle:
        member = SimpleNamespace(name="retrieval", backbones=(Crowded(room),), guess=guess)
        return LoadedBundle(BARE, [member], SimpleNamespace(device="cpu"))

    def guess(rows: np.ndarray) -> Guess:
        return Guess(np.eye(1, 384).repeat(len(rows), 0), tuple(map(str, rows)))

    images = [Image.new("RGB", (8, 8))] * 6
    crowded = loaded_with(1)
    with pytest.warns(UserWarning, match="at once do not fit into the memory; going on with"):
        predictions = crowded.predict(images)
    assert [one.prompt for one in predictions] == ["[1.]"] * 6
    with pytest.raises(NoMemoryError, match="not enough memory for a single image"):
        loaded_with(0).predict(images[0])


def test_nothing_is_read_of_no_images(loaded: LoadedBundle) -> None:
    assert loaded.predict([]) == []
    assert loaded.caption([]) == []
    assert loaded.interrogate([], "fast") == []
    assert loaded.likeness([], ["a"]).shape == (0, 1)


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_there_with_a_clip(
    loaded: LoadedBundle, pictures: list[Image.Image], mode: str
) -> None:
    captions = [caption.text for caption in loaded.caption(pictures[:2])]
    found = loaded.interrogate(pictures[:2], mode)
    assert all(choice.phrase in one.prompt for one in found for choice in one.choices)
    if mode != "negative":
        assert all(one.prompt.startswith(caption) for one, caption in zip(found, captions, strict=True))
        given = loaded.interrogate(pictures[:1], mode, ["a house"])
        assert given[0].prompt.startswith("a house")


def test_the_bundles_own_settings_hold_in_every_mode(
    world: Path, loaded: LoadedBundle, pictures: list[Image.Image]
) -> None:
    path = world / "careful.toml"
    path.write_text(INTERROGATOR + 'mode = "classic"\nsure = 0.9\nmax_flavors = 1\nwithout = ["artists"]\n')
    careful = LoadedBundle.load(str(path), "cpu")
    said = [one.prompt for one in careful.interrogate(pictures, "classic")]
    assert said == [one.prompt for one in careful.predict(pictures)]
    assert any(one.choices for one in loaded.interrogate(pictures, "fast"))
    assert not any(one.choices for one in careful.interrogate(pictures, "fast"))


def test_a_similarity_is_the_likeness_of_image_and_prompt(
    loaded: LoadedBundle, pictures: list[Image.Image]
) -> None:
    found = loaded.interrogate(pictures, "classic")
    cosines = loaded.likeness(pictures, [one.prompt for one in found])
    assert cosines.shape == (5, 5)
    np.testing.assert_allclose(cosines.diagonal(), [one.similarity for one in found], atol=1e-5)


def test_a_captioner_speaks_where_there_is_one(loaded: LoadedBundle, pictures: list[Image.Image]) -> None:
    captions = loaded.caption(pictures)
    assert all(caption.captioned for caption in captions)
    assert {caption.model for caption in captions} == {"BLIP (blip)"}


def test_known_prompts_come_from_the_bank(loaded: LoadedBundle) -> None:
    prompts, rows = loaded._known
    assert len(set(prompts)) == len(prompts) == 6
    assert loaded.known(rows[3], 2)[0] == (prompts[3], pytest.approx(1, abs=1e-3))


def test_a_prompt_that_stands_twice_in_a_bank_is_known_once() -> None:
    rows = np.eye(3, 384, dtype=np.float16)
    bank = Bank(rows[:, :3], rows[[0, 1, 0]], ("a fox", "a bus", "a fox"), "a CLIP", encoder_identity())
    seer = SimpleNamespace(identity=bank.clip)
    member = RetrievalMember("retrieval", seer, bank, RetrievalConfig())  # type: ignore[arg-type]
    loaded = LoadedBundle(BARE, [member], Loader("cpu"))
    assert loaded.known(rows[1].astype(np.float32)) == [("a bus", 1), ("a fox", 0)]


def test_captions_that_a_mode_has_no_use_for_are_refused() -> None:
    lite = LoadedBundle(BARE, [], Loader("cpu"))
    with pytest.raises(ConfigError, match="the mode phrases takes no captions"):
        lite.interrogate([Image.new("RGB", (8, 8))], captions=["a house"])


def test_a_mode_that_is_not_there_says_which_are(loaded: LoadedBundle, lite: LoadedBundle) -> None:
    picture = Image.new("RGB", (64, 64))
    with pytest.raises(ConfigError, match="no mode 'phrases'; it has classic"):
        loaded.interrogate([picture], PHRASES)
    with pytest.raises(ConfigError, match="'lite' has no mode 'fast'; it has phrases"):
        lite.interrogate([picture], "fast")


def test_several_threads_get_what_one_gets(loaded: LoadedBundle, pictures: list[Image.Image]) -> None:
    alone = [one.prompt for one in loaded.interrogate(pictures, "fast")]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: loaded.interrogate([picture], "fast")[0].prompt, pictures))
    assert together == alone


def test_lite_says_that_no_captioner_speaks(lite: LoadedBundle, drawn: list[Image.Image]) -> None:
    assert lite.modes == (PHRASES,)
    for caption in lite.caption(drawn):
        assert not caption.captioned
        assert caption.model == "a classifier of 1,000 kinds of things and a detector of 80"
    assert [caption.text for caption in lite.caption(drawn)] == [
        prediction.prompt for prediction in lite.predict(drawn)
    ]


def test_lites_phrases_are_those_of_its_prompt(lite: LoadedBundle, drawn: list[Image.Image]) -> None:
    predictions = lite.predict(drawn)
    for one, prediction in zip(lite.interrogate(drawn, PHRASES), predictions, strict=True):
        assert one.prompt == prediction.prompt
        places = [one.prompt.index(choice.phrase) for choice in one.choices]
        assert places == sorted(places)
        assert set(one.by_kind()) <= {"subjects"}
    rows = lite.embed(["a cat", "a bus"])
    np.testing.assert_allclose(
        lite.likeness(drawn, ["a cat", "a bus"])[0], rows @ predictions[0].embedding, atol=1e-6
    )


def test_known_prompts_may_be_given(lite: LoadedBundle) -> None:
    (first, cosine), *others = lite.known(lite.embed(["a cat"])[0])
    assert first == "a cat"
    assert cosine == pytest.approx(1, abs=1e-5)
    assert [text for text, _ in others] == ["a red bus"]
