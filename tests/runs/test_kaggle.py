"""What a kernel finds under /kaggle/input, on a made-up tree, and the metadata that Kaggle reads."""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jupytext
import numpy as np
import pytest
from packaging.requirements import Requirement

from unprompt.bundle.bundles import read_bundle
from unprompt.errors import InputError
from unprompt.networks import checkpoints
from unprompt.records import DIM, Embeddings, Prompts
from unprompt.runs import kaggle
from unprompt.storage.files import write_prompts
from unprompt.storage.submission import write_submission

ROOT = Path(__file__).parents[2]
META = ROOT / "datasets_meta"
NOTEBOOK = ROOT / "notebooks" / "03_submission.py"


@pytest.fixture
def competition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenes: Path) -> Path:
    """A competition folder with images, as Kaggle mounts it."""
    folder = tmp_path / "input" / kaggle.COMPETITION
    shutil.copytree(scenes / "images", folder / "images")
    monkeypatch.setattr(kaggle, "KAGGLE_INPUT", tmp_path / "input")
    return folder


def test_the_competition_where_it_is_attached(competition: Path, tmp_path: Path) -> None:
    assert kaggle.find_inputs(tmp_path) == kaggle.Inputs(competition / "images", None, None)
    (competition / "sample_submission.csv").write_text("imgId_eId,val\n")
    write_prompts(competition / "prompts.csv", Prompts(("scene-01",), ("a prompt",)))
    found = kaggle.find_inputs(tmp_path)
    assert found.sample == competition / "sample_submission.csv"
    assert found.truth == competition / "prompts.csv"


def test_the_truth_of_other_images_is_left_out(competition: Path, tmp_path: Path) -> None:
    write_prompts(competition / "prompts.csv", Prompts(("public",), ("a prompt",)))
    assert kaggle.find_inputs(tmp_path).truth is None


def test_a_competition_without_images_is_an_error(competition: Path, tmp_path: Path) -> None:
    shutil.rmtree(competition / "images")
    with pytest.raises(InputError, match="has no folder 'images'"):
        kaggle.find_inputs(tmp_path)


def test_sample_scenes_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kaggle, "KAGGLE_INPUT", tmp_path / "nothing")
    found = kaggle.find_inputs(tmp_path / "sample")
    assert len(list(found.images.iterdir())) == 24
    assert found.truth is not None


def test_kaggle_without_the_competition_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sample scenes would make a submission that no one asked for."""
    monkeypatch.setattr(kaggle, "KAGGLE_INPUT", tmp_path)
    with pytest.raises(InputError, match="attach the competition to the notebook"):
        kaggle.find_inputs(tmp_path / "sample")
    assert not (tmp_path / "sample").exists()


# --- the bundle


class TestChoosingABundle:
    @pytest.fixture(autouse=True)
    def attached(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """/kaggle/input with empty files under the names of all that the bundle `kaggle` needs."""
        monkeypatch.setattr(checkpoints, "KAGGLE_INPUT", tmp_path / "input")
        monkeypatch.delenv(checkpoints.ENVIRONMENT_VARIABLE, raising=False)
        for name in ("vit-b16-regression", "clip-vit-h-14", "blip-large", "all-minilm-l6-v2"):
            checkpoint = checkpoints.declared(name)
            for file in checkpoint.files:
                path = tmp_path / "input" / checkpoint.data_set / file.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        return tmp_path / "input"

    def test_the_best_where_all_is_attached(self) -> None:
        assert kaggle.choose_bundle() == kaggle.BundleChoice("kaggle", "all its checkpoints are attached")

    def test_the_default_where_something_is_missing_and_what(self, attached: Path) -> None:
        shutil.rmtree(attached / "unprompt-blip-large")
        choice = kaggle.choose_bundle()
        assert choice.bundle == "lite"
        assert "blip-large" in choice.why
        assert choice.why.endswith("on Kaggle, attach the data sets unprompt-blip-large")
        assert "'unprompt-clip-vit-h-14'" not in choice.why  # it is attached

    def test_what_was_asked_for_is_taken_as_it_is(self, attached: Path) -> None:
        shutil.rmtree(attached)
        assert kaggle.choose_bundle("kaggle").bundle == "kaggle"
        assert kaggle.choose_bundle("mine/bundle.toml").bundle == "mine/bundle.toml"


# --- the look at the results


def test_first_guesses_are_small_and_in_the_prompts_order(scenes: Path) -> None:
    prompts = Prompts(("scene-03", "scene-01", "scene-02"), ("three", "one", "two"))
    shown = kaggle.first_guesses(scenes / "images", prompts, count=2)
    assert [prompt for _, prompt in shown] == ["three", "one"]
    assert all(max(image.size) == kaggle.PREVIEW_SIDE for image, _ in shown)


def test_first_guesses_leave_out_what_cannot_be_read(scenes: Path, tmp_path: Path) -> None:
    """The cell that shows them comes after the submission, and must not fail the kernel."""
    shutil.copy(scenes / "images" / "scene-01.png", tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes(b"no picture")
    prompts = Prompts(("cut", "absent", "whole"), ("a", "b", "c"))
    assert [prompt for _, prompt in kaggle.first_guesses(tmp_path, prompts)] == ["c"]


# --- the kernel


@pytest.fixture(scope="module")
def kernel() -> dict[str, Any]:
    """kernel-metadata.json."""
    content: dict[str, Any] = json.loads((ROOT / "kernel-metadata.json").read_text("utf-8"))
    return content


def test_the_kernel_is_offline_and_its_notebook_exists(kernel: dict[str, Any]) -> None:
    assert kernel["enable_internet"] is False
    assert kernel["enable_gpu"] is True
    assert kernel["competition_sources"] == [kaggle.COMPETITION]
    assert (ROOT / kernel["code_file"]).is_file()
    assert kernel["code_file"] == "notebooks/03_submission.ipynb"
    assert (kernel["language"], kernel["kernel_type"]) == ("python", "notebook")


def test_the_kernels_id_is_its_title_as_kaggle_derives_it(kernel: dict[str, Any]) -> None:
    assert kernel["id"].split("/")[1] == kernel["title"].lower().replace(" ", "-")


def test_the_kernel_attaches_data_sets_that_are_described_here(kernel: dict[str, Any]) -> None:
    described = [json.loads(path.read_text("utf-8"))["id"] for path in META.glob("*/dataset-metadata.json")]
    assert set(kernel["dataset_sources"]) <= set(described)
    assert len(set(kernel["dataset_sources"])) == len(kernel["dataset_sources"])
    owner = kernel["id"].split("/")[0]
    assert all(re.fullmatch(rf"{owner}/[a-z0-9-]{{3,50}}", source) for source in kernel["dataset_sources"])


@pytest.mark.parametrize("name", ["kaggle", "lite"])
def test_the_kernel_attaches_all_that_its_bundles_need(kernel: dict[str, Any], name: str) -> None:
    from unprompt.bundle.bundles import declared_checkpoints

    attached = {source.split("/")[1] for source in kernel["dataset_sources"]}
    needed = {checkpoint for spec in read_bundle(name).members for checkpoint in declared_checkpoints(spec)}
    assert {checkpoints.declared(checkpoint).data_set for checkpoint in needed} <= attached
    assert "unprompt-wheels" in attached


def test_the_notebook_installs_from_the_wheels_alone_and_first() -> None:
    code = [cell.source for cell in jupytext.read(NOTEBOOK).cells if cell.cell_type == "code"]
    words = code[0].split()
    assert words[:2] == ["%pip", "install"]
    assert "--no-index" in words
    assert words[words.index("--find-links") + 1] == "/kaggle/input/unprompt-wheels"


# --- the wheels


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import a script by its folder and name, as its neighbours do."""

    def imported(folder: str, name: str) -> Any:
        monkeypatch.syspath_prepend(str(ROOT / folder))
        monkeypatch.setattr(sys, "path", list(sys.path))  # some of them add to it
        return importlib.import_module(name)

    return imported


@pytest.fixture
def build(script: Any) -> Any:
    """datasets_meta/build_wheels.py."""
    return script("datasets_meta", "build_wheels")


def wheel(folder: Path, name: str, *requires: str) -> Path:
    """A wheel of one METADATA file."""
    path = folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
    lines = [f"Name: {name}", "Version: 1.0", *(f"Requires-Dist: {text}" for text in requires)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", "\n".join(lines) + "\n\nA description: of it\n")
    return path


class TestOurWheel:
    @pytest.mark.parametrize(
        ("name", "content", "why"),
        [
            ("unprompt/a.py", "a = 1", ""),
            ("unprompt/a.py", "# built in /home/somebody/unprompt", "a.py tells of this machine"),
            ("/etc/cron.d/a", "a", "is no file of the package"),
            ("unprompt/../../a.py", "a", "is no file of the package"),
            ("unprompt/__pycache__/a.pyc", "a", "is no file of the package"),
        ],
    )
    def test_tells_nothing_of_the_machine(
        self, build: Any, tmp_path: Path, name: str, content: str, why: str
    ) -> None:
        path = wheel(tmp_path, "unprompt")
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(name, content)
        if why:
            with pytest.raises(ValueError, match=why):
                build.check_ours(path, ["/home/somebody/"])
        else:
            build.check_ours(path, ["/home/somebody/"])

    def test_hashes_are_what_sha256sum_checks(self, build: Any, tmp_path: Path) -> None:
        path = wheel(tmp_path, "unprompt")
        told = build.write_hashes(tmp_path)
        assert told.read_text() == f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"


class TestWhatTheImageLacks:
    @pytest.fixture
    def image(self, build: Any, tmp_path: Path) -> Any:
        """An image as `pip freeze` lists it."""
        path = tmp_path / "image.txt"
        path.write_text(
            "# a comment\n--extra-index-url https://x\nTorch==2.11.0+cu128\n\n"
            "google_colab @ file:///x.tar.gz\nemoji  # its version is not known\nPillow==11.3.0\n"
        )
        return build.Image.read(path)

    def test_names_and_versions(self, image: Any) -> None:
        assert image.versions == {
            "torch": "2.11.0+cu128",
            "google-colab": "",
            "emoji": "",
            "pillow": "11.3.0",
        }

    @pytest.mark.parametrize(
        ("requirement", "there"),
        [
            ("torch>=2.2", True),
            ("torch>=2.11", True),  # a local version is that version
            ("torch>=2.12", False),
            ("emoji>=99", True),  # not known: taken to do
            ("PILLOW<11", False),
            ("google.colab", True),
            ("ftfy", False),
        ],
    )
    def test_versions_count(self, image: Any, requirement: str, there: bool) -> None:
        assert image.satisfies(Requirement(requirement)) is there

    def test_markers_count(self, build: Any, image: Any) -> None:
        requirements = [
            Requirement(text)
            for text in (
                "old; python_version < '3.11'",
                "new; python_version >= '3.12'",
                "mac; sys_platform == 'darwin'",
                "asked; extra == 'lite'",
                "other; extra == 'app'",
                "torch; extra == 'lite'",
            )
        ]
        lacking = build.lacking(requirements, {"lite"}, image, "3.12")
        assert [requirement.name for requirement in lacking] == ["new", "asked"]

    def test_what_a_wheel_needs_is_followed(self, build: Any, image: Any, tmp_path: Path) -> None:
        ours = wheel(
            tmp_path,
            "unprompt",
            "torch>=2",
            "clip; extra == 'lite'",
            "unprompt[more]; extra == 'lite'",
            "nothing; extra == 'app'",
            "deep; extra == 'more'",
        )
        needs = {"clip": ("ftfy", "emoji"), "ftfy": ("clip",), "deep": ()}  # a circle, too
        asked: list[str] = []

        def download(requirement: Requirement) -> Path:
            asked.append(requirement.name)
            return wheel(tmp_path, requirement.name, *needs[requirement.name])

        wheels = build.collect(ours, {"lite"}, image, "3.12", download)
        assert wheels[0] == ours
        assert sorted(asked) == ["clip", "deep", "ftfy"]  # each once, and never our own
        assert sorted(build.name_of(path) for path in wheels) == ["clip", "deep", "ftfy", "unprompt"]


def test_the_image_list_is_one_that_the_notebook_can_install_on(build: Any) -> None:
    """The large packages, which no data set of wheels should bring, are in it and new enough."""
    image = build.Image.read(build.IMAGE_FILE)
    assert len(image.versions) > 50
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    for name in (
        "numpy",
        "polars",
        "pillow",
        "torch",
        "torchvision",
        "transformers",
        "safetensors",
        "tokenizers",
    ):
        (requirement, *_) = re.findall(rf'"({name}[><=][^"]*)"', project)
        assert image.satisfies(Requirement(requirement)), requirement
    assert "unprompt" not in image.versions


def test_wheels_are_of_the_extras_that_notebooks_ask_for(build: Any) -> None:
    assert build.extras_of("03") == {"lite", "interrogate"}
    known = re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    assert build.notebook_numbers() == [f"0{number}" for number in range(1, 8)]
    for number in build.notebook_numbers():
        assert build.extras_of(number) <= set(known)


# --- the dry run


@pytest.fixture
def rehearsal(script: Any) -> Any:
    """tests/kaggle_dry_run.py."""
    script("datasets_meta", "build_wheels")
    return script("tests", "kaggle_dry_run")


class TestTheStage:
    def test_it_stands_at_kaggle_without_a_network(self, rehearsal: Any, tmp_path: Path) -> None:
        if not rehearsal.may_unshare():
            pytest.skip("this system does not let its user make name spaces")
        (tmp_path / "working").mkdir()
        (tmp_path / "input").mkdir()
        (tmp_path / "input" / "file").write_text("attached")
        stage = rehearsal.Stage(tmp_path, apart=True)
        look = "cat /kaggle/input/file; pwd; echo left > behind"
        run = subprocess.run(stage.command("sh", "-c", look), capture_output=True, text=True, check=True)
        assert run.stdout == "attached/kaggle/working\n"
        assert (tmp_path / "working" / "behind").read_text() == "left\n"
        assert "unreachable" in rehearsal.network_error(stage, Path(sys.executable))

    def test_without_name_spaces_variables_point_to_it(self, rehearsal: Any, tmp_path: Path) -> None:
        stage = rehearsal.Stage(tmp_path, apart=False)
        variables = stage.environment(Path("environment/bin/python"))
        program = "from unprompt.networks.checkpoints import KAGGLE_INPUT; print(KAGGLE_INPUT)"
        command = stage.command(sys.executable, "-c", program)
        run = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        assert run.stdout.strip() == str(tmp_path / "input")
        assert variables["PIP_FIND_LINKS"] == str(tmp_path / "input" / "unprompt-wheels")


class TestTheImageInTheDryRun:
    def test_what_the_list_names_and_what_that_needs(self, build: Any, rehearsal: Any) -> None:
        packages = rehearsal.packages_like(build.Image({"jinja2": "", "not-installed": "1.0"}), [])
        assert set(packages) == {"jinja2", "markupsafe"}

    def test_not_what_a_wheel_brings(self, build: Any, rehearsal: Any) -> None:
        brought = [Path("markupsafe-3.0-py3-none-any.whl")]
        assert set(rehearsal.packages_like(build.Image({"jinja2": ""}), brought)) == {"jinja2"}

    def test_its_packages_can_be_imported_and_no_others(
        self, build: Any, rehearsal: Any, tmp_path: Path
    ) -> None:
        packages = rehearsal.packages_like(build.Image({"jinja2": ""}), [])
        rehearsal.link_packages(tmp_path / "image", packages.values())
        program = (
            f"import sys; sys.path.append({str(tmp_path / 'image')!r}); import jinja2, importlib.metadata;"
            "print(importlib.metadata.version('jinja2'), importlib.util.find_spec('numpy'))"
        )
        command = [sys.executable, "-I", "-S", "-c", program]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        assert run.stdout.split() == [packages["jinja2"].version, "None"]


class TestComplaints:
    @pytest.fixture
    def complaints(self, rehearsal: Any) -> Any:
        return rehearsal.complaints

    @pytest.fixture
    def files(self, tmp_path: Path) -> tuple[Path, Path]:
        """A submission and a sample with the same rows."""
        vectors = np.zeros((3, DIM), dtype=np.float32)
        vectors[:, 1] = 1
        for name in ("submission.csv", "sample.csv"):
            write_submission(tmp_path / name, Embeddings(("c", "a", "0b"), vectors))
        return tmp_path / "submission.csv", tmp_path / "sample.csv"

    def test_a_right_one(self, complaints: Any, files: tuple[Path, Path]) -> None:
        assert complaints(*files) == []

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            ("c_7,0.0\n", "", "it has 1,151 rows, the sample 1,152"),
            ("c_7,", "d_7,", "1 rows are of another id"),
            ("a_1,1.0", "a_1,0.9", "1 images have a vector that is not of unit length"),
            ("a_0,0.0", "a_0,nan", "1 values are no finite numbers"),
            ("a_0,0.0", "a_0,", "1 values are no finite numbers"),
            ("imgId_eId", "id", "its header is id,val"),
        ],
    )
    def test_a_wrong_one(
        self, complaints: Any, files: tuple[Path, Path], old: str, new: str, says: str
    ) -> None:
        text = files[0].read_text()
        assert text.count(old) == 1
        files[0].write_text(text.replace(old, new))
        assert any(says in complaint for complaint in complaints(*files))

    def test_none(self, complaints: Any, files: tuple[Path, Path]) -> None:
        files[0].unlink()
        assert complaints(*files) == [f"there is no {files[0]}"]
