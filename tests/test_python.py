"""The package in Python programs: what it shows, images of every kind, and that functions do as commands."""

from __future__ import annotations

import inspect
import io
import json
import pkgutil
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import unprompt
from tests.whole_world import ALL
from unprompt import python
from unprompt.bundle import loaded as loaded_module
from unprompt.bundle.loaded import LoadedBundle
from unprompt.cli import main
from unprompt.errors import ConfigError, InputError, RunError, UnreadableImageError
from unprompt.records import Prompts
from unprompt.storage.files import read_prompts
from unprompt.storage.images import AnyImage, image_of, read_image
from unprompt.storage.submission import read_submission

pytestmark = pytest.mark.usefixtures("one_thread")

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (9, 7, 3), dtype=np.uint8)
RGBA = RNG.integers(0, 256, (9, 7, 4), dtype=np.uint8)
GREY = RGB[:, :, 0]
DEEP = RNG.integers(0, 65536, (9, 7), dtype=np.uint16)
ORIENTATION = 0x0112


# --- what the package shows


def test_importing_the_package_loads_nothing_heavy() -> None:
    program = "import json, sys, unprompt; dir(unprompt); print(json.dumps(sorted(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(printed.stdout))
    assert not loaded & {"numpy", "torch", "PIL", "polars", "tqdm", "inspect", "dataclasses"}
    assert {name for name in loaded if name.startswith("unprompt")} == {"unprompt", "unprompt.errors"}


def test_every_public_name_is_there() -> None:
    assert unprompt.__all__ == sorted(unprompt.__all__)
    assert set(unprompt.__all__) <= set(dir(unprompt))
    for name in unprompt.__all__:
        assert getattr(unprompt, name).__doc__, name
    assert unprompt.load is python.load
    assert unprompt.LoadedBundle is LoadedBundle
    assert inspect.ismodule(unprompt.easy_diffuser)
    with pytest.raises(AttributeError, match="has no attribute 'predikt'"):
        unprompt.predikt  # noqa: B018


def test_every_function_of_the_room_is_public() -> None:
    own = {
        name
        for name, value in vars(python).items()
        if inspect.isfunction(value) and value.__module__ == python.__name__ and not name.startswith("_")
    }
    assert own <= set(unprompt.__all__)


def test_no_function_has_the_name_of_a_module() -> None:
    modules = {module.name for module in pkgutil.iter_modules(unprompt.__path__)}
    assert modules & set(unprompt.__all__) == {"colouring", "colouring_pages", "doodles", "easy_diffuser"}


def test_a_module_of_the_package_can_be_imported_in_any_order() -> None:
    program = (
        "import unprompt; unprompt.prompts; import unprompt.pocket.dice; print(unprompt.pocket.__name__)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "unprompt.pocket"


def test_an_unknown_keyword_names_those_there_are() -> None:
    with pytest.raises(
        TypeError, match=r"predict\(\) has no keyword 'bundel'; did you mean 'bundle'\? It has"
    ):
        unprompt.predict("images", "RUN", bundel="lite")
    with pytest.raises(TypeError, match=r"'nope'; It has: prompts, out, .*, seed, workers, "):
        unprompt.render("kept.csv", "DATASET", nope=1)
    with pytest.raises(TypeError, match=r"score\(\) has no keyword 'trth'; did you mean 'truth'"):
        unprompt.score("a", trth="b")  # type: ignore[call-arg]


def test_a_signature_shows_the_settings() -> None:
    shown = inspect.signature(unprompt.train).parameters
    assert shown["backbone"].default == "vit_base_patch16_224"
    assert shown["accumulate"].default == 1  # a MachineConfig's
    assert "settings" not in shown
    assert "regression" not in inspect.signature(unprompt.make_pocket).parameters


# --- an image is an image, however it comes


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def turned() -> bytes:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    return encoded(Image.fromarray(RGB), "JPEG", exif=exif.tobytes(), quality=95)


def palette(transparent: bool) -> bytes:
    image = Image.fromarray(RGB).quantize(16)
    return encoded(image, "PNG", **({"transparency": 3} if transparent else {}))


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "1": ("1", lambda: encoded(Image.fromarray(GREY).convert("1"), "PNG")),
    "L": ("L", lambda: encoded(Image.fromarray(GREY), "PNG")),
    "LA": ("LA", lambda: encoded(Image.fromarray(RGBA).convert("LA"), "PNG")),
    "P": ("P", lambda: palette(transparent=False)),
    "P, transparent": ("P", lambda: palette(transparent=True)),
    "RGB": ("RGB", lambda: encoded(Image.fromarray(RGB), "PNG")),
    "RGB, a colour transparent": (
        "RGB",
        lambda: encoded(Image.fromarray(RGB), "PNG", transparency=tuple(map(int, RGB[0, 0]))),
    ),
    "RGBA": ("RGBA", lambda: encoded(Image.fromarray(RGBA), "PNG")),
    "I;16": ("I;16", lambda: encoded(Image.fromarray(DEEP), "PNG")),
    "CMYK": ("CMYK", lambda: encoded(Image.fromarray(RGBA, "CMYK"), "TIFF")),
    "JPEG": ("RGB", lambda: encoded(Image.fromarray(RGB), "JPEG")),
    "JPEG on its side": ("RGB", turned),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_the_same_by_path_by_bytes_and_opened(name: str, tmp_path: Path) -> None:
    mode, content = FILES[name][0], FILES[name][1]()
    path = tmp_path / "a.img"
    path.write_bytes(content)
    by_reader = np.asarray(read_image(path))
    opened = Image.open(path)
    assert opened.mode == mode
    decoded = Image.open(io.BytesIO(content))
    decoded.load()
    ways: list[AnyImage] = [path, str(path), content, bytearray(content), opened, decoded, read_image(path)]
    for way in ways:
        image = image_of(way)
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), by_reader)
    if name == "JPEG on its side":
        assert by_reader.shape == (7, 9, 3)


@pytest.mark.parametrize("mode", ["YCbCr", "HSV", "LAB", "I", "F", "PA", "La", "RGBX", "RGBa", "I;16B"])
def test_pillows_other_modes_are_taken(mode: str) -> None:
    assert image_of(Image.new(mode, (3, 2))).mode == "RGB"


def test_transparency_lies_on_white() -> None:
    clear = np.zeros((2, 2, 4), dtype=np.uint8)
    for way in (clear, Image.fromarray(clear), Image.new("La", (2, 2)), Image.new("PA", (2, 2))):
        assert (np.asarray(image_of(way)) == 255).all()


@pytest.mark.parametrize("array", [RGB, RGBA, GREY], ids=["RGB", "RGBA", "grey"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_an_array_is_the_file_of_its_pixels(array: np.ndarray, dtype: type, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(array).save(path)
    given = array if dtype is np.uint8 else (array / 255).astype(dtype)
    for one in (given, np.asfortranarray(given), np.repeat(given, 2, axis=1)[:, ::2]):
        np.testing.assert_array_equal(np.asarray(image_of(one)), np.asarray(read_image(path)))


def test_floats_are_rounded_to_the_nearest_level() -> None:
    levels = image_of(np.array([[0.999, 0.0019, 0.0021, 0.5]]))  # 254.745, 0.4845, 0.5355, 127.5
    assert np.asarray(levels)[0, :, 0].tolist() == [255, 0, 1, 128]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((2, 4, 4, 3), np.uint8), r"shape \(2, 4, 4, 3\) and dtype uint8: one image is \(H, W\)"),
        (np.zeros((3, 8, 8), np.uint8), r"shape \(3, 8, 8\).*give several as a list"),
        (np.zeros((0, 8, 3), np.uint8), r"one image is"),
        (np.zeros((8, 8), np.int64), r"dtype int64: numbers are uint8, or floats from 0 to 1"),
        (np.full((8, 8), 200.0), r"floats are from 0 to 1, these from 200 to 200"),
        (np.full((8, 8), np.nan), r"floats are from 0 to 1, these from nan to nan"),
        (b"", r"^0 bytes: the file is empty"),
        (b"GIF89a, or so it says", r"^21 bytes: "),
        (None, r"^a value of type NoneType: no image; give a path"),
        (io.BytesIO(b"png"), r"^a value of type BytesIO: no image"),
        ("no/cat.png", r"^no/cat\.png: there is no such file"),
    ],
)
def test_what_is_no_image_says_why(given: Any, words: str) -> None:
    with pytest.raises(UnreadableImageError, match=words):
        image_of(given)


def test_a_folder_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImageError, match=r"a folder, not an image; name its files in a list$") as e:
        image_of(tmp_path)
    assert str(e.value).startswith(str(tmp_path))
    (tmp_path / "half.png").write_bytes(encoded(Image.fromarray(RGB), "PNG")[:60])
    with pytest.raises(UnreadableImageError, match=r"half\.png: damaged or truncated"):
        image_of(tmp_path / "half.png")


# --- a loaded bundle


@pytest.fixture(scope="module")
def lite() -> LoadedBundle:
    return unprompt.load("lite", "cpu", known=["a red bus", "a cat", "a red bus"])


@pytest.fixture(scope="module")
def files(scenes: Path) -> list[Path]:
    return sorted((scenes / "images").iterdir())


@pytest.fixture(scope="module")
def rich(world: Path) -> LoadedBundle:
    path = world / "python.toml"
    path.write_text(ALL)
    return unprompt.load(path, "cpu")


@pytest.fixture(scope="module")
def pictures(world: Path) -> list[Path]:
    return sorted((world / "images").iterdir())


def test_one_gives_one_and_a_list_a_list(lite: LoadedBundle, files: list[Path]) -> None:
    one = lite.predict(files[0])
    assert one.embedding.shape == (384,)
    ways = [str(files[0]), files[0].read_bytes(), Image.open(files[0]), np.asarray(Image.open(files[0]))]
    several = lite.predict(ways)
    assert [guess.prompt for guess in several] == 4 * [one.prompt]
    for guess in (*several, *lite.predict((files[0],))):
        np.testing.assert_allclose(guess.embedding, one.embedding, atol=1e-6)
        assert guess.phrases == one.phrases
    assert lite.predict([]) == lite.caption([]) == lite.interrogate([]) == []
    assert lite.caption(files[0]) == lite.caption([files[0]])[0]
    assert lite.interrogate(str(files[0])).prompt == one.prompt


def test_phrases_are_those_of_the_prompt(lite: LoadedBundle, files: list[Path]) -> None:
    for guess, told in zip(lite.predict(files[:3]), lite.interrogate(files[:3]), strict=True):
        assert guess.phrases == tuple(choice.phrase for choice in told.choices)
        places = [guess.prompt.index(phrase) for phrase in guess.phrases]
        assert places == sorted(places)


def test_an_interrogators_phrases_are_its_choices(rich: LoadedBundle, pictures: list[Path]) -> None:
    guesses = rich.predict(pictures)
    for guess, told in zip(guesses, rich.interrogate(pictures, mode="kaggle"), strict=True):
        assert guess.prompt == told.prompt
        assert guess.phrases == tuple(choice.phrase for choice in told.choices) != ()


def test_a_prompt_that_is_made_of_no_phrases_has_none(rich: LoadedBundle, pictures: list[Path]) -> None:
    bundle = rich.bundle
    members = [member for member in rich.members if member.name != "interrogator"]
    specs = tuple(spec for spec in bundle.members if spec.name != "interrogator")
    quiet = LoadedBundle(type(bundle)(bundle.name, "", specs), members, rich.loader)
    guess = quiet.predict(pictures[0])
    assert guess.prompt == guess.prompts["retrieval"] != ""
    assert guess.phrases == ()


def test_similar_has_an_axis_for_each_list(lite: LoadedBundle, files: list[Path]) -> None:
    texts = ["a red fox", "a lizard", "a chair"]
    whole = lite.similar(texts, files[:2])
    assert whole.shape == (3, 2)
    rows, places = lite.embed(texts), np.stack([guess.embedding for guess in lite.predict(files[:2])])
    np.testing.assert_allclose(whole, rows @ places.T, atol=1e-6)
    np.testing.assert_allclose(lite.similar(texts[1], files[:2]), whole[1], atol=1e-6)
    np.testing.assert_allclose(lite.similar(texts, files[0]), whole[:, 0], atol=1e-6)
    one = lite.similar(texts[2], str(files[1]))
    assert isinstance(one, float)
    assert one == pytest.approx(whole[2, 1], abs=1e-6)


def test_one_text_gives_one_row(lite: LoadedBundle) -> None:
    assert lite.embed("a red fox").shape == (384,)
    np.testing.assert_allclose(lite.embed("a red fox"), lite.embed(["a red fox"])[0], atol=1e-6)
    assert lite.embed([]).shape == (0, 384)


def test_known_prompts_come_in_three_forms(tmp_path: Path, scenes: Path, lite: LoadedBundle) -> None:
    assert [text for text, _ in lite.known(lite.embed("a cat"))] == ["a cat", "a red bus"]
    truths = read_prompts(scenes / "prompts.csv")
    given: list[str | Prompts] = [str(scenes / "prompts.csv"), truths]
    for known in given:
        model = unprompt.load("lite", "cpu", known)
        assert model.known(model.embed(truths.texts[4]), 1)[0][0] == truths.texts[4]


def test_captions_may_be_given(
    rich: LoadedBundle, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert rich.interrogate(pictures[0], "fast", "a house").prompt.startswith("a house")
    monkeypatch.setattr(loaded_module, "CHUNK", 2)
    said = [f"house {number}" for number in range(len(pictures))]
    for one, text in zip(rich.interrogate(pictures, "fast", said), said, strict=True):
        assert one.prompt.startswith(text)
    with pytest.raises(ConfigError, match=r"2 captions for 1 image"):
        rich.interrogate([pictures[0]], "fast", ["a", "b"])


def test_a_long_list_is_decoded_one_by_one(
    rich: LoadedBundle, pictures: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = rich.predict(pictures)
    captions = rich.caption(pictures)
    monkeypatch.setattr(loaded_module, "CHUNK", 2)
    for one, other in zip(rich.predict(pictures), at_once, strict=True):
        np.testing.assert_allclose(one.embedding, other.embedding, atol=1e-6)
        assert (one.prompt, one.phrases) == (other.prompt, other.phrases)
    assert rich.caption(pictures) == captions

    decoded: list[weakref.ref[Image.Image]] = []

    def noted(images: Sequence[AnyImage], rows: range) -> Iterator[Image.Image]:
        for image in images_of_rows(images, rows):
            decoded.append(weakref.ref(image))
            assert sum(reference() is not None for reference in decoded) <= 2  # this one and the one before
            yield image

    images_of_rows = loaded_module.images_of_rows
    monkeypatch.setattr(loaded_module, "images_of_rows", noted)
    monkeypatch.setattr(loaded_module, "CHUNK", 64)
    rich.predict(pictures)
    assert len(decoded) == len(pictures) == 5


def test_a_bad_image_of_a_list_is_named(
    lite: LoadedBundle, files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loaded_module, "CHUNK", 2)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(UnreadableImageError, match=r"^images\[3\], .*bad\.png: not an image"):
        lite.predict([*files[:3], tmp_path / "bad.png", files[3]])
    with pytest.raises(UnreadableImageError, match=r"^images\[1\], a value of type int: no image"):
        lite.predict([files[0], 3])  # type: ignore[list-item]
    with pytest.raises(UnreadableImageError, match=r"^an array of shape \(2, 8, 8, 3\)"):
        lite.caption(np.zeros((2, 8, 8, 3), np.uint8))


# --- what the commands do


@pytest.fixture(scope="module")
def runs(scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A RUN of the command, and one of the function beside it with what that returned."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["--truth", str(scenes / "prompts.csv"), "--device", "cpu"]
    assert main(["predict", str(scenes / "images"), "--out", str(folder / "command"), *common]) == 0
    result = unprompt.predict(
        str(scenes / "images"), folder / "python", truth=scenes / "prompts.csv", device="cpu", bundle="lite"
    )
    return folder, result


def test_predict_leaves_what_the_command_leaves(runs: tuple[Path, Any], scenes: Path) -> None:
    folder, result = runs
    for name in ("submission.csv", "prompts.csv", "members/zeroshot.npz", "members/phrases.npz"):
        assert (folder / "python" / name).read_bytes() == (folder / "command" / name).read_bytes()
    scored = unprompt.score(folder / "command" / "submission.csv", str(scenes / "prompts.csv"), device="cpu")
    assert scored.mean == pytest.approx(result.score.mean, abs=1e-6)


def test_a_loaded_bundle_says_what_the_command_writes(
    runs: tuple[Path, Any], lite: LoadedBundle, files: list[Path]
) -> None:
    folder, _ = runs
    guesses = lite.predict(files)
    ids = [path.stem for path in files]
    written = read_submission(folder / "command" / "submission.csv").at(ids).vectors
    np.testing.assert_allclose([guess.embedding for guess in guesses], written, atol=1e-6)
    assert [guess.prompt for guess in guesses] == list(
        read_prompts(folder / "command" / "prompts.csv").at(ids).texts
    )


def test_a_blend_is_the_commands(runs: tuple[Path, Any], scenes: Path, tmp_path: Path) -> None:
    folder, _ = runs
    members = [folder / "command" / "members" / f"{name}.npz" for name in ("zeroshot", "phrases")]
    assert unprompt.blend(list(map(str, members)), [1.0, 0.0], tmp_path / "a.csv") == 12
    assert (tmp_path / "a.csv").read_bytes() == (folder / "command" / "submission.csv").read_bytes()
    fitted = unprompt.fit_weights(members, scenes / "prompts.csv", device="cpu")
    assert sum(weight.value for weight in fitted.fit.weights) == pytest.approx(1)
    with pytest.raises(ConfigError, match="1 weight;"):
        unprompt.blend(members, [1.0], tmp_path / "b.csv")


def test_a_data_set_from_nothing(tmp_path: Path) -> None:
    made = unprompt.prompts(tmp_path / "prompts.csv", 20, seed=2)
    assert made.count == 20
    kept = unprompt.filter(tmp_path / "prompts.csv", tmp_path / "kept.csv", threshold=0.9, device="cpu")
    rendered = unprompt.render(kept.out, tmp_path / "DATASET", size=32, as_folder=True, device="cpu")
    assert rendered.images == kept.kept
    described = unprompt.describe(rendered.out, images=4, device="cpu")
    assert (tmp_path / "DATASET" / "describe.html").exists()
    assert described.pictures.opened == kept.kept
    copied = unprompt.prompts(tmp_path / "copy.csv", source=str(tmp_path / "prompts.csv"))
    assert copied.count == 20


def test_captions_of_files(world: Path, pictures: list[Path], tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    found = unprompt.caption(
        [str(world / "images"), tmp_path / "bad.png"],
        model=world / "blip",
        out=str(tmp_path / "captions.csv"),
        device="cpu",
        length=4,
    )
    assert [one.file.path for one in found] == [*pictures, tmp_path / "bad.png"]
    assert found[-1].caption is None
    assert len(read_rows(tmp_path / "captions.csv")) == len(pictures)
    with pytest.raises(InputError, match=r"the only image cannot be read: bad\.png: not an image"):
        unprompt.caption(tmp_path / "bad.png", model=world / "blip", device="cpu")


def test_captions_for_training(world: Path, tmp_path: Path) -> None:
    for name in ("p0.png", "p1.png"):
        (tmp_path / name).write_bytes((world / "images" / name).read_bytes())
    (tmp_path / "p0.txt").write_text("mine")
    ask = {"model": world / "blip", "device": "cpu", "length": 4, "txt": True, "prefix": "ohwx, "}
    with pytest.raises(RunError, match=r"p0\.txt is there already"):
        unprompt.caption(tmp_path, **ask)
    (one,) = unprompt.caption(tmp_path, **ask, skip_existing=True, meta_cap=tmp_path / "meta_cap.json")
    assert (tmp_path / "p0.txt").read_text() == "mine"
    assert (tmp_path / "p1.txt").read_text() == f"ohwx, {one.caption}\n"
    assert json.loads((tmp_path / "meta_cap.json").read_text()) == {
        "p0": {"caption": "mine"},
        "p1": {"caption": f"ohwx, {one.caption}"},
    }
    unprompt.caption(tmp_path, **ask, overwrite=True)
    assert (tmp_path / "p0.txt").read_text().startswith("ohwx, ")
    with pytest.raises(ConfigError, match="give one of both"):
        unprompt.caption(tmp_path, **ask, out=tmp_path / "c.csv")
    with pytest.raises(ConfigError, match=r"--prefix is about captions for training"):
        unprompt.caption(tmp_path, model=world / "blip", prefix="ohwx, ")


def read_rows(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()[1:]


class AskedError(Exception):
    """Raised in place of work, with what was asked for."""


ASKED = {
    "predict": (
        "unprompt.runs.predict:predict",
        "images --out RUN --bundle my.toml --truth t.csv --deadline 45m --workers 2 --recursive "
        "--txt-folder T --ending caption --skip-existing",
        lambda: unprompt.predict(
            "images", "RUN", bundle=Path("my.toml"), truth="t.csv", deadline="45m", workers=2, recursive=True,
            txt_folder=Path("T"), ending=".caption", skip_existing=True,
        ),
    ),
    "interrogate": (
        "unprompt.interrogator.run:interrogate",
        "a.png b --out c.csv --mode best --without artists,trending --no-repeats --clip ViT-L-14 "
        "--checkpoint vit.pt --captioner blip --batch 3",
        lambda: unprompt.interrogate(
            ["a.png", Path("b")], "c.csv", mode="best", without=["artists", "trending"], no_repeats=True,
            clip="ViT-L-14", checkpoint=Path("vit.pt"), captioner="blip", batch=3,
        ),
    ),
    "interrogate --txt": (
        "unprompt.interrogator.run:interrogate",
        "a --txt --metadata-jsonl --meta-cap m.json --full-path --prefix p --suffix s",
        lambda: unprompt.interrogate(
            "a", txt=True, metadata_jsonl=True, meta_cap="m.json", full_path=True, prefix="p", suffix="s"
        ),
    ),
    "caption": (
        "unprompt.interrogator.caption_files:caption",
        "a b --model blip --length 9 --txt --prefix p --overwrite --device cpu --recursive",
        lambda: unprompt.caption(
            ["a", "b"], model="blip", length=9, txt=True, prefix="p", overwrite=True, device="cpu",
            recursive=True,
        ),
    ),
    "score": (
        "unprompt.ensemble.score_files:score_files",
        "a.csv b.csv --device cpu",
        lambda: unprompt.score("a.csv", Path("b.csv"), device="cpu"),
    ),
    "blend": (
        "unprompt.ensemble.blend_files:blend_files",
        "a.npz b.npz --weights 1 2 --out c.csv --sample s.csv",
        lambda: unprompt.blend(["a.npz", "b.npz"], [1.0, 2.0], "c.csv", sample="s.csv"),
    ),
    "blend --fit": (
        "unprompt.ensemble.blend_files:fit_files",
        "a.npz b.npz --fit t.csv --weights 1 2",
        lambda: unprompt.fit_weights(["a.npz", "b.npz"], "t.csv", weights=[1.0, 2.0]),
    ),
    "prompts": (
        "unprompt.generate.prompts:extend_prompts",
        "--out p.csv --count 9 --seed 4 --overwrite",
        lambda: unprompt.prompts("p.csv", 9, seed=4, overwrite=True),
    ),
    "filter": (
        "unprompt.generate.filter:filter_prompts",
        "p.csv --out k.csv --threshold 0.8 --against a.csv b.csv --embeddings e.npz",
        lambda: unprompt.filter(
            "p.csv", "k.csv", threshold=0.8, against=["a.csv", "b.csv"], embeddings="e.npz"
        ),
    ),
    "render": (
        "unprompt.generate.render.run:render_prompts",
        "k.csv --out D --size 64 --seed 3 --workers 2 --as-folder",
        lambda: unprompt.render("k.csv", "D", size=64, seed=3, workers=2, as_folder=True),
    ),
    "render --model": (
        "unprompt.generate.render.run:render_prompts",
        "k.csv --out D --model sd --preset light --steps 9 --size 512x640 --negative-prompt blur",
        lambda: unprompt.render(
            "k.csv", "D", model=Path("sd"), preset="light", steps=9, size=(512, 640),
            negative_prompt="blur",
        ),
    ),
    "train": (
        "unprompt.regression.train:train",
        "D --out R --backbone resnet18 --freeze a.* b.* --head words --accumulate 2 --overwrite",
        lambda: unprompt.train(
            "D", "R", backbone="resnet18", freeze=["a.*", "b.*"], head="words", accumulate=2, overwrite=True
        ),
    ),
    "tune": (
        "unprompt.regression.tune:tune",
        "D --out S --trials 3 --batch 8 16 --learning-rate 1e-4 1e-3 --epochs 2 --device cpu",
        lambda: unprompt.tune(
            "D", "S", trials=3, batch=[8, 16], learning_rate=[1e-4, 1e-3], epochs=2, device="cpu"
        ),
    ),
    "pocket": (
        "unprompt.recipes.pocket:make_pocket",
        "--out P --images 500 --held-out 20",
        lambda: unprompt.make_pocket("P", images=500, held_out=20),
    ),
    "demo": (
        "unprompt.demos.sample_scenes:run_demo",
        "--out here",
        lambda: unprompt.demo("here"),
    ),
    "doctor": (
        "unprompt.runs.doctor:examine",
        "--images 9 --bundle kaggle",
        lambda: unprompt.doctor(9, bundle="kaggle"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("command", ASKED)
def test_the_function_asks_for_what_the_command_asks(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place, options, call = ASKED[command]
    module, _, name = place.partition(":")
    asked = inspect.signature(getattr(import_module(module), name))

    def note(*arguments: Any, **keywords: Any) -> Any:
        bound = asked.bind(*arguments, **keywords)
        bound.apply_defaults()
        raise AskedError({key: plain(bound.arguments[key]) for key in bound.arguments if key != "started"})

    monkeypatch.setattr(f"{module}.{name}", note)
    with pytest.raises(AskedError) as by_command:
        main([command.split()[0], *options.split()])
    with pytest.raises(AskedError) as by_function:
        call()
    assert by_function.value.args == by_command.value.args


def plain(value: Any) -> Any:
    """What can be compared of an argument: prompt engines by their settings; not who is told."""
    if callable(value):
        return None
    if isinstance(value, list | tuple):
        return tuple(value)
    return value.settings() if type(value).__name__ == "PocketPrompts" else value


def test_a_bank_is_looked_at_by_the_clip_that_is_named(world: Path, tmp_path: Path) -> None:
    made = unprompt.bank(str(world / "DATA"), tmp_path / "BANK", checkpoint=world / "clip", device="cpu")
    assert made.images == 6
    assert (tmp_path / "BANK" / "bank.npz").read_bytes() == (world / "BANK" / "bank.npz").read_bytes()


def test_a_setting_of_another_engine_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"engine 'pocket' has no setting 'temperature'; it has: none"):
        unprompt.prompts("p.csv", 3, temperature=2.0)
    with pytest.raises(ConfigError, match="a seed has no meaning for prompts from a file"):
        unprompt.prompts("p.csv", source="lines.txt", seed=1)
    with pytest.raises(ConfigError, match=r"engine 'pocket' has no setting 'steps'; it has: none"):
        unprompt.render("k.csv", "D", steps=3)
    with pytest.raises(ConfigError, match=r"there is no engine 'dalle'; there are: pocket, sd2"):
        unprompt.render("k.csv", "D", engine="dalle")
    with pytest.raises(ConfigError, match=r"there is no preset 'heavy'"):
        unprompt.render("k.csv", "D", model="sd", preset="heavy")
    with pytest.raises(ConfigError, match=r"size must be from 16 to 2048 pixels, got 8"):
        unprompt.render("k.csv", "D", size=(64, 8))
    with pytest.raises(ConfigError, match=r"say how many prompts with count"):
        unprompt.prompts("p.csv")


def test_a_config_file_is_overridden_by_keywords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "base.toml").write_text('backbone = "resnet18"\nepochs = 9\n')
    asked: list[Any] = []
    monkeypatch.setattr("unprompt.regression.train.train", lambda *arguments: asked.append(arguments))
    unprompt.train("D", "R", config=str(tmp_path / "base.toml"), epochs=2)
    _, _, config, *_ = asked[0]
    assert (config.backbone, config.epochs) == ("resnet18", 2)
