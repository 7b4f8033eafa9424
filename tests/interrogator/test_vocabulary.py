"""Lists of phrases: the package's as clip-interrogator makes its labels, and a user's, cleaned."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from unprompt.errors import ConfigError, InputError
from unprompt.interrogator.config import KINDS
from unprompt.interrogator.vocabulary import (
    OwnLists,
    kind_named,
    package_entries,
    read_list,
    read_phrases,
    read_vocabulary,
    shown_phrase,
    write_out,
)
from unprompt.storage.packages import package_folder


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines_of(kind: str) -> list[str]:
    spec = importlib.util.find_spec("clip_interrogator")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "data" / f"{kind}.txt"
    with path.open(encoding="utf-8") as stream:
        return [line.strip() for line in stream]


@pytest.mark.parametrize(
    ("kind", "count"),
    [("flavors", 100_970), ("mediums", 95), ("movements", 200), ("artists", 5_265), ("negative", 41)],
)
def test_a_list_is_the_packages_without_repeats(kind: str, count: int) -> None:
    lines = lines_of(kind)
    assert len(lines) == count
    once: list[str] = []
    seen = {""}  # one line of the flavors is empty
    for line in lines:
        if line not in seen:
            once.append(line)
        seen.add(line)
    assert read_phrases(kind) == once
    assert count - len(once) == (16 if kind == "flavors" else 0)


# --- the package's lists


def test_kinds_have_as_many_phrases_as_the_reference_has_labels() -> None:
    counts = {kind: len(phrases) for kind, phrases in read_vocabulary().items()}
    assert counts == {
        "artists": 2 * 5265,
        "flavors": 100_970,
        "mediums": 95,
        "movements": 200,
        "trendings": 4 * 18,
        "negative": 41,
    }
    assert tuple(counts) == KINDS


def test_the_package_is_not_imported() -> None:
    code = (
        "import sys; from unprompt.interrogator.vocabulary import read_vocabulary; read_vocabulary();"
        "print([name for name in ('clip_interrogator', 'torch', 'open_clip') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_files_of_the_package_are_taken_line_by_line() -> None:
    folder = package_folder("clip_interrogator")
    assert folder is not None
    for kind in ("artists", "flavors", "mediums", "movements", "negative"):
        lines = (folder / "data" / f"{kind}.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
        assert package_entries(kind) == [line.strip() for line in lines]


def test_doubles_and_the_blank_line_stay_for_the_interrogator_and_go_for_the_phrases_member() -> None:
    flavors = read_vocabulary(["flavors"])["flavors"]
    assert flavors.count("") == 1
    assert flavors.count("cinematic") == 2
    assert read_phrases("flavors").count("cinematic") == 1
    assert "" not in read_phrases("flavors")


def test_artists_and_sites_are_written_out_in_the_references_order() -> None:
    assert write_out("artists", ["A", "B"]) == ["by A", "by B", "inspired by A", "inspired by B"]
    assert write_out("trendings", ["x", "y z"]) == [
        *("x", "y z", "trending on x", "trending on y z"),
        *("featured on x", "featured on y z", "x contest winner", "y z contest winner"),
    ]
    assert write_out("flavors", ["b", "a", "b"]) == ["b", "a", "b"]


def test_kinds_are_known_by_their_singular_too() -> None:
    assert kind_named("trending") == kind_named("trendings") == "trendings"
    assert kind_named("artist") == "artists"
    assert kind_named("negative") == "negative"
    with pytest.raises(ConfigError, match="no list of phrases called 'colours'; there are: artists, flavors"):
        kind_named("colours")


# --- a user's lists


def test_a_file_is_cleaned_of_mark_line_ends_blanks_and_spaces(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", b"\xef\xbb\xbfoil on wood\r\n\r\n  chalk \n\t\nencre \xc3\xa9\r\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_list(path) == ["oil on wood", "chalk", "encre é"]


def test_phrases_that_stand_again_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "a.txt", "a\nb\n b\na\nc\nb\n")
    with pytest.warns(UserWarning, match=r"a\.txt: 3 of 6 phrases stand twice and count once, first: a"):
        assert read_list(path) == ["a", "b", "c"]


@pytest.mark.parametrize("content", [b"", b"\n \r\n\t\n", b"\xef\xbb\xbf\n"])
def test_a_file_without_phrases_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path / "mediums.txt", content)
    with pytest.raises(InputError, match=r"mediums\.txt has no phrases; write one a line"):
        read_list(path)


def test_a_line_that_is_no_phrase_by_its_length_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "mediums.txt", b"oil\n" + b"x" * 10_000 + b"\n" + b"x" * 10_001)
    with pytest.raises(InputError, match=r"mediums\.txt, line 3: has 10,001 characters, a phrase has at"):
        read_list(path)


def test_another_encoding_is_told_with_its_line(tmp_path: Path) -> None:
    path = written(tmp_path / "mediums.txt", "oil\nchalk\nfusain sur papier teinté\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"mediums\.txt, line 3: is not UTF-8"):
        read_list(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.txt does not exist"):
        read_vocabulary(["mediums"], OwnLists(instead={"mediums": tmp_path / "nothing.txt"}))


def test_a_folder_of_lists_stands_instead_or_besides(tmp_path: Path) -> None:
    written(tmp_path / "artists.txt", "Ada\n")
    written(tmp_path / "mediums.more.txt", "a woodcut of mine\n")
    written(tmp_path / "trending.txt", "my site\n")
    written(tmp_path / "notes.md", "not a list")
    vocabulary = read_vocabulary(own=OwnLists.in_folder(tmp_path))
    assert vocabulary["artists"] == ("by Ada", "inspired by Ada")
    assert vocabulary["mediums"] == (*package_entries("mediums"), "a woodcut of mine")
    assert vocabulary["trendings"][1] == "trending on my site"
    assert vocabulary["flavors"] == tuple(package_entries("flavors"))


def test_what_is_added_is_new_and_the_packages_list_stays_as_it_is(tmp_path: Path) -> None:
    path = written(tmp_path / "more.txt", "cinematic\nmine\nepic\n")
    with pytest.warns(UserWarning, match="2 of 3 phrases stand twice and count once, first: cinematic"):
        flavors = read_vocabulary(["flavors"], OwnLists(besides={"flavors": path}))["flavors"]
    assert flavors == (*package_entries("flavors"), "mine")


def test_a_list_can_be_replaced_and_added_to(tmp_path: Path) -> None:
    own = OwnLists(
        instead={"artist": written(tmp_path / "a.txt", "Ada\n")},
        besides={"artists": written(tmp_path / "b.txt", "Bob\n")},
    )
    assert read_vocabulary(["artists"], own)["artists"] == (
        *("by Ada", "by Bob"),
        *("inspired by Ada", "inspired by Bob"),
    )


def test_folders_that_cannot_be_meant_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        OwnLists.in_folder(tmp_path / "nothing")
    with pytest.raises(InputError, match=r"has no list of phrases; expected one of artists\.txt, flavors"):
        OwnLists.in_folder(tmp_path)
    written(tmp_path / "colours.txt", "red\n")
    with pytest.raises(InputError, match=r"has no list of phrases \(it has colours\.txt\); expected one of"):
        OwnLists.in_folder(tmp_path)
    written(tmp_path / "artists.txt", "Ada\n")
    with pytest.warns(UserWarning, match=r"not read: colours\.txt; lists are called artists, flavors"):
        assert OwnLists.in_folder(tmp_path).instead == {"artists": tmp_path / "artists.txt"}


@pytest.mark.filterwarnings("error")
def test_names_of_the_web_ui_capitals_comments_and_a_readme(tmp_path: Path) -> None:
    written(tmp_path / "Artists.TXT", "# my favourites\nClaude Monet\nby Berthe Morisot\n")
    written(tmp_path / "flavors.top3.txt", "soft light\n\n#no\nhighly detailed\n")
    written(tmp_path / "readme.txt", "how to use\n")
    vocabulary = read_vocabulary(("artists", "flavors"), OwnLists.in_folder(tmp_path))
    assert vocabulary["flavors"] == ("soft light", "highly detailed")
    by = ("Claude Monet", "Berthe Morisot")
    assert vocabulary["artists"] == (*(f"by {one}" for one in by), *(f"inspired by {one}" for one in by))
    written(tmp_path / "flavors.txt", "soft light\n")
    with pytest.raises(ConfigError, match=r"two lists of flavors, flavors\.top3\.txt and flavors\.txt"):
        OwnLists.in_folder(tmp_path)


def test_a_long_phrase_is_not_said_back_whole() -> None:
    assert shown_phrase("a" * 80) == "a" * 80
    assert shown_phrase("a" * 3400) == f"{'a' * 80}… (3,400 characters)"


def test_a_list_that_is_named_twice_is_an_error(tmp_path: Path) -> None:
    written(tmp_path / "trending.txt", "a\n")
    written(tmp_path / "trendings.txt", "b\n")
    with pytest.raises(ConfigError, match=r"two lists of trendings, trending\.txt and trendings\.txt"):
        OwnLists.in_folder(tmp_path)
