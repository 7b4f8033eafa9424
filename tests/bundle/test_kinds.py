"""Kinds of members that an installed package adds: read, predicted with, and refused where they are wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from unprompt import members
from unprompt.bundle import kinds
from unprompt.bundle.bundles import load_members, read_bundle
from unprompt.bundle.loaded import LoadedBundle
from unprompt.errors import CheckpointError, ConfigError
from unprompt.members import zeroshot
from unprompt.networks.loader import Loader
from unprompt.records import DIM
from unprompt.runs.config import PredictConfig
from unprompt.runs.predict import predict
from unprompt.storage.files import read_embeddings, read_prompts

# What somebody else wrote: a backbone, a member that looks through it, its settings, and the kind.
MEAN_COLOUR = '''
"""An image by its mean colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unprompt.ensemble.kinds import MemberKind
from unprompt.ensemble.members import Guess
from unprompt.errors import ConfigError
from unprompt.records import DIM, unit_rows


@dataclass(frozen=True)
class MeanColourConfig:
    first: int = 0  # the number of the embedding that red goes to; green and blue go to the next two
    palette: str = ""  # a file of colours, a line each: red, green, blue, name

    def __post_init__(self) -> None:
        if not 0 <= self.first <= DIM - 3:
            raise ConfigError(f"first must be from 0 to {DIM - 3}, got {self.first}")


class MeanColour:
    name = "mean-colour"
    batch = 2

    def prepare(self, image):
        return np.asarray(image, dtype=np.float32).mean(axis=(0, 1))

    def features(self, prepared):
        return np.stack(prepared)


class MeanColourMember:
    def __init__(self, name, config):
        self.name = name
        self.backbones = (MeanColour(),)
        self._first = config.first
        self._colours = [line.split() for line in Path(config.palette).read_text().splitlines()]

    def guess(self, features):
        embeddings = np.zeros((len(features), DIM), dtype=np.float32)
        embeddings[:, self._first : self._first + 3] = features
        return Guess(unit_rows(embeddings), tuple(map(self._nearest, features)))

    def _nearest(self, colour):
        return "all " + min(self._colours, key=lambda one: abs(np.float32(one[:3]) - colour).sum())[3]


def build(loader, spec):
    return MeanColourMember(spec.name, spec.read(MeanColourConfig))


KIND = MemberKind((MeanColourConfig,), build, paths=("palette",))
'''

BUNDLE = """
[[members]]
name = "low"
kind = "mean_colour"
weight = 3
palette = "words/colours.txt"

[[members]]
name = "high"
kind = "mean_colour"
weight = 1
palette = "words/colours.txt"
first = 100
"""

Install = Callable[..., None]


def lay_out(folder: Path, kinds: dict[str, str], **modules: str) -> None:
    """What installing the package `night` leaves in a folder of sys.path."""
    package, record = folder / "night", folder / "night-1.0.dist-info"
    for one in (package, record):
        one.mkdir(parents=True)
    (package / "__init__.py").touch()
    for name, source in modules.items():
        (package / f"{name}.py").write_text(source, encoding="utf-8")
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: night\nVersion: 1.0\n", encoding="utf-8")
    points = "\n".join(f"{name} = {place}" for name, place in kinds.items())
    (record / "entry_points.txt").write_text(f"[unprompt.members]\n{points}\n", encoding="utf-8")


def forget() -> None:
    """What has been found and imported of other packages."""
    kinds._added.cache_clear()
    kinds.kind_named.cache_clear()
    for name in [name for name in sys.modules if name.split(".")[0] == "night"]:
        del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs the package for this process."""

    def installed(kinds: dict[str, str], **modules: str) -> None:
        lay_out(tmp_path / "site", kinds, **modules)
        monkeypatch.syspath_prepend(tmp_path / "site")
        forget()

    yield installed
    monkeypatch.undo()
    forget()


@pytest.fixture
def mean_colour(install: Install) -> None:
    install({"mean_colour": "night.mean_colour:KIND"}, mean_colour=MEAN_COLOUR)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A bundle of two members of the kind, and the file that both name by a path beside the bundle's."""
    (tmp_path / "words").mkdir()
    (tmp_path / "words" / "colours.txt").write_text("255 0 0 red\n0 255 0 green\n0 0 255 blue\n")
    path = tmp_path / "own.toml"
    path.write_text(BUNDLE, encoding="utf-8")
    return path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Three pictures of one colour each: red, blue, and one of green and blue."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name, colour in (("a", (255, 0, 0)), ("b", (0, 0, 255)), ("c", (0, 120, 160))):
        Image.new("RGB", (32, 24), colour).save(folder / f"{name}.png")
    return folder


def expected() -> np.ndarray:
    """The blend of 3 parts red, green, blue in numbers 0 to 2 and 1 part in 100 to 102, of unit length."""
    colours = np.array([[1, 0, 0], [0, 0, 1], [0, 0.6, 0.8]])
    rows = np.zeros((3, DIM))
    rows[:, 0:3], rows[:, 100:103] = 3 * colours, colours
    return rows / np.sqrt(10)


def check_run(run: Path) -> None:
    blended = np.array(
        [line.split(",")[1] for line in (run / "submission.csv").read_text().splitlines()[1:]], dtype=float
    )
    np.testing.assert_allclose(blended.reshape(3, DIM), expected(), atol=1e-6)
    assert read_prompts(run / "prompts.csv").texts == ("all red", "all blue", "all blue")
    high = read_embeddings(run / "members" / "high.npz")
    assert high.ids == ("a", "b", "c")
    np.testing.assert_allclose(high.vectors[2, 100:103], [0, 0.6, 0.8], atol=1e-6)


@pytest.mark.usefixtures("mean_colour")
def test_a_bundle_of_its_kind_predicts(own: Path, images: Path, tmp_path: Path) -> None:
    predict(images, tmp_path / "RUN", PredictConfig(bundle=str(own), device="cpu"))
    check_run(tmp_path / "RUN")
    loaded = LoadedBundle.load(str(own), "cpu")
    found = loaded.predict([Image.open(path) for path in sorted(images.iterdir())])
    np.testing.assert_allclose([one.embedding for one in found], expected(), atol=1e-6)
    assert found[0].prompts == {"low": "all red", "high": "all red"}


@pytest.mark.slow
def test_the_command_predicts_with_it(own: Path, images: Path, tmp_path: Path) -> None:
    """In a process of its own, which finds the package as any that was installed."""
    lay_out(tmp_path / "site", {"mean_colour": "night.mean_colour:KIND"}, mean_colour=MEAN_COLOUR)
    places = [str(tmp_path / "site"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "unprompt", "predict", images, "--out", tmp_path / "RUN", "--bundle", own],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    check_run(tmp_path / "RUN")


@pytest.mark.usefixtures("mean_colour")
def test_its_paths_are_relative_to_the_bundles_file(own: Path) -> None:
    bundle = read_bundle(str(own))
    assert bundle.members[0].settings == {"palette": str(own.parent / "words" / "colours.txt")}
    assert bundle.as_dict()["members"][1]["settings"]["first"] == 100


@pytest.mark.usefixtures("mean_colour")
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("first = 100", "last = 100", "member 'high' has the unknown setting 'last'; known: first, palette"),
        (
            "first = 100",
            'first = "100"',
            "setting 'first' of member 'high' must be a whole number, got '100'",
        ),
        ("first = 100", "first = 382", "first must be from 0 to 381, got 382"),
        ('"words/colours.txt"', "1", "setting 'palette' of member 'low' must be a text, got 1"),
        ("weight = 3", "weight = -3", "finite and not negative, got -3"),
        (
            '"mean_colour"',
            '"mean_color"',
            "member 'low' is of the unknown kind 'mean_color'; "
            "known: zeroshot, phrases, regression, interrogator, retrieval, mean_colour",
        ),
    ],
)
def test_mistakes_in_its_table_are_told_as_in_ours(own: Path, old: str, new: str, words: str) -> None:
    own.write_text(BUNDLE.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        read_bundle(str(own))
    assert str(caught.value).startswith(f"{own}: ")
    assert words in str(caught.value)


def test_a_kind_whose_package_is_not_installed(own: Path) -> None:
    forget()
    with pytest.raises(ConfigError, match=r"unknown kind 'mean_colour'; known: zeroshot, .*retrieval$"):
        read_bundle(str(own))
    with pytest.raises(ConfigError, match="there is no kind of member 'mean_colour'; known: zeroshot, "):
        kinds.kind_named("mean_colour")


@pytest.mark.usefixtures("mean_colour")
def test_only_the_kinds_that_a_bundle_names_are_imported(own: Path) -> None:
    assert kinds.known_kinds() == (*members.NAMES, "mean_colour")
    read_bundle("lite")
    assert "night" not in sys.modules
    read_bundle(str(own))
    assert "night.mean_colour" in sys.modules


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nothing_like_it", r"\(ModuleNotFoundError: No module named 'nothing_like_it'\)"),
        ("1 / 0", r"\(ZeroDivisionError: division by zero\)"),
        ("KIND =", r"\(SyntaxError: invalid syntax \(mean_colour\.py, line 1\)\)"),
        ("OTHER = 1", r"\(AttributeError: .*has no attribute 'KIND'\)"),
    ],
)
def test_a_package_that_cannot_be_imported(own: Path, install: Install, source: str, words: str) -> None:
    install({"mean_colour": "night.mean_colour:KIND"}, mean_colour=source)
    with pytest.raises(ConfigError, match=words) as caught:
        read_bundle(str(own))
    message = str(caught.value)
    assert message.startswith(
        f"{own}: the kind of member 'mean_colour' of the package night cannot be imported"
    )
    assert message.endswith("; update or remove night")


def test_an_entry_point_that_is_no_kind(own: Path, install: Install) -> None:
    install({"mean_colour": "night.mean_colour:build"}, mean_colour=MEAN_COLOUR)
    with pytest.raises(ConfigError, match="package night is no MemberKind, but of the type function; update"):
        read_bundle(str(own))


def test_a_kind_of_our_name_stays_ours(install: Install) -> None:
    install({"zeroshot": "night.mean_colour:KIND"}, mean_colour="raise SystemExit('it was imported')")
    assert kinds.known_kinds() == members.NAMES
    assert kinds.kind_named("zeroshot") is zeroshot.KIND
    assert [member.kind for member in read_bundle("lite").members] == ["zeroshot", "phrases"]


def test_checkpoints_that_it_needs_are_looked_for_before_anything_is_built(
    own: Path, install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MEAN_COLOUR.replace("build, paths", "build, lambda spec: ['vit-b16-regression'], paths")
    install({"mean_colour": "night.mean_colour:KIND"}, mean_colour=source)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path))
    (tmp_path / "words" / "colours.txt").unlink()  # building would fail
    with pytest.raises(CheckpointError, match=r"lacks 1 checkpoint: vit-b16-regression\n"):
        load_members(read_bundle(str(own)), Loader("cpu"))
