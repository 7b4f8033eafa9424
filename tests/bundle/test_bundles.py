"""Bundle files: the shipped one, a user's own, and each thing that can be wrong in one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from unprompt.bundle.bundles import (
    Bundle,
    declared_checkpoints,
    known_bundles,
    load_members,
    read_bundle,
    shipped_bundles,
)
from unprompt.ensemble.kinds import MemberKind, MemberSpec
from unprompt.errors import CheckpointError, ConfigError, InputError
from unprompt.members.interrogator import MemberConfig
from unprompt.members.phrases import PhrasesConfig
from unprompt.members.retrieval import RetrievalConfig
from unprompt.members.zeroshot import ZeroshotConfig
from unprompt.networks import checkpoints
from unprompt.networks.captioner_config import CaptionerConfig
from unprompt.networks.clip_config import ClipConfig
from unprompt.networks.loader import Loader

OWN = """
name = "mine"
description = "words of my own"

[[members]]
name = "first"
kind = "zeroshot"
weight = 2
gain = 1
checkpoint = "weights/lite2"

[[members]]
name = "second"
kind = "phrases"
weight = 0.5
count = 2
least = 0.3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.toml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_lite_is_what_the_design_says() -> None:
    lite = read_bundle("lite")
    assert lite.name == "lite"
    assert {(member.name, member.kind, member.weight) for member in lite.members} == {
        ("zeroshot", "zeroshot", 1.0),
        ("phrases", "phrases", 0.0),
    }
    assert sum(member.weight for member in lite.members) == pytest.approx(1)


def test_kaggle_is_what_the_design_says() -> None:
    kaggle = read_bundle("kaggle")
    assert [(member.kind, member.weight) for member in kaggle.members] == [
        ("regression", 0.55),
        ("interrogator", 0.45),
    ]
    interrogator = kaggle.members[1]
    assert interrogator.read(MemberConfig).mode == "kaggle"
    assert interrogator.checkpoint is None
    needed = [name for member in kaggle.members for name in declared_checkpoints(member)]
    assert needed == ["vit-b16-regression", "clip-vit-h-14", "blip-large", "all-minilm-l6-v2"]


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only place for checkpoints but the installed packages."""
    monkeypatch.setenv(checkpoints.ENVIRONMENT_VARIABLE, str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "input")
    return tmp_path


def test_all_missing_checkpoints_are_told_at_once(nowhere: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_members(read_bundle("kaggle"), Loader("cpu"))
    message = str(caught.value)
    assert message.splitlines() == [
        "the bundle 'kaggle' lacks 3 checkpoints: vit-b16-regression, clip-vit-h-14 (3.94 GB), "
        "blip-large (1.88 GB)",
        "  to get: unprompt checkpoints fetch --bundle kaggle   (5.82 GB); vit-b16-regression: train one "
        "with `unprompt train`, and name its RUN/best.safetensors as the member's checkpoint in a bundle",
        f"  looked for in: the bundle's paths, $UNPROMPT_CHECKPOINTS, {nowhere / 'input'}, "
        f"{nowhere / 'cache/unprompt/checkpoints/NAME'}, Hugging Face's cache",
        "  without a network: unprompt checkpoints fetch --bundle kaggle --by-hand says how; on Kaggle, "
        "attach the data sets unprompt-vit-b16-regression, unprompt-clip-vit-h-14, unprompt-blip-large",
    ]
    for name in ("clip-vit-h-14", "blip-large"):
        (nowhere / name).mkdir()
        (nowhere / name / checkpoints.declared(name).main_file.name).touch()
    with pytest.raises(
        CheckpointError, match=r"^the bundle 'kaggle' lacks 1 checkpoint: vit-b16-regression\n"
    ):
        load_members(read_bundle("kaggle"), Loader("cpu"))


def test_a_bundle_of_ones_own_names_what_it_lacks(nowhere: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    table = '[[members]]\nname = "a"\nkind = "interrogator"\nweight = 1.0\ncaptioner = "blip-base"\n'
    own.write_text(f'{table}clip = "ViT-L-14-quickgelu"\n')
    with pytest.raises(CheckpointError) as caught:
        load_members(read_bundle(str(own)), Loader("cpu"))
    lines = str(caught.value).splitlines()
    assert lines[1] == "  to get: unprompt checkpoints fetch clip-vit-l-14 blip-base   (2.70 GB)"


def test_the_clip_bundle_takes_the_laptops_checkpoints(nowhere: Path) -> None:
    (member,) = read_bundle("clip").members
    assert declared_checkpoints(member) == ["clip-vit-l-14", "blip-base", "all-minilm-l6-v2"]
    with pytest.raises(CheckpointError) as caught:
        load_members(read_bundle("clip"), Loader("cpu"))
    assert len(str(caught.value).splitlines()) == 4
    assert "  to get: unprompt checkpoints fetch --bundle clip   (2.70 GB)" in str(caught.value)


def test_a_folder_beside_the_bundle_comes_before_a_checkpoint_of_its_name(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text(
        '[[members]]\nname = "a"\nkind = "interrogator"\nweight = 1.0\ncheckpoint = "c.bin"\n'
        'captioner = "blip-base"\n'
    )
    assert declared_checkpoints(read_bundle(str(own)).members[0]) == ["blip-base", "all-minilm-l6-v2"]
    (tmp_path / "blip-base").mkdir()
    (member,) = read_bundle(str(own)).members
    assert member.settings["captioner"] == str(tmp_path / "blip-base")
    assert declared_checkpoints(member) == ["all-minilm-l6-v2"]


def test_what_a_table_names_itself_need_not_be_found() -> None:
    def needed(kind: str, checkpoint: Path | None = None, **settings: object) -> Sequence[str]:
        return declared_checkpoints(MemberSpec("mine", kind, 1.0, checkpoint, settings))

    own = Path("clip.bin")
    assert needed("interrogator", own) == ["blip-large", "all-minilm-l6-v2"]
    assert needed("interrogator", own, captioner="blip") == ["all-minilm-l6-v2"]
    assert needed("interrogator", own, mode="negative") == ["all-minilm-l6-v2"]
    assert needed("retrieval") == ["clip-vit-h-14"]
    assert needed("regression", own) == needed("retrieval", own) == []


def test_every_shipped_bundle_is_read_under_its_name() -> None:
    assert "lite" in shipped_bundles()
    for name in shipped_bundles():
        assert read_bundle(name).name == name


def test_a_bundle_of_ones_own(own: Path) -> None:
    bundle = read_bundle(str(own))
    first, second = bundle.members
    assert (bundle.name, bundle.description) == ("mine", "words of my own")
    assert first == MemberSpec("first", "zeroshot", 2.0, own.parent / "weights" / "lite2", {"gain": 1})
    assert second == MemberSpec("second", "phrases", 0.5, None, {"count": 2, "least": 0.3})
    assert first.read(ZeroshotConfig) == ZeroshotConfig(gain=1)
    assert second.read(PhrasesConfig) == PhrasesConfig(count=2, least=0.3)


def test_a_bundle_without_a_name_has_its_files(own: Path) -> None:
    own.write_text(OWN.replace('name = "mine"', "", 1))
    assert read_bundle(str(own)).name == "own"


def test_a_bundle_as_json_can_hold_it(own: Path) -> None:
    first = read_bundle(str(own)).as_dict()["members"][0]
    assert first == {
        "name": "first",
        "kind": "zeroshot",
        "weight": 2.0,
        "checkpoint": str(own.parent / "weights/lite2"),
        "settings": {"gain": 1},
    }


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('kind = "phrases"', 'kind = "magic"', "'second' is of the unknown kind 'magic'; known: zeroshot"),
        ('kind = "phrases"', "", "member 2 needs the key 'kind'"),
        ('kind = "phrases"', "kind = 1", "member 2 .*'kind'"),
        ('name = "second"', "", "member 2 needs the key 'name'"),
        ('name = "second"', 'name = "first"', "two members of the same name: first, first"),
        ('name = "second"', 'name = "../second"', r"'\.\./second' cannot be a member's name"),
        ('name = "second"', 'name = "a b"', "'a b' cannot be a member's name"),
        ('name = "second"', 'name = ""', "'' cannot be a member's name"),
        ("weight = 0.5", "", "member 2 needs the key 'weight'"),
        ("weight = 0.5", 'weight = "0.5"', "member 2 .*'weight'"),
        ("weight = 0.5", "weight = true", "member 2 .*'weight'"),
        ("weight = 0.5", "weight = -0.5", "finite and not negative, got -0.5"),
        ("weight = 0.5", "weight = nan", "finite and not negative, got nan"),
        ("weight = 0.5", "weight = inf", "finite and not negative, got inf"),
        ('checkpoint = "weights/lite2"', "checkpoint = 3", "checkpoint"),
    ],
)
def test_a_mistake_in_a_bundle_is_told_with_the_file(own: Path, old: str, new: str, words: str) -> None:
    assert old in OWN
    own.write_text(OWN.replace(old, new))
    with pytest.raises(ConfigError, match=words) as caught:
        read_bundle(str(own))
    assert "own.toml" in str(caught.value)


@pytest.mark.parametrize("content", ["", 'name = "empty"', "members = []"])
def test_a_bundle_without_members(own: Path, content: str) -> None:
    own.write_text(content)
    with pytest.raises(ConfigError, match="has no members"):
        read_bundle(str(own))


@pytest.mark.parametrize("content", ['members = "zeroshot"', "members = [1]", '[members]\nname = "a"'])
def test_members_that_are_no_list_of_tables(own: Path, content: str) -> None:
    own.write_text(content)
    with pytest.raises(ConfigError, match=r"list of \[\[members\]\] tables"):
        read_bundle(str(own))


def test_weights_that_are_all_zero(own: Path) -> None:
    own.write_text(OWN.replace("weight = 2", "weight = 0").replace("weight = 0.5", "weight = 0.0"))
    with pytest.raises(ConfigError, match="weights sum to zero"):
        read_bundle(str(own))


@pytest.mark.parametrize("content", [b"name = ", b"[[members]\n", b'name = "\xff"', b"\x00\x01"])
def test_what_is_not_toml(own: Path, content: bytes) -> None:
    own.write_bytes(content)
    with pytest.raises(InputError, match=r"own\.toml(, line 1: is not UTF-8| cannot be read as TOML)"):
        read_bundle(str(own))


def test_a_missing_bundle_says_what_there_is(tmp_path: Path) -> None:
    for name in ("lita", str(tmp_path / "none.toml"), str(tmp_path), ""):
        with pytest.raises(InputError, match=rf"no bundle is called '{name}' .*here are .*lite"):
            read_bundle(name)


def test_an_installed_bundle_is_read_by_its_name(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        InputError, match="`unprompt pocket` makes the bundle pocket; here are clip, kaggle, lite"
    ):
        read_bundle("pocket")
    folder = tmp_path / "cache" / "unprompt" / "bundles" / "pocket"
    folder.mkdir(parents=True)
    (folder / "pocket.toml").write_bytes(own.read_bytes())
    assert read_bundle("pocket").members
    assert known_bundles() == ["clip", "kaggle", "lite", "pocket"]
    (folder / "pocket.toml").rename(folder / "my-bundle.2.toml")
    folder.rename(folder.with_name("my-bundle.2"))
    assert known_bundles() == ["clip", "kaggle", "lite", "my-bundle.2"]
    assert read_bundle("my-bundle.2").members


def spec(**settings: object) -> MemberSpec:
    return MemberSpec("mine", "any", 1.0, None, settings)


def parse(spec: MemberSpec, *settings: type) -> MemberSpec:
    """A table as it is read for a kind with these settings; nothing is built."""
    return MemberKind(settings, build=lambda loader, spec: pytest.fail("nothing is built")).parse(
        spec, Path()
    )


def test_paths_are_relative_to_the_bundles_file(own: Path) -> None:
    own.write_text(
        """
        [[members]]
        name = "first"
        kind = "interrogator"
        weight = 1
        captioner = "blip"
        phrases = "../lists"
        tables = "../tables"
        vocabulary = "/words"
        [[members]]
        name = "second"
        kind = "retrieval"
        weight = 1
        bank = "BANK"
        [[members]]
        name = "third"
        kind = "interrogator"
        weight = 1
        captioner = ""
        """
    )
    first, second, third = (member.settings for member in read_bundle(str(own)).members)
    folder = own.parent
    assert first == {
        "captioner": str(folder / "blip"),
        "phrases": str(folder / "../lists"),
        "tables": str(folder / "../tables"),
        "vocabulary": "/words",
    }
    assert second == {"bank": str(folder / "BANK")}
    assert third == {"captioner": ""}


def test_one_table_gives_the_settings_of_several_things() -> None:
    mine = spec(clip="ViT-L-14", captioner="blip", without=["artists"], max_flavors=4, repeats=False)
    assert mine.read(ClipConfig) == ClipConfig(clip="ViT-L-14")
    assert mine.read(CaptionerConfig) == CaptionerConfig(captioner="blip")
    expected = MemberConfig(mode="kaggle", without=("artists",), max_flavors=4, repeats=False)
    assert mine.read(MemberConfig) == expected
    with pytest.raises(ConfigError, match=r"unknown setting 'captioner'; known: bank, .*clip, statistics"):
        parse(mine, RetrievalConfig, ClipConfig)


def test_an_unknown_setting_says_which_are_known() -> None:
    with pytest.raises(ConfigError, match="'mine' has the unknown setting 'gian'; known: gain"):
        parse(spec(gian=1.0), ZeroshotConfig)
    with pytest.raises(ConfigError, match="known: least, count"):
        parse(spec(flavor=1), PhrasesConfig)


@pytest.mark.parametrize(
    ("settings", "kind", "words"),
    [
        ({"gain": "1"}, ZeroshotConfig, "setting 'gain' of member 'mine' must be a number, got '1'"),
        ({"gain": True}, ZeroshotConfig, "must be a number, got True"),
        ({"gain": [1.0]}, ZeroshotConfig, "must be a number"),
        (
            {"count": 1.5},
            PhrasesConfig,
            "setting 'count' of member 'mine' must be a whole number, got 1.5",
        ),
        ({"count": False}, PhrasesConfig, "must be a whole number, got False"),
        ({"gain": -1.0}, ZeroshotConfig, "gain must be between 0 and 10, got -1"),
        ({"gain": math.nan}, ZeroshotConfig, "gain must be between 0 and 10, got nan"),
        ({"count": 0}, PhrasesConfig, "count must be at least 1, got 0"),
        ({"least": math.nan}, PhrasesConfig, "least"),
        (
            {"without": "artists"},
            MemberConfig,
            "setting 'without' of member 'mine' must be an array, each a text",
        ),
        ({"without": [1]}, MemberConfig, r"must be an array, each a text, got \[1\]"),
        (
            {"max_flavors": 1.5},
            MemberConfig,
            "setting 'max_flavors' of member 'mine' must be a whole number, got 1.5",
        ),
        ({"max_flavors": 0}, MemberConfig, "max_flavors must be at least 1"),
        ({"repeats": 1}, MemberConfig, "setting 'repeats' of member 'mine' must be true or false, got 1"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, object], kind: type, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(spec(**settings), kind)


def test_members_left_out_of_a_bundle_made_by_hand() -> None:
    with pytest.raises(ConfigError, match="the bundle 'bare' has no members"):
        Bundle("bare", "", ())


def test_the_members_of_lite_share_where_things_lie() -> None:
    """The projection of what is seen, of more than two thousand embeddings, is read and multiplied once."""
    zeroshot, phrases = load_members(read_bundle("lite"), Loader("cpu"))
    assert zeroshot._projection is phrases._projection  # type: ignore[attr-defined]
