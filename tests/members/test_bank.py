"""Banks: what is in one, that a killed build goes on to the same bytes, and what is refused."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unprompt
from tests.other_content import put_other_content
from tests.thumbnails import Thumbnails
from tests.tiny_clip import WIDTH, write_tiny_clip
from tests.whole_world import png, write_folder
from unprompt.cli import build_parser, main
from unprompt.datasets.dataset import read_dataset
from unprompt.errors import ConfigError, InputError, RunError
from unprompt.members.bank import Bank, BankResult, build_bank, has_own_embeddings, read_bank, write_bank
from unprompt.members.config import BankConfig
from unprompt.members.retrieval import RetrievalConfig, RetrievalMember
from unprompt.networks.clip import Clip
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.records import DIM, unit_rows
from unprompt.storage.parts import Part, part_name, write_part


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    return PromptEncoder.load()


def write_parts(folder: Path, numbers: range, vectors: np.ndarray) -> Path:  # type: ignore[type-arg]
    """A data set of one part, whose image of number 3 is damaged."""
    part = Part(
        ids=tuple(f"id{n:03d}" for n in numbers),
        prompts=tuple(f"prompt, “{n}”" for n in numbers),
        images=tuple(b"not a picture" if n == 3 else png(n) for n in numbers),
        seeds=tuple(numbers),
        engine="test",
        settings="{}",
        embeddings=vectors,
    )
    write_part(folder / part_name(0), part)
    return folder


@pytest.fixture
def parts(tmp_path: Path, encoder: PromptEncoder) -> Path:
    numbers = range(22)
    return write_parts(tmp_path / "PARTS", numbers, encoder.encode([f"prompt, “{n}”" for n in numbers]))


def build(sources: list[Path], out: Path, limit: int = 0) -> BankResult:
    return build_bank(sources, out, Thumbnails(), config=BankConfig(limit, workers=2))


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class TestBuilding:
    def test_features_prompts_and_embeddings_of_two_data_sets(
        self, parts: Path, tmp_path: Path, encoder: PromptEncoder, recwarn: pytest.WarningsRecorder
    ) -> None:
        folder = write_folder(tmp_path / "FOLDER", range(3, 8))
        result = build([parts, folder, parts], tmp_path / "BANK")  # a data set counts once
        bank = read_bank(tmp_path / "BANK")
        numbers = [n for n in range(22) if n != 3]
        prompts = (*(f"prompt, “{n}”" for n in numbers), *(f"a {n}, of gold" for n in range(3, 8)))
        assert bank.prompts == prompts
        images = [Image.open(io.BytesIO(png(n))).convert("RGB") for n in (*numbers, *range(3, 8))]
        thumbnails = Thumbnails()
        expected = unit_rows(thumbnails.features([thumbnails.prepare(image) for image in images]))
        np.testing.assert_allclose(bank.features, expected, atol=5e-4)
        np.testing.assert_allclose(bank.embeddings, encoder.encode(prompts), atol=2e-4)
        assert (bank.clip, bank.encoder) == ("thumbnails 1", encoder_identity())
        assert (result.images, result.width) == (26, 48)
        assert [problem.image_id for problem in result.problems] == ["id003"]
        record = json.loads((tmp_path / "BANK" / "bank.json").read_text())
        assert record["unreadable"][0]["imgId"] == "id003"
        assert record["data_sets"] == [{"name": "PARTS", "images": 22}, {"name": "FOLDER", "images": 5}]
        assert not recwarn.list

    def test_float16_keeps_the_cosines(self) -> None:
        rows = unit_rows(np.random.default_rng(0).normal(size=(200, DIM)))
        kept = unit_rows(rows.astype(np.float16))
        assert 1 - np.einsum("nd,nd->n", rows.astype(np.float64), kept).min() < 1e-6
        assert np.abs(rows @ rows.T - kept @ kept.T).max() < 1e-4

    def test_embeddings_of_another_encoder_are_not_taken(
        self, tmp_path: Path, encoder: PromptEncoder
    ) -> None:
        foreign = unit_rows(np.random.default_rng(0).normal(size=(4, DIM)))
        folder = write_parts(tmp_path / "FOREIGN", range(10, 14), foreign)
        with pytest.warns(UserWarning, match="not all-MiniLM-L6-v2's"):
            build([folder], tmp_path / "BANK")
        own = encoder.encode([f"prompt, “{n}”" for n in range(10, 14)])
        np.testing.assert_allclose(read_bank(tmp_path / "BANK").embeddings, own, atol=2e-4)
        with pytest.warns(UserWarning, match="cosine"):
            assert not has_own_embeddings(read_dataset(folder), encoder)

    def test_a_limit_takes_some_and_a_larger_one_more_of_them(self, parts: Path, tmp_path: Path) -> None:
        few, more = build([parts], tmp_path / "A", 6), build([parts], tmp_path / "B", 12)
        assert few.images + len(few.problems) == 6
        assert more.images + len(more.problems) == 12
        assert set(read_bank(tmp_path / "A").prompts) < set(read_bank(tmp_path / "B").prompts)

    def test_interrupted_it_goes_on_to_the_same_bytes(self, parts: Path, tmp_path: Path) -> None:
        build_bank([parts], tmp_path / "WHOLE", Thumbnails(), chunk=4)

        def stop(step: str, done: int, total: int) -> None:
            if step == "looking at images" and done == 12:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_bank(
                [parts], tmp_path / "BANK", Thumbnails(), config=BankConfig(workers=2), progress=stop, chunk=4
            )
        with pytest.raises(InputError, match="is not finished; run the same"):
            read_bank(tmp_path / "BANK")
        backbone = Thumbnails()
        assert build_bank([parts], tmp_path / "BANK", backbone, config=BankConfig(workers=1), chunk=4).resumed
        assert backbone.seen == 10  # of 22 images, three chunks of four were done
        assert files_of(tmp_path / "BANK") == files_of(tmp_path / "WHOLE")

    def test_what_was_begun_with_another_clip_is_not_gone_on_with(self, parts: Path, tmp_path: Path) -> None:
        def stop(step: str, done: int, total: int) -> None:
            if done == total:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_bank([parts], tmp_path / "BANK", Thumbnails(), progress=stop)
        with pytest.raises(RunError, match="begun with another CLIP; run what was begun"):
            build_bank([parts], tmp_path / "BANK", Thumbnails("thumbnails 2"))

    @pytest.mark.filterwarnings("ignore:.*embedded anew")
    def test_what_changed_after_a_kill_is_not_mixed_in(self, tmp_path: Path, scenes: Path) -> None:
        shutil.copytree(scenes, tmp_path / "DATA")

        def stop(step: str, done: int, total: int) -> None:
            if step == "looking at images" and done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_bank([tmp_path / "DATA"], tmp_path / "BANK", Thumbnails(), progress=stop, chunk=4)
        first = min((tmp_path / "DATA" / "images").iterdir())
        put_other_content(first)
        with pytest.raises(RunError, match=f"begun with other images: {first} has changed since"):
            build_bank([tmp_path / "DATA"], tmp_path / "BANK", Thumbnails(), chunk=4)

    def test_a_data_set_that_is_not_finished_is_told(self, parts: Path, tmp_path: Path) -> None:
        (parts / ".work").mkdir()  # a rendering that was killed has left some of its parts
        with pytest.warns(UserWarning, match="PARTS is not finished, and only 22 images of it will be taken"):
            assert build([parts], tmp_path / "BANK").images == 21

    def test_a_finished_bank_is_not_replaced_unasked(self, parts: Path, tmp_path: Path) -> None:
        build([parts], tmp_path / "BANK", 5)
        with pytest.raises(RunError, match="holds a finished bank"):
            build([parts], tmp_path / "BANK")
        build_bank([parts], tmp_path / "BANK", Thumbnails(), overwrite=True)
        assert len(read_bank(tmp_path / "BANK")) == 21

    def test_no_readable_image_and_bad_settings_are_errors(
        self, tmp_path: Path, encoder: PromptEncoder
    ) -> None:
        folder = write_parts(tmp_path / "BAD", range(3, 4), encoder.encode(["prompt, “3”"]))
        with pytest.raises(InputError, match=r"the only image cannot be read: part-00000\.parquet, row 0"):
            build([folder], tmp_path / "BANK")
        with pytest.raises(ConfigError, match="limit must be at least 0, got -1"):
            BankConfig(limit=-1)
        with pytest.raises(ConfigError, match="workers must be at least 1, got 0"):
            unprompt.bank(folder, tmp_path / "BANK", workers=0)


class TestCommand:
    def test_a_bank_by_a_tiny_clip_finds_its_own_images(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        dataset = write_folder(tmp_path / "FOLDER", range(6))
        assert main(["bank", str(dataset), "--out", str(tmp_path / "BANK"), "--workers", "0"]) == 1
        assert capsys.readouterr().err == "unprompt: workers must be at least 1, got 0\n"
        checkpoint = write_tiny_clip(tmp_path / "clip")
        arguments = [str(dataset), "--out", str(tmp_path / "BANK"), "--checkpoint", str(checkpoint), "--json"]
        options = build_parser(["bank"]).parse_args(["bank", *arguments, "--device", "cpu"])
        options.run(options)
        numbers = json.loads(capsys.readouterr().out)
        assert (numbers["images"], numbers["width"], numbers["problems"]) == (6, WIDTH, 0)
        clip = Clip.load("cpu", checkpoint=checkpoint)
        config = RetrievalConfig(bank=str(tmp_path / "BANK"), neighbours=3, temperature=1e-5)
        member = RetrievalMember.load("r", clip, config)
        prepared = [clip.prepare(Image.open(io.BytesIO(png(n))).convert("RGB")) for n in range(6)]
        guess = member.guess(clip.features(prepared))
        prompts = tuple(f"a {n}, of gold" for n in range(6))
        assert guess.prompts == prompts
        np.testing.assert_allclose(guess.embeddings, PromptEncoder.load().encode(prompts), atol=1e-3)

    def test_a_place_that_is_taken_is_told_before_a_clip_is_loaded(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        taken = tmp_path / "BANK"
        taken.mkdir()
        (taken / "bank.json").write_text("{}")
        no_clip = tmp_path / "no CLIP"
        ask = ["bank", str(tmp_path), "--out", str(taken), "--checkpoint", str(no_clip), "--device", "cpu"]
        assert main(ask) == 1
        assert "holds a finished bank; add --overwrite" in capsys.readouterr().err
        with pytest.raises(RunError, match="holds a finished bank; add --overwrite"):
            unprompt.bank(tmp_path, taken, checkpoint=no_clip, device="cpu")


class TestReading:
    def bank(self) -> Bank:
        rows = np.eye(3, DIM, dtype=np.float16)
        return Bank(rows[:, :5], rows, ("", "a “cat”\nby night", "😀"), "c", "e")

    def test_prompts_of_any_text_come_back(self, tmp_path: Path) -> None:
        write_bank(tmp_path, self.bank())
        (tmp_path / "bank.json").write_text('{"clip": "c", "encoder": "e"}')
        again = read_bank(tmp_path)
        assert again.prompts == self.bank().prompts
        np.testing.assert_array_equal(again.features, self.bank().features)

    def test_no_bank_a_record_without_its_keys_and_damage(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="there is no bank"):
            read_bank(tmp_path / "BANK")
        write_bank(tmp_path, self.bank())
        (tmp_path / "bank.json").write_text("{}")
        with pytest.raises(InputError, match=r"bank\.json has no 'clip'"):
            read_bank(tmp_path)
        (tmp_path / "bank.json").write_text('{"clip": "c", "encoder": "e"}')
        content = bytearray((tmp_path / "bank.npz").read_bytes())
        content[len(content) // 2] ^= 1
        (tmp_path / "bank.npz").write_bytes(content)
        with pytest.raises(InputError, match=r"bank\.npz cannot be read"):
            read_bank(tmp_path)

    def test_arrays_that_do_not_fit_each_other(self) -> None:
        rows = np.eye(3, DIM, dtype=np.float16)
        with pytest.raises(InputError, match="a bank of 2 prompts"):
            Bank(rows, rows, ("a", "b"), "c", "e")
        with pytest.raises(InputError, match="got float32"):
            Bank(rows.astype(np.float32), rows, ("a", "b", "c"), "c", "e")
        with pytest.raises(InputError, match="at least one image"):
            Bank(rows[:0], rows[:0], (), "c", "e")
