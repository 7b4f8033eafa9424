"""Whole runs of the lite bundle: what a RUN folder holds, and that it survives what happens to runs."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unprompt
from tests.marked_pictures import PARAMETERS, png, text_chunk
from tests.other_content import put_other_content
from tests.processes import killed_itself, run_command, started
from tests.real_images import real_folder
from unprompt import __version__
from unprompt.bundle.bundles import own_states, read_bundle
from unprompt.cli import main
from unprompt.crew.here import Here
from unprompt.ensemble.blend import blend
from unprompt.ensemble.prior import prior_embedding
from unprompt.errors import CheckpointError, ConfigError, InputError, RunError
from unprompt.metadata.files import FilePrompt
from unprompt.metadata.generation import Generation
from unprompt.networks.checkpoints import sha256_of
from unprompt.networks.loader import Loader
from unprompt.progress import silent
from unprompt.records import DIM, Embeddings, LazyEmbeddings, Prompts
from unprompt.runs.chunks import Chunk, Level, RunFolder
from unprompt.runs.config import PredictConfig
from unprompt.runs.deadline import Deadline
from unprompt.runs.earlier import image_rows, read_earlier
from unprompt.runs.kaggle import BundleChoice, kernel_config
from unprompt.runs.looking import Looking
from unprompt.runs.outputs import Outcome, RunResult, use_file_prompts
from unprompt.runs.predict import _fill, predict
from unprompt.storage.files import read_embeddings, read_prompts, write_embeddings
from unprompt.storage.images import NOT_IN_FOLDER, ImageFile, find_images
from unprompt.storage.sources import Sources
from unprompt.storage.submission import read_submission, write_submission
from unprompt.storage.text_config import TextConfig
from unprompt.storage.training_texts import Picture

pytestmark = pytest.mark.usefixtures("one_loader")

SMALL = PredictConfig(chunk=4)


def comparable(run: Path) -> dict[str, str]:
    """Name and sha256 of every file of a RUN that must not depend on how often it was interrupted."""
    return {
        str(path.relative_to(run)): sha256_of(path)
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name != "run.json"
    }


def run_json(run: Path) -> dict[str, object]:
    return json.loads((run / "run.json").read_text())


@pytest.fixture(scope="module")
def finished(scenes: Path, one_loader: None, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """One uninterrupted run over the sample scenes, with truth."""
    out = tmp_path_factory.mktemp("finished") / "RUN"
    return predict(scenes / "images", out, SMALL, truth=scenes / "prompts.csv")


class TestPromptsInTheFiles:
    @pytest.fixture
    def images(self, scenes: Path, tmp_path: Path) -> Path:
        """Three scenes, of which one has its prompt in its file."""
        folder = tmp_path / "images"
        folder.mkdir()
        for number in (1, 2, 3):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", folder)
        with Image.open(folder / "scene-02.png") as scene:
            scene.load()
        (folder / "scene-02.png").write_bytes(png(text_chunk("parameters", PARAMETERS), image=scene))
        return folder

    def test_change_nothing_but_stand_beside(
        self, images: Path, finished: RunResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["predict", str(images), "--out", str(tmp_path / "RUN")]) == 0
        assert "1 of 3 images has its prompt in the file, beside the guesses" in capsys.readouterr().out
        predict(images, tmp_path / "OFF", PredictConfig(from_file="off"))
        shown, off = comparable(tmp_path / "RUN"), comparable(tmp_path / "OFF")
        assert shown.keys() - off.keys() == {"from_file.csv"}
        assert [name for name in off if off[name] != shown[name]] == ["report.html"]
        table = (tmp_path / "RUN" / "from_file.csv").read_text()
        assert '\nscene-02,"a lighthouse at dusk, (warm light:1.2)",' in table
        page = (tmp_path / "RUN" / "report.html").read_text()
        assert page.count("Prompt read from the file") == 1
        assert "Prompt read from the file" not in (tmp_path / "OFF" / "report.html").read_text()
        assert read_prompts(tmp_path / "RUN" / "prompts.csv").texts == finished.prompts.texts[:3]
        assert run_json(tmp_path / "RUN")["from_file"] == {"images": 1, "used": False, "AUTOMATIC1111": 1}

    def test_are_used_where_that_is_asked_for(
        self, images: Path, finished: RunResult, tmp_path: Path
    ) -> None:
        result = predict(images, tmp_path / "RUN", PredictConfig(from_file="use"))
        first, second, third = result.prompts.texts
        assert (first, third) == (finished.prompts.texts[0], finished.prompts.texts[2])
        assert second == "a lighthouse at dusk, (warm light:1.2)"
        submitted = read_submission(tmp_path / "RUN" / "submission.csv").vectors
        np.testing.assert_allclose(submitted[1], Loader("cpu").encoder.encode([second])[0], atol=1e-5)
        before = read_submission(finished.folder / "submission.csv").vectors
        np.testing.assert_allclose(submitted[[0, 2]], before[[0, 2]], atol=1e-6)
        members = read_embeddings(tmp_path / "RUN" / "members" / "zeroshot.npz").vectors
        own = read_embeddings(finished.folder / "members" / "zeroshot.npz").vectors
        np.testing.assert_allclose(members, own[:3], atol=1e-6)

    def test_how_many_are_encoded_together_does_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [ImageFile(name, Path(f"{name}.png")) for name in "abcde"]
        vectors = np.eye(5, DIM, dtype=np.float32)
        done = Outcome(
            files,
            LazyEmbeddings(tuple("abcde"), vectors.__getitem__),
            Prompts(tuple("abcde"), ("guess",) * 5),
            (),
            np.zeros(5, np.int8),
        )
        own = [FilePrompt(files[row], Generation(f"a cat and {row} dogs")) for row in (4, 0, 3)]
        encoder = Loader("cpu").encoder
        monkeypatch.setattr("unprompt.runs.outputs.ENCODED", 2)
        used = use_file_prompts(done, own, encoder)
        assert used.prompts.texts == (
            "a cat and 0 dogs",
            "guess",
            "guess",
            "a cat and 3 dogs",
            "a cat and 4 dogs",
        )
        expected = vectors.copy()
        expected[[4, 0, 3]] = encoder.encode([one.prompt for one in own])
        np.testing.assert_allclose(
            used.blended.some(np.array([3, 1, 0, 4])).vectors, expected[[3, 1, 0, 4]], atol=1e-6
        )

    def test_a_kernel_does_not_look(self) -> None:
        assert kernel_config(BundleChoice("lite", ""), 60).from_file == "off"


class TestWhatARunLeaves:
    def test_all_files_and_nothing_else(self, finished: RunResult) -> None:
        names = {str(path.relative_to(finished.folder)) for path in finished.folder.rglob("*")}
        assert names == {
            "submission.csv",
            "prompts.csv",
            "problems.csv",
            "images.csv",
            "report.html",
            "run.json",
            "members",
            "members/zeroshot.npz",
            "members/phrases.npz",
        }

    def test_submission_is_the_blend_of_the_members_files(self, finished: RunResult) -> None:
        members = [
            read_embeddings(finished.folder / "members" / f"{name}.npz") for name in ("zeroshot", "phrases")
        ]
        submitted = read_submission(finished.folder / "submission.csv")
        expected = blend(members, [1.0, 0.0])
        assert submitted.ids == expected.ids == tuple(sorted(expected.ids))
        np.testing.assert_allclose(submitted.vectors, expected.vectors, atol=1e-7)
        np.testing.assert_allclose(np.linalg.norm(submitted.vectors, axis=1), 1, atol=1e-5)

    def test_every_image_has_a_readable_prompt_in_order(self, finished: RunResult) -> None:
        prompts = read_prompts(finished.folder / "prompts.csv")
        assert prompts == finished.prompts
        assert prompts.ids == read_submission(finished.folder / "submission.csv").ids
        assert all(re.match(r"(an?|two|three|four|five|many) \w", text) for text in prompts.texts), (
            prompts.texts
        )
        assert len(set(prompts.texts)) > 1

    def test_json_is_the_record(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        run = tmp_path / "RUN"
        assert main(["predict", str(scenes / "images" / "scene-01.png"), "--out", str(run), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"out": str(run), **run_json(run)}

    def test_record(self, finished: RunResult) -> None:
        record = run_json(finished.folder)
        assert record["files"] == {}  # of its own
        assert record["images"] == 12
        assert record["levels"] == {"full": 12, "cheapest": 0, "prior": 0}
        assert record["complete_bundle"] is True
        assert finished.score is not None
        assert record["score"]["score"] == pytest.approx(finished.score.mean)
        assert set(record["score"]) == {"score", "low", "high", "n", "missing", "extra", "baseline"}

    def test_report_shows_every_image_and_prompt(self, finished: RunResult) -> None:
        import html

        page = (finished.folder / "report.html").read_text()
        for image_id, prompt in zip(finished.prompts.ids, finished.prompts.texts, strict=True):
            assert image_id in page
            assert html.escape(prompt) in page

    def test_how_many_are_in_memory_does_not_change_a_byte(
        self, scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = tuple(f"scene-{number:02d}" for number in (7, 12, 1, 99, 3, 5, 4))
        sample = tmp_path / "sample.csv"
        write_submission(sample, Embeddings(ids, np.tile(prior_embedding(), (7, 1))))
        predict(scenes / "images", tmp_path / "WHOLE", SMALL, sample=sample)
        blocks, some, asked = LazyEmbeddings.blocks, LazyEmbeddings.some, []

        def note(self: LazyEmbeddings, rows: np.ndarray) -> Embeddings:
            asked.append(len(rows))
            return some(self, rows)

        monkeypatch.setattr(LazyEmbeddings, "blocks", lambda self: blocks(self, 5))
        monkeypatch.setattr(LazyEmbeddings, "some", note)
        predict(scenes / "images", tmp_path / "RUN", SMALL, sample=sample)
        assert comparable(tmp_path / "RUN") == comparable(tmp_path / "WHOLE")
        assert max(asked) == 5

    def test_workers_do_not_change_a_byte(self, scenes: Path, finished: RunResult, tmp_path: Path) -> None:
        config = PredictConfig(chunk=4, workers=3)
        predict(scenes / "images", tmp_path / "RUN", config, truth=scenes / "prompts.csv")
        assert comparable(tmp_path / "RUN") == comparable(finished.folder)


class TestCaptionsForTraining:
    @pytest.fixture
    def folder(self, scenes: Path, tmp_path: Path) -> Path:
        """Three pictures, two with the same name and one with a text; and one that cannot be read."""
        files = sorted((scenes / "images").iterdir())
        for name, file in zip(("a/1.png", "b/1.png", "2.png"), files, strict=False):
            (tmp_path / "P" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "P" / name).write_bytes(file.read_bytes())
        (tmp_path / "P" / "bad.png").write_bytes(b"no")
        (tmp_path / "P" / "2.txt").write_text("mine")
        return tmp_path / "P"

    def test_prompts_beside_the_pictures(self, folder: Path, tmp_path: Path) -> None:
        config = PredictConfig(bundle="lite", device="cpu", recursive=True, report_images=0)
        texts = TextConfig(txt=True, metadata_jsonl=True, prefix="ohwx, ")
        out = tmp_path / "RUN"
        with pytest.raises(RunError, match=r"2\.txt is there already.*--skip-existing"):
            predict(folder, out, config, texts=texts)
        with pytest.raises(ConfigError, match="--prefix is about captions for training"):
            predict(folder, out, config, texts=TextConfig(prefix="x"))
        texts = replace(texts, skip_existing=True)
        result = predict(folder, tmp_path / "RUN2", config, texts=texts)
        prompt_by_id = dict(zip(result.prompts.ids, result.prompts.texts, strict=True))
        assert list(prompt_by_id) == ["2", "a/1", "b/1", "bad"]
        assert result.texts == 2
        assert {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.txt")} == {
            "2.txt": "mine",
            "a/1.txt": f"ohwx, {prompt_by_id['a/1']}\n",
            "b/1.txt": f"ohwx, {prompt_by_id['b/1']}\n",
        }
        rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
        assert {row["file_name"]: row["text"] for row in rows} == {
            "2.png": "mine",
            "a/1.png": f"ohwx, {prompt_by_id['a/1']}",
            "b/1.png": f"ohwx, {prompt_by_id['b/1']}",
        }

    def test_killed_while_they_are_written_the_run_goes_on(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from unprompt.storage.training_texts import TextPlaces

        (folder / "2.txt").unlink()
        config = PredictConfig(bundle="lite", device="cpu", recursive=True, report_images=0)
        texts, write = TextConfig(txt=True), TextPlaces.write_all

        def write_one_and_die(self: TextPlaces, line_by_id: dict[str, str]) -> None:
            write(self, dict(list(line_by_id.items())[:1]))
            raise KeyboardInterrupt

        monkeypatch.setattr(TextPlaces, "write_all", write_one_and_die)
        with pytest.raises(KeyboardInterrupt):
            predict(folder, tmp_path / "RUN", config, texts=texts)
        assert len(list(folder.rglob("*.txt"))) == 1
        monkeypatch.undo()
        assert predict(folder, tmp_path / "RUN", config, texts=texts).resumed
        assert len(list(folder.rglob("*.txt"))) == 3

    def test_how_they_are_written_may_change_when_the_run_goes_on(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from unprompt.storage.training_texts import TextPlaces

        (folder / "2.txt").unlink()
        config = PredictConfig(bundle="lite", device="cpu", recursive=True, report_images=0)

        def fail(self: TextPlaces, line_by_id: dict[str, str]) -> None:
            raise RunError("cannot be written")

        with monkeypatch.context() as patch:
            patch.setattr(TextPlaces, "write_all", fail)
            with pytest.raises(RunError, match="cannot be written"):
                predict(folder, tmp_path / "RUN", config, texts=TextConfig(txt=True))
        elsewhere = TextConfig(txt_folder=str(tmp_path / "T"))
        (tmp_path / "T").mkdir()
        (tmp_path / "T" / "2.txt").write_text("mine")
        with pytest.raises(RunError, match=r"2\.txt is there already"):
            predict(folder, tmp_path / "RUN", config, texts=elsewhere)
        (tmp_path / "T" / "2.txt").unlink()
        result = predict(folder, tmp_path / "RUN", config, texts=elsewhere)
        assert result.resumed
        assert result.texts == 3
        assert not list(folder.rglob("*.txt"))

    @pytest.mark.skipif(sys.platform != "linux", reason="permissions work otherwise here")
    def test_a_folder_that_cannot_be_written_is_told_before_the_work(
        self, scenes: Path, tmp_path: Path
    ) -> None:
        pictures, printed = tmp_path / "P", tmp_path / "printed.txt"
        shutil.copytree(scenes / "images", pictures)
        pictures.chmod(0o555)
        command = ["predict", str(pictures), "--out", str(tmp_path / "RUN"), "--txt"]
        with started(run_command, command, printed, False) as process:
            process.join()
        pictures.chmod(0o755)
        assert process.exitcode == 1
        assert "name a folder for the texts with --txt-folder" in printed.read_text()
        assert not (tmp_path / "RUN").exists()

    def test_killed_while_they_are_replaced_the_run_goes_on_to_replace(
        self, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from unprompt.storage.training_texts import TextPlaces

        config = PredictConfig(bundle="lite", device="cpu", recursive=True, report_images=0)
        texts = TextConfig(txt=True)

        def die(self: TextPlaces, line_by_id: dict[str, str]) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(TextPlaces, "write_all", die)
        with pytest.raises(KeyboardInterrupt):
            predict(folder, tmp_path / "RUN", replace(config, overwrite=True), texts=texts)
        monkeypatch.undo()
        result = predict(folder, tmp_path / "RUN", config, texts=texts)
        assert result.resumed
        prompt_by_id = dict(zip(result.prompts.ids, result.prompts.texts, strict=True))
        assert (folder / "2.txt").read_text() == f"{prompt_by_id['2']}\n" != "mine"


class TestNames:
    @pytest.fixture
    def pictures(self, scenes: Path, tmp_path: Path) -> Path:
        """Scenes under names that no submission can have, that meet, or that are as long as names can be."""
        names = [
            "1, a cat.png",
            "same.png",
            "10_cat/001.png",
            "20_dog/001.png",
            f"{'x' * 251}.png",
            'say "hi".png',
        ]
        for number, name in enumerate(names, start=1):
            path = tmp_path / "pictures" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", path)
        shutil.copy(tmp_path / "pictures" / "same.png", tmp_path / "pictures" / "same.jpg")
        return tmp_path / "pictures"

    def test_stop_nothing(self, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        out = tmp_path / "RUN"
        assert main(["predict", str(pictures), "--recursive", "--out", str(out)]) == 0
        told = capsys.readouterr().err
        assert "2 of 7 image ids have a comma, a quote or a control character" in told
        assert "4 of 7 images have the name of another" in told
        ids = ["1, a cat", "10_cat/001", "20_dog/001", "same.jpg", "same.png", 'say "hi"', "x" * 251]
        assert list(read_prompts(out / "prompts.csv").ids) == ids
        assert list(read_submission(out / "submission.csv").ids) == [*ids[1:5], ids[6]]
        assert run_json(out)["submitted"] == 5

    def test_none_that_a_submission_can_have(self, pictures: Path, tmp_path: Path) -> None:
        result = predict(pictures / "1, a cat.png", tmp_path / "RUN", SMALL)
        assert result.submitted == 0
        assert result.notes[0].endswith("submission.csv is not written")
        assert not (tmp_path / "RUN" / "submission.csv").exists()
        assert len(read_prompts(tmp_path / "RUN" / "prompts.csv")) == 1


class TestSeveralSources:
    @pytest.fixture
    def named(self, scenes: Path, tmp_path: Path) -> list[Path]:
        """Two pictures, and a folder of two more."""
        places = [tmp_path / name for name in ("b.png", "a.png", "more/c.png", "more/d.png")]
        places[-1].parent.mkdir()
        for number, path in enumerate(places, 1):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", path)
        return [*places[:2], places[-1].parent]

    def test_are_one_run(self, named: list[Path], finished: RunResult, tmp_path: Path) -> None:
        out = tmp_path / "RUN"
        assert main(["predict", *map(str, named), "--out", str(out), "--txt"]) == 0
        found = read_submission(out / "submission.csv")
        assert found.ids == ("a", "b", "c", "d")
        alone = read_submission(finished.folder / "submission.csv").vectors
        np.testing.assert_allclose(found.vectors, alone[[1, 0, 2, 3]], atol=1e-5)
        assert [row.split(",")[1] for row in (out / "images.csv").read_text().splitlines()[1:]] == [
            "a.png",
            "b.png",
            "c.png",
            "d.png",
        ]
        assert (tmp_path / "b.txt").read_text().strip() == finished.prompts.texts[0]
        assert (tmp_path / "more" / "d.txt").exists()

    def test_are_the_same_from_python_and_can_grow(self, named: list[Path], tmp_path: Path) -> None:
        updating = {"update": True, "progress": False, "device": "cpu"}
        assert unprompt.predict(named[:1], tmp_path / "RUN", **updating).images == 1
        grown = unprompt.predict([str(path) for path in named], tmp_path / "RUN", **updating)
        assert (grown.images, grown.known) == (4, 1)

    def test_of_the_same_name_are_told_apart(
        self, named: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shutil.copy(named[0], named[2])
        shutil.copy(named[0], tmp_path / "b.jpg")
        named.append(tmp_path / "b.jpg")
        assert main(["predict", *map(str, named), "--out", str(tmp_path / "RUN")]) == 0
        assert "3 of 6 images have the name of one in another folder" in capsys.readouterr().err
        ids = {f"{tmp_path.name}/b.png", f"{tmp_path.name}/b.jpg", "more/b", "a", "c", "d"}
        assert set(read_prompts(tmp_path / "RUN" / "prompts.csv").ids) == ids

    def test_none_may_be_missing(
        self, named: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["predict", str(named[0]), str(tmp_path / "no.png"), "--out", str(tmp_path / "R")]) == 1
        assert "no.png does not exist" in capsys.readouterr().err


def update_and_die(name: str, images: Path, out: Path) -> None:
    """An update, killed in the moment before a file gets its `name`."""

    def die_before(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and Path(str(arguments[1])).name == name:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die_before)
    predict(images, out, PredictConfig(chunk=2, update=True))


@dataclass(frozen=True)
class Updated:
    """A run over pictures that have changed since, and what it had and shall have: names and sha256."""

    pictures: Path
    run: Path
    first: dict[str, str]
    whole: dict[str, str]


class TestUpdate:
    @pytest.fixture(scope="class")
    def updated(self, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> Updated:
        """To be read only."""
        folder = tmp_path_factory.mktemp("updated")
        pictures = folder / "pictures"
        pictures.mkdir()
        for number in (1, 2, 3):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", pictures)
        predict(pictures, folder / "RUN", PredictConfig(chunk=2))
        shutil.copy(scenes / "images" / "scene-07.png", pictures / "scene-02.png")
        for number in (4, 5):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", pictures)
        shutil.copytree(folder / "RUN", folder / "whole")
        predict(pictures, folder / "whole", PredictConfig(chunk=2, update=True))
        return Updated(pictures, folder / "RUN", comparable(folder / "RUN"), comparable(folder / "whole"))

    def test_looks_at_new_and_changed_images_only(
        self, scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        pictures, out = tmp_path / "pictures", tmp_path / "RUN"
        pictures.mkdir()
        for number in (1, 2, 3, 4):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", pictures)
        (pictures / "broken.png").touch()
        command = ["predict", str(pictures), "--out", str(out)]
        assert main([*command, "--update"]) == 0  # nothing is there yet
        first = read_embeddings(out / "members" / "zeroshot.npz")
        # A mark that only what is carried over has.
        marked = Embeddings(first.ids, np.roll(first.vectors, 1, axis=1))
        for name in ("zeroshot", "phrases"):
            write_embeddings(out / "members" / f"{name}.npz", marked, levels=np.zeros(5, np.int8))
        shutil.copy(scenes / "images" / "scene-06.png", pictures / "broken.png")
        shutil.copy(scenes / "images" / "scene-05.png", pictures)
        shutil.copy(scenes / "images" / "scene-07.png", pictures / "scene-02.png")
        (pictures / "scene-04.png").unlink()
        assert main(command) == 1
        assert (
            "add --overwrite to replace it, --update to do the images that are new" in capsys.readouterr().err
        )
        assert main([*command, "--update"]) == 0
        assert "5 images in" in (told := capsys.readouterr().out)
        assert "2 of them as before" in told
        now = read_embeddings(out / "members" / "zeroshot.npz")
        assert now.ids == ("broken", "scene-01", "scene-02", "scene-03", "scene-05")
        kept = ["scene-01", "scene-03"]
        assert (now.at(kept).vectors == marked.at(kept).vectors).all()
        fresh = predict(pictures, tmp_path / "FRESH", PredictConfig())
        own = read_embeddings(fresh.folder / "members" / "zeroshot.npz")
        others = ["broken", "scene-02", "scene-05"]
        np.testing.assert_allclose(now.at(others).vectors, own.at(others).vectors, atol=1e-5)
        assert read_prompts(out / "prompts.csv").ids == now.ids
        assert read_submission(out / "submission.csv").ids == now.ids
        assert (out / "images.csv").read_text() == (fresh.folder / "images.csv").read_text()
        assert not (out / ".work").exists()

    @pytest.mark.parametrize(
        ("name", "before"),
        [
            ("run.json", {"images.csv": True, "prompts.csv": True}),
            *(
                pytest.param(name, before, marks=pytest.mark.slow)
                for name, before in {
                    "plan.json": {"images.csv": False, "prompts.csv": False},
                    "chunk-000001.npz": {"images.csv": False, "prompts.csv": False},
                    "zeroshot.npz": {"images.csv": False, "prompts.csv": False},
                    "submission.csv": {"images.csv": False, "prompts.csv": True},
                    "images.csv": {"images.csv": False, "prompts.csv": True},
                }.items()
            ),
        ],
    )
    def test_killed_half_way_loses_nothing_and_ends_the_same(
        self, updated: Updated, tmp_path: Path, name: str, before: dict[str, bool]
    ) -> None:
        """kill -9 in the moment before a file gets its `name`; `before`: which outputs are the new ones."""
        run, first, whole = tmp_path / "RUN", updated.first, updated.whole
        assert first.keys() == whole.keys()
        shutil.copytree(updated.run, run)
        assert killed_itself(update_and_die, name, updated.pictures, run)
        half = {path: sha for path, sha in comparable(run).items() if path in first}
        assert half.keys() == first.keys()
        assert all(half[path] in (first[path], whole[path]) for path in first)
        assert {path: half[path] == whole[path] for path in before} == before
        assert (run / "run.json").exists()
        predict(updated.pictures, run, PredictConfig(chunk=2, update=True))
        assert comparable(run) == whole

    def test_what_is_damaged_is_not_carried_over(self, updated: Updated, tmp_path: Path) -> None:
        run = shutil.copytree(updated.run, tmp_path / "RUN")
        path = run / "members" / "phrases.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"phrases\.npz cannot be read"):
            predict(updated.pictures, run, PredictConfig(chunk=2, update=True))

    def test_a_deadline_takes_no_guess_away(self, scenes: Path, tmp_path: Path) -> None:
        pictures, run = tmp_path / "pictures", tmp_path / "RUN"
        pictures.mkdir()
        for number in (1, 2, 3):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", pictures)
        predict(pictures, run, SMALL)
        marked = read_embeddings(run / "members" / "zeroshot.npz")
        levels = np.array([Level.FULL, Level.CHEAPEST, Level.PRIOR], np.int8)
        for name in ("zeroshot", "phrases"):
            write_embeddings(run / "members" / f"{name}.npz", marked, levels=levels)
        again = predict(pictures, run, replace(SMALL, update=True, deadline=0))
        assert again.levels == Counter(map(Level, levels.tolist()))
        found = read_embeddings(run / "members" / "phrases.npz").vectors
        np.testing.assert_array_equal(found[:2], marked.vectors[:2])
        np.testing.assert_allclose(found[2], prior_embedding(), atol=1e-6)
        assert predict(pictures, run, replace(SMALL, update=True)).levels == Counter({Level.FULL: 3})

    def test_what_no_image_gives_any_more_goes(self, scenes: Path, tmp_path: Path) -> None:
        pictures = tmp_path / "pictures"
        pictures.mkdir()
        for number in (1, 2):
            shutil.copy(scenes / "images" / f"scene-{number:02d}.png", pictures)
        with Image.open(pictures / "scene-02.png") as scene:
            scene.load()
        (pictures / "scene-02.png").write_bytes(png(text_chunk("parameters", PARAMETERS), image=scene))
        predict(pictures, tmp_path / "RUN", SMALL)
        assert (tmp_path / "RUN" / "from_file.csv").exists()
        (pictures / "scene-02.png").unlink()
        (pictures / "scene-01.png").rename(pictures / "1, a cat.png")
        predict(pictures, tmp_path / "RUN", replace(SMALL, update=True))
        assert not (tmp_path / "RUN" / "from_file.csv").exists()
        assert not (tmp_path / "RUN" / "submission.csv").exists()

    def test_files_prompts_that_were_used_become_guesses_again(self, scenes: Path, tmp_path: Path) -> None:
        pictures, run = tmp_path / "pictures", tmp_path / "RUN"
        pictures.mkdir()
        with Image.open(scenes / "images" / "scene-01.png") as scene:
            scene.load()
        (pictures / "a.png").write_bytes(png(text_chunk("parameters", PARAMETERS), image=scene))
        shutil.copy(scenes / "images" / "scene-02.png", pictures)
        changing = [pictures / "scene-02.png"]

        def change(step: str, done: int, total: int) -> None:
            if step == "predicting" and done == total and changing:
                shutil.copy(scenes / "images" / "scene-07.png", changing.pop())

        predict(pictures, run, replace(SMALL, from_file="use"), progress=change)
        used = read_prompts(run / "prompts.csv").texts
        assert used[0] == "a lighthouse at dusk, (warm light:1.2)"
        # Of what changed after it was looked at, nothing is taken over either.
        again = predict(pictures, run, replace(SMALL, update=True, from_file="use"))
        assert again.known == 1
        assert again.prompts.texts[0] == used[0]
        assert again.prompts.texts[1] != used[1]
        guessed = predict(pictures, run, replace(SMALL, update=True))
        assert guessed.known == 1
        assert guessed.prompts.texts[0] != used[0]

    def test_of_another_bundle_is_refused(self, scenes: Path, tmp_path: Path) -> None:
        one = scenes / "images" / "scene-01.png"
        predict(one, tmp_path / "RUN", SMALL)
        record = run_json(tmp_path / "RUN") | {"bundle": {"name": "other"}}
        (tmp_path / "RUN" / "run.json").write_text(json.dumps(record))
        with pytest.raises(RunError, match="is of another bundle or another version"):
            predict(one, tmp_path / "RUN", replace(SMALL, update=True))

    def test_of_a_model_that_has_changed_is_refused(self, tmp_path: Path) -> None:
        table = '[[members]]\nname = "own"\nkind = "regression"\nweight = 1\ncheckpoint = "net.safetensors"\n'
        (tmp_path / "own.toml").write_text(table)
        network, run = tmp_path / "net.safetensors", tmp_path / "RUN"
        network.write_bytes(b"one")
        bundle = read_bundle(str(tmp_path / "own.toml"))
        record = {"unprompt": __version__, "bundle": bundle.as_dict(), "files": own_states(bundle)}
        run.mkdir()
        (run / "run.json").write_text(json.dumps(record))
        with pytest.raises(InputError, match="own"):  # it is the same; what the RUN lacks comes next
            read_earlier(run, (), {}, bundle, False)
        network.write_bytes(b"another")
        with pytest.raises(RunError, match=r"net\.safetensors has changed since .* --overwrite"):
            read_earlier(run, (), {}, bundle, False)

    def test_paths_that_cannot_be_have_no_row(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(b"12345")
        files = [ImageFile(name[0], tmp_path / name) for name in ("a.png", "b\0.png", "/c.png")]
        rows = image_rows(Picture(file, tmp_path) for file in files)
        assert {one: row[1:3] for one, row in rows.items()} == {"a": ("a.png", "5")}

    def test_with_overwrite_is_refused(self) -> None:
        with pytest.raises(ConfigError, match="give one of both"):
            PredictConfig(update=True, overwrite=True)


class TestAStartThatFails:
    def test_leaves_nothing_and_harms_nothing(self, scenes: Path, tmp_path: Path) -> None:
        with pytest.raises(CheckpointError):
            predict(scenes / "images", tmp_path / "new" / "RUN", PredictConfig(bundle="kaggle"))
        assert list(tmp_path.iterdir()) == []
        out = tmp_path / "RUN"
        predict(scenes / "images" / "scene-01.png", out, SMALL)
        before = comparable(out)
        with pytest.raises(CheckpointError):
            predict(scenes / "images", out, PredictConfig(bundle="kaggle", overwrite=True))
        assert comparable(out) == before

    def test_no_images_are_no_run(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "prompts.csv").write_text("imgId,prompt\na,a cat\n")
        for arguments in ([str(tmp_path / "prompts.csv")], [str(tmp_path), "--workers", "0"]):
            assert main(["predict", *arguments, "--out", str(tmp_path / "RUN")]) == 1
        assert "workers must be at least 1, got 0" in capsys.readouterr().err
        assert not (tmp_path / "RUN").exists()


class TestBadImages:
    @pytest.fixture(scope="class")
    def mixed(self, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunResult]:
        """Two readable images among each kind of file that cannot be read."""
        folder = tmp_path_factory.mktemp("mixed") / "images"
        folder.mkdir()
        whole = sorted((scenes / "images").iterdir())
        shutil.copy(whole[0], folder / "good-a.png")
        shutil.copy(whole[1], folder / "good-b.PNG")
        (folder / "empty.png").touch()
        (folder / "truncated.png").write_bytes(whole[2].read_bytes()[:1000])
        (folder / "text.jpg").write_text("this is not an image")
        (folder / "folder.png").mkdir()
        (folder / "gone.webp").symlink_to(folder / "nowhere")
        bomb = Image.new("1", (20000, 20000))
        bomb.save(folder / "bomb.png")
        (folder / "notes.txt").write_text("not looked at")
        return folder, predict(folder, folder.parent / "RUN")

    def test_each_is_listed_with_its_reason(self, mixed: tuple[Path, RunResult]) -> None:
        reason_by_id = {problem.image_id: problem.problem for problem in mixed[1].problems}
        assert set(reason_by_id) == {"empty", "truncated", "text", "folder", "gone", "bomb"}
        assert "empty" in reason_by_id["empty"]
        assert "truncated" in reason_by_id["truncated"]
        assert "not an image" in reason_by_id["text"]
        assert "folder" in reason_by_id["folder"]
        assert "link" in reason_by_id["gone"]
        assert "too large" in reason_by_id["bomb"]

    def test_their_rows_carry_the_prior(self, mixed: tuple[Path, RunResult]) -> None:
        submitted = read_submission(mixed[1].folder / "submission.csv")
        assert len(submitted) == 8
        for problem in mixed[1].problems:
            np.testing.assert_allclose(
                submitted.at([problem.image_id]).vectors[0], prior_embedding(), atol=1e-6
            )
        good = submitted.at(["good-a"]).vectors[0]
        assert float(good @ prior_embedding()) < 0.99

    def test_they_count_as_left_to_the_prior_and_not_by_a_deadline(
        self, mixed: tuple[Path, RunResult]
    ) -> None:
        result = mixed[1]
        record = run_json(result.folder)
        assert record["levels"] == {"full": 2, "cheapest": 0, "prior": 6}
        assert record["complete_bundle"]
        with np.load(result.folder / "members" / "zeroshot.npz") as table:
            levels = dict(zip(table["ids"].tolist(), table["levels"].tolist(), strict=True))
        unread = {problem.image_id for problem in result.problems}
        assert {name for name, level in levels.items() if level == Level.PRIOR} == unread
        assert "deadline" not in (result.folder / "report.html").read_text()

    def test_a_folder_of_bad_images_only_is_an_error_with_a_submission(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in" / "a.png").touch()
        out = tmp_path / "RUN"
        assert main(["predict", str(tmp_path / "in"), "--out", str(out)]) == 1
        assert "the only image cannot be read: a.png: the file is empty; see" in capsys.readouterr().err
        assert (read_submission(out / "submission.csv").vectors == prior_embedding()).all()
        assert "the file is empty" in (out / "problems.csv").read_text()

    def test_an_empty_or_missing_folder_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="holds no images"):
            predict(tmp_path, tmp_path / "RUN")
        with pytest.raises(InputError, match="does not exist"):
            predict(tmp_path / "nothing", tmp_path / "RUN")
        assert not (tmp_path / "RUN").exists()


class TestSample:
    def write_sample(self, path: Path, ids: list[str]) -> None:
        vectors = np.zeros((len(ids), DIM), dtype=np.float32)
        vectors[:, 0] = 1
        write_submission(path, Embeddings(tuple(ids), vectors))

    def test_gives_ids_and_order(self, scenes: Path, tmp_path: Path) -> None:
        wanted = ["scene-05", "absent", "scene-01"]
        self.write_sample(tmp_path / "sample.csv", wanted)
        result = predict(scenes / "images", tmp_path / "RUN", sample=tmp_path / "sample.csv")
        submitted = read_submission(tmp_path / "RUN" / "submission.csv")
        assert list(submitted.ids) == wanted
        assert result.left_out == 10
        # Those that are asked for are looked at first: a deadline comes to the others.
        assert result.prompts.ids[:3] == ("absent", "scene-01", "scene-05")
        assert [(problem.image_id, problem.problem) for problem in result.problems] == [
            ("absent", NOT_IN_FOLDER)
        ]
        np.testing.assert_allclose(submitted.at(["absent"]).vectors[0], prior_embedding(), atol=1e-6)

    def test_ids_may_be_in_another_form_of_unicode(self, scenes: Path, tmp_path: Path) -> None:
        composed, decomposed = "\u00e4pfel", "a\u0308pfel"
        folder = tmp_path / "images"
        folder.mkdir()
        shutil.copy(scenes / "images" / "scene-01.png", folder / f"{decomposed}.png")
        shutil.copy(scenes / "images" / "scene-02.png", folder / "b.png")
        self.write_sample(tmp_path / "sample.csv", [composed, "b"])
        for form in (composed, decomposed):
            (tmp_path / "truth.csv").write_text(f"imgId,prompt\n{form},apples\n", encoding="utf-8")
            run, sample, truth = tmp_path / f"RUN {form}", tmp_path / "sample.csv", tmp_path / "truth.csv"
            result = predict(folder, run, SMALL, sample=sample, truth=truth)
            assert read_submission(run / "submission.csv").ids == (composed, "b")
            assert (result.problems, result.left_out) == ((), 0)
            assert result.score is not None
            assert result.score.ids == (composed,)

    def test_of_other_images_is_an_error(self, scenes: Path, tmp_path: Path) -> None:
        self.write_sample(tmp_path / "sample.csv", ["x", "y"])
        with pytest.raises(InputError, match="starts with 'x'"):
            predict(scenes / "images", tmp_path / "RUN", sample=tmp_path / "sample.csv")


class TestRunFolder:
    def test_a_finished_run_is_not_touched(self, scenes: Path, finished: RunResult) -> None:
        before = comparable(finished.folder)
        with pytest.raises(RunError, match="--overwrite"):
            predict(scenes / "images", finished.folder, SMALL)
        assert comparable(finished.folder) == before

    def test_overwrite_replaces_it(self, scenes: Path, tmp_path: Path) -> None:
        predict(scenes / "images", tmp_path / "RUN")
        (tmp_path / "RUN" / "mine.txt").write_text("kept")
        one = tmp_path / "one"
        one.mkdir()
        shutil.copy(scenes / "images" / "scene-01.png", one)
        predict(one, tmp_path / "RUN", PredictConfig(overwrite=True))
        assert read_submission(tmp_path / "RUN" / "submission.csv").ids == ("scene-01",)
        assert (tmp_path / "RUN" / "mine.txt").read_text() == "kept"

    def test_what_a_killed_process_had_begun_to_write_goes(self, scenes: Path, tmp_path: Path) -> None:
        run = tmp_path / "RUN"
        begin(scenes / "images", run)
        (run / "members").mkdir()
        for path in (run / ".submission.csv.123.part", run / "members" / ".phrases.npz.123.part"):
            path.write_text("half")
        predict(scenes / "images", run, SMALL)
        assert not list(run.rglob(".*"))

    def test_somebody_elses_folder_is_refused(self, scenes: Path, tmp_path: Path) -> None:
        (tmp_path / "thesis.doc").write_text("years of work")
        for overwrite in (False, True):
            with pytest.raises(RunError, match="not a run"):
                predict(scenes / "images", tmp_path, PredictConfig(overwrite=overwrite))
        assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]

    def test_other_images_do_not_go_on_from_an_unfinished_run(self, scenes: Path, tmp_path: Path) -> None:
        images = tmp_path / "images"
        shutil.copytree(scenes / "images", images)
        run = tmp_path / "RUN"
        begin(images, run)
        first, *_, last = sorted(images.iterdir())
        put_other_content(first)  # of the chunk that is done
        with pytest.raises(RunError, match=f"RUN was begun with other images: {first} has changed since"):
            predict(images, run, SMALL)
        put_other_content(first)  # back
        put_other_content(last, keep_time=False)  # of one that is not
        with pytest.raises(RunError, match=f"RUN was begun with other images: {last} has changed since"):
            predict(images, run, SMALL)
        (images / "scene-02.png").unlink()
        with pytest.raises(RunError, match="RUN was begun with other images; run what was begun"):
            predict(images, run, SMALL)

    def test_two_at_once_are_refused(self, scenes: Path, tmp_path: Path) -> None:
        with started(go_on, scenes, tmp_path / "RUN") as process:
            wait_for(lambda: (tmp_path / "RUN" / ".work" / "plan.json").exists(), process)
            with pytest.raises(RunError, match="another unprompt"):
                predict(scenes / "images", tmp_path / "RUN", SMALL)


def begin(images: Path, out: Path) -> None:
    """Leave a run of which one chunk is done."""

    def stop(step: str, done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(images, out, SMALL, progress=stop)
    assert (out / ".work" / "chunk-000000.npz").exists()
    assert not (out / "run.json").exists()


def go_on(scenes: Path, out: Path) -> None:
    """A run over the sample scenes, with truth, from where it stands to its end."""
    predict(scenes / "images", out, PredictConfig(chunk=2), truth=scenes / "prompts.csv")


def wait_for(condition: Callable[[], bool], process: BaseProcess, seconds: float = 120) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if process.exitcode is not None or time.monotonic() > until:
            return
        time.sleep(0.002)


def kill_after(scenes: Path, out: Path, chunks: int) -> int:
    """Start a run with chunks of 2 and kill -9 it when so many chunks are done; returns how many were."""
    work = out / ".work"
    with started(go_on, scenes, out) as process:
        wait_for(lambda: len(list(work.glob("chunk-*.npz"))) >= chunks, process)
    return len(list(work.glob("chunk-*.npz")))


class TestInterrupted:
    @pytest.fixture(scope="class")
    def whole(self, scenes: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
        """What a run leaves that nothing befell."""
        out = tmp_path_factory.mktemp("whole") / "RUN"
        go_on(scenes, out)
        return comparable(out)

    @pytest.mark.slow
    def test_killed_runs_go_on_and_end_with_the_same_bytes(
        self, scenes: Path, whole: dict[str, str], tmp_path: Path
    ) -> None:
        killed = tmp_path / "killed"
        done = [kill_after(scenes, killed, chunks) for chunks in (0, 1, 3)]
        assert done == sorted(done)
        assert done[-1] >= 3
        assert not (killed / "run.json").exists()
        go_on(scenes, killed)
        assert comparable(killed) == whole
        assert run_json(killed)["resumed"] is True

    def test_by_whatever_chunks_it_was_begun_it_goes_on(
        self, scenes: Path, finished: RunResult, tmp_path: Path
    ) -> None:
        """As one does on the command line that the web app has begun, which keeps more often."""
        begin(scenes / "images", tmp_path / "RUN")
        truth = ["--truth", str(scenes / "prompts.csv")]
        assert main(["predict", str(scenes / "images"), "--out", str(tmp_path / "RUN"), *truth]) == 0
        assert run_json(tmp_path / "RUN")["resumed"] is True
        assert comparable(tmp_path / "RUN") == comparable(finished.folder)

    @pytest.mark.slow
    def test_killed_while_the_outputs_are_written(
        self, scenes: Path, whole: dict[str, str], tmp_path: Path
    ) -> None:
        killed = tmp_path / "killed"
        for name in ("members", "prompts.csv", "submission.csv"):
            with started(go_on, scenes, killed) as process:
                wait_for((killed / name).exists, process)
            shutil.rmtree(killed / "members", ignore_errors=True)  # so that the next round stops there again
        assert not (killed / "run.json").exists()
        go_on(scenes, killed)
        assert comparable(killed) == whole

    @pytest.mark.slow
    def test_ctrl_c_says_how_to_go_on(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        images = tmp_path / "images"
        images.mkdir()
        rng = np.random.default_rng(0)
        for number in range(56):  # 32 are a chunk
            Image.fromarray(rng.integers(0, 255, (30, 30, 3), dtype=np.uint8)).save(
                images / f"{number:03d}.bmp"
            )
        command, printed = ["predict", str(images), "--out", str(tmp_path / "RUN")], tmp_path / "printed.txt"
        with started(run_command, command, printed) as process:
            wait_for((tmp_path / "RUN" / ".work" / "chunk-000000.npz").exists, process)
            os.kill(process.pid, signal.SIGINT)
            process.join()
            assert process.exitcode == 130
        messages = printed.read_text()
        assert "run the same command again to go on" in messages
        assert "Traceback" not in messages
        assert main(command) == 0
        assert "going on from an earlier start" in capsys.readouterr().out
        assert len(read_submission(tmp_path / "RUN" / "submission.csv")) == 56


class TestDeadline:
    def test_no_time_at_all_gives_the_prior_everywhere(self, scenes: Path, tmp_path: Path) -> None:
        result = predict(scenes / "images", tmp_path / "RUN", PredictConfig(deadline=0))
        submitted = read_submission(tmp_path / "RUN" / "submission.csv")
        assert len(submitted) == 12
        np.testing.assert_allclose(submitted.vectors, np.tile(prior_embedding(), (12, 1)), atol=1e-6)
        assert result.levels == Counter({Level.PRIOR: 12})
        assert run_json(tmp_path / "RUN")["levels"] == {"full": 0, "cheapest": 0, "prior": 12}
        assert run_json(tmp_path / "RUN")["complete_bundle"] is False
        assert "The deadline left 12 images without a look" in (tmp_path / "RUN" / "report.html").read_text()

    def test_time_enough_changes_nothing(
        self, scenes: Path, finished: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor does a wall clock that is set forth and back by a year each time that somebody looks at it."""
        began, jumps = time.time(), cycle((0.0, 3.2e7, -3.2e7))
        monkeypatch.setattr("time.time", lambda: began + next(jumps))
        monkeypatch.setattr("time.time_ns", lambda: int(1e9 * (began + next(jumps))))
        config = PredictConfig(chunk=4, deadline=3600)
        predict(scenes / "images", tmp_path / "RUN", config, truth=scenes / "prompts.csv")
        assert comparable(tmp_path / "RUN") == comparable(finished.folder)

    def test_levels_fall_as_time_runs_out(self, scenes: Path, tmp_path: Path) -> None:
        """The clock is the test's: every chunk of two images that is done costs ten seconds."""
        files = find_images(scenes / "images")
        chunks = [files[first : first + 2] for first in range(0, 12, 2)]
        folder = RunFolder(tmp_path)
        deadline = Deadline(
            28.0, 0.0, reserve=1.0, clock=lambda: 10.0 * len(list(folder.work.glob("chunk-*")))
        )
        sources = Sources(files)
        sources.begin(folder.work)
        work = Looking(read_bundle("lite"), Loader("cpu"))
        _fill(folder, chunks, [None] * 6, Here(1), work, deadline, sources, silent)
        parts = [folder.read_chunk(number, ["zeroshot", "phrases"]) for number in range(6)]
        levels = [Level(int(part.levels[0])) for part in parts]
        assert levels == sorted(levels)
        assert levels[0] is Level.FULL
        assert levels[-1] is Level.PRIOR
        for part, level in zip(parts, levels, strict=True):
            zeroshot, phrases = (part.embeddings[name](np.arange(2)) for name in ("zeroshot", "phrases"))
            assert np.array_equal(zeroshot, phrases) is (level is not Level.FULL)
            is_prior = np.allclose(zeroshot, prior_embedding())
            assert is_prior is (level is Level.PRIOR)

    @pytest.mark.parametrize(
        ("seconds", "wanted"),
        [
            (0.0, (None, Level.PRIOR, Level.CHEAPEST, Level.FULL)),  # nothing can be done
            (100.0, (Level.FULL,) * 4),
            (11.01, (Level.FULL, Level.PRIOR, Level.CHEAPEST, Level.FULL)),  # one, where no guess is
        ],
    )
    def test_a_later_start_never_makes_a_guess_worse(
        self, scenes: Path, tmp_path: Path, seconds: float, wanted: tuple[Level | None, ...]
    ) -> None:
        """The clock is the test's: every chunk of three images that is done anew costs ten seconds."""
        files = find_images(scenes / "images")
        chunks = [files[first : first + 3] for first in range(0, 12, 3)]
        folder, work = RunFolder(tmp_path), Looking(read_bundle("lite"), Loader("cpu"))
        sources = Sources(files)
        sources.begin(folder.work)
        kept = (None, Level.PRIOR, Level.CHEAPEST, Level.FULL)
        for number, level in enumerate(kept):
            if level is not None:
                mark = np.full((3, DIM), number, dtype=np.float32)
                guesses = {"zeroshot": mark, "phrases": mark}
                folder.write_chunk(number, Chunk(guesses, ("",) * 3, ("",) * 3, np.full(3, level, np.int8)))
        told: list[int] = []

        def tell(step: str, done: int, total: int) -> None:
            told.append(done)

        deadline = Deadline(seconds, 0.0, reserve=1.0, clock=lambda: 10.0 * sum(anew(folder, kept)))
        assert [folder.level_of(number) for number in range(4)] == list(kept)
        _fill(folder, chunks, kept, Here(1), work, deadline, sources, tell)
        levels = [folder.level_of(number) for number in range(4)]
        assert levels == [level if level is not None else Level.PRIOR for level in wanted]
        assert anew(folder, kept) == [kept[number] is not levels[number] for number in range(4)]
        assert told == sorted(told)
        assert (told[0], told[-1]) == (3, 12)


def anew(folder: RunFolder, kept: Sequence[Level | None]) -> list[bool]:
    """Which chunks are other ones than those whose guesses are all their number."""
    found = []
    for number, level in enumerate(kept):
        if folder.level_of(number) is None:
            found.append(False)
        else:
            guesses = folder.read_chunk(number, ["zeroshot"]).embeddings["zeroshot"](np.arange(3))
            found.append(level is None or not np.array_equal(guesses, np.full((3, DIM), number)))
    return found


def predict_and_measure(images: Path, config: PredictConfig) -> None:
    """A run in a folder beside the images, in which peak.txt is the most memory that it took, in MB."""
    run = images.with_name(f"RUN-{images.name}")
    predict(images, run, config)
    (run / "peak.txt").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    """Peak resident memory of 28 images of 24 MB (decoded) is that of 16, give or take their embeddings.

    Of 16, as with fewer not as many are under way at a time as there may be.
    """
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).resize((2800, 2800))
    picture.save(tmp_path / "one.bmp")  # which takes least time to decode
    for count in (16, 28):
        (tmp_path / str(count)).mkdir()
        for number in range(count):
            (tmp_path / str(count) / f"{number:03d}.bmp").hardlink_to(tmp_path / "one.bmp")

    config = PredictConfig(chunk=4, workers=2, report_images=4)

    def peak(count: int) -> int:
        """Of a process of its own: models that are loaded a second time leave holes in memory."""
        with started(predict_and_measure, tmp_path / str(count), config) as process:
            process.join()
        return int((tmp_path / f"RUN-{count}" / "peak.txt").read_text())

    few, many = peak(16), peak(28)
    assert many - few < 120, (few, many)  # 12 more decoded images would be 280 MB


@pytest.mark.slow
def test_memory_of_the_driver_grows_little_with_the_images(tmp_path: Path) -> None:
    """The embeddings alone would be 4.6 KB an image."""
    Image.new("RGB", (8, 8), "teal").save(tmp_path / "one.png")
    for count in (2_000, 12_000):
        (tmp_path / str(count)).mkdir()
        for number in range(count):
            (tmp_path / str(count) / f"{number:05d}.png").hardlink_to(tmp_path / "one.png")

    nobody_looks = PredictConfig(deadline=0, from_file="off", report_images=0)

    def peak(count: int) -> int:
        with started(predict_and_measure, tmp_path / str(count), nobody_looks) as process:
            process.join()
        return int((tmp_path / f"RUN-{count}" / "peak.txt").read_text())

    few, many = peak(2_000), peak(12_000)
    assert many - few < 40, (few, many)  # MB, of 10,000 images


@pytest.mark.real
@pytest.mark.slow
class TestRealImages:
    def test_score_on_drawbench_is_ahead_of_the_constant(self, tmp_path: Path) -> None:
        folder = real_folder() / "drawbench200"
        result = predict(folder / "images", tmp_path / "RUN", truth=folder / "prompts.csv")
        assert result.score is not None
        assert result.score.mean >= 0.365
        assert run_json(tmp_path / "RUN")["score"]["baseline"] == pytest.approx(0.357, abs=0.001)
        assert len(read_submission(tmp_path / "RUN" / "submission.csv")) == 200
        assert not result.problems

    def test_sample_submission_gives_the_order(self, tmp_path: Path) -> None:
        folder = real_folder() / "kaggle7"
        sample = folder / "sample_submission.csv"
        predict(folder / "images", tmp_path / "RUN", sample=sample, truth=folder / "prompts.csv")
        assert read_submission(tmp_path / "RUN" / "submission.csv").ids == read_submission(sample).ids
