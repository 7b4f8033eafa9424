"""Settings come back from TOML as they were, and what is wrong in a file is told with its key."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unprompt.errors import ConfigError, InputError
from unprompt.generate.config import FilterConfig
from unprompt.regression.config import TrainConfig, TuneConfig
from unprompt.storage.toml_files import read_config, write_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Everything:
    """A field of every type that settings have."""

    flag: bool = False
    count: int = 0
    share: float = 0.0
    text: str = ""
    folder: Path = Path()
    maybe: Path | None = None
    limit: float | None = None
    names: tuple[str, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    paths: tuple[Path, ...] = ()


numbers = st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
paths = texts.map(Path)


@settings(deadline=None)
@given(
    st.builds(
        Everything,
        flag=st.booleans(),
        count=st.integers(-(2**63), 2**63 - 1),
        share=numbers,
        text=texts,
        folder=paths,
        maybe=st.none() | paths,
        limit=st.none() | numbers,
        names=st.lists(texts).map(tuple),
        pair=st.tuples(numbers, numbers),
        paths=st.lists(paths).map(tuple),
    ),
    texts,
)
def test_any_settings_come_back_as_they_were(config: Everything, heading: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.toml"
        write_config(path, config, " ".join(heading.split()).translate(dict.fromkeys([*range(32), 127])))
        back = Everything(**read_config(path, Everything))
    assert back == config
    assert [type(value) for value in vars(back).values()] == [type(value) for value in vars(config).values()]


@pytest.mark.parametrize(
    "config",
    [
        TrainConfig(),
        TrainConfig(weights=Path('a "b"/c\\d.pth'), augment=("flip", "crop"), learning_rate=1e-05, mse=0),
        TuneConfig(batch=(16,), learning_rate=(1e-7, 0.25)),
        FilterConfig(against=(Path("x.csv"), Path("y.csv"))),
    ],
)
def test_real_settings_come_back_as_they_were(tmp_path: Path, config: object) -> None:
    write_config(tmp_path / "a.toml", config, "first line\n\nlast line")
    assert type(config)(**read_config(tmp_path / "a.toml", type(config))) == config


def test_the_file_is_plain_toml_under_its_heading(tmp_path: Path) -> None:
    config = replace(Everything(), names=("a\nb", 'say "é"'), share=1e-05, flag=True, folder=Path("a/b"))
    write_config(tmp_path / "a.toml", config, "one\n\ntwo")
    assert (tmp_path / "a.toml").read_text("utf-8") == (
        "# one\n#\n# two\n"
        "flag = true\ncount = 0\nshare = 1e-05\n"
        'text = ""\nfolder = "a/b"\n'
        'names = ["a\\nb", "say \\"é\\""]\npair = [0.0, 1.0]\npaths = []\n'
    )
    assert tomllib.loads((tmp_path / "a.toml").read_text("utf-8"))["names"] == ["a\nb", 'say "é"']


def test_what_a_file_leaves_out_keeps_its_default(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("epochs = 7\nlearning_rate = 1e-3\nweights = 'w.pth'\n")
    settings = read_config(tmp_path / "a.toml", TrainConfig)
    assert settings == {"epochs": 7, "learning_rate": 1e-3, "weights": Path("w.pth")}
    assert TrainConfig(**settings).batch == TrainConfig.batch


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("epoch = 3", "unknown setting 'epoch'; did you mean 'epochs'?"),
        ("zzz = 3", "unknown setting 'zzz'; known: backbone, weights"),
        ("[network]\nepochs = 3", "unknown setting 'network'"),
        ("epochs = 'three'", "'epochs' must be a whole number, got 'three'"),
        ("epochs = 3.0", "'epochs' must be a whole number, got 3.0"),
        ("epochs = true", "'epochs' must be a whole number, got True"),
        ("from_scratch = 1", "'from_scratch' must be true or false, got 1"),
        ("mse = '0.1'", "'mse' must be a number, got '0.1'"),
        ("mse = false", "'mse' must be a number, got False"),
        ("head = 1", "'head' must be a text, got 1"),
        ("weights = 1", "'weights' must be a path, as text, got 1"),
        ("augment = 'flip'", "'augment' must be an array, each a text, got 'flip'"),
        ("augment = ['flip', 1]", r"'augment' must be an array, each a text, got \['flip', 1\]"),
    ],
)
def test_a_wrong_line_is_told_with_its_file_and_key(tmp_path: Path, line: str, words: str) -> None:
    (tmp_path / "my.toml").write_text(line)
    with pytest.raises(ConfigError, match=words) as caught:
        read_config(tmp_path / "my.toml", TrainConfig)
    assert "my.toml" in str(caught.value)


def test_an_array_of_another_length_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("learning_rate = [1e-5]")
    with pytest.raises(ConfigError, match="'learning_rate' must be an array of 2, each a number"):
        read_config(tmp_path / "a.toml", TuneConfig)


@pytest.mark.parametrize(
    "content", [b"epochs = ", b"= 3", b"epochs = 1\nepochs = 2", b"\xff", b"head = 'a\x00b'"]
)
def test_what_is_not_toml_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "my.toml").write_bytes(content)
    with pytest.raises(InputError, match=r"my\.toml"):
        read_config(tmp_path / "my.toml", TrainConfig)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_config(tmp_path / "a.toml", TrainConfig)


def test_a_path_that_is_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written"):
        write_config(tmp_path / "a.toml", Everything(folder=Path("a\udcff")), "")
    assert not (tmp_path / "a.toml").exists()
