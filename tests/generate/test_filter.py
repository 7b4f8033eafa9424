"""`unprompt filter`: which prompts stay, what the files beside them say, and going on after a kill."""

from __future__ import annotations

import csv
import json
import signal
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from tests.processes import run_command, started
from unprompt.cli import main
from unprompt.cli.filter import histogram_lines
from unprompt.datasets import embedded
from unprompt.datasets.embedded import encode_in_steps, read_beside, write_beside
from unprompt.errors import ConfigError, HeldError, InputError, RunError
from unprompt.generate.config import FilterConfig
from unprompt.generate.filter import BINS, filter_prompts, nearest_histogram
from unprompt.generate.pocket_prompts import PocketPrompts
from unprompt.generate.prompts import extend_prompts
from unprompt.networks.minilm import PromptEncoder, encoder_identity
from unprompt.records import Embeddings, Prompts, unit_rows
from unprompt.storage.files import locked, read_embeddings, read_prompts, write_embeddings, write_prompts

TEXTS = {
    "a": "a red fox on a snowy field",
    "b": "a red fox in a snowy field",  # close to a
    "c": "a bowl of ramen, studio photograph",
    "d": "a red fox on a snowy field",  # the very text of a
    "e": "a red fox in a snowy field",  # the very text of b, which goes because of a
    "f": "an astronaut riding a horse",
    "g": "a photograph of a lighthouse at night",
}


@pytest.fixture(scope="module")
def encoder() -> PromptEncoder:
    return PromptEncoder.load()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.csv"
    rows = [f'{image_id},"{text}",by hand,{n}' for n, (image_id, text) in enumerate(TEXTS.items())]
    path.write_text("imgId,prompt,source,seed\n" + "\n".join(rows) + "\n")
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


class TestWhatStays:
    def test_the_first_of_every_group(self, source: Path, tmp_path: Path) -> None:
        result = filter_prompts(source, tmp_path / "kept.csv", FilterConfig())
        assert read_prompts(tmp_path / "kept.csv").ids == ("a", "c", "f", "g")
        assert (result.read, result.kept, result.duplicates, result.near_duplicates) == (7, 4, 2, 1)
        assert rows_of(tmp_path / "kept.csv")[1] == {
            "imgId": "c",
            "prompt": TEXTS["c"],
            "source": "by hand",
            "seed": "2",
        }

    def test_what_was_dropped_because_of_what(
        self, source: Path, tmp_path: Path, encoder: PromptEncoder
    ) -> None:
        filter_prompts(source, tmp_path / "kept.csv", FilterConfig())
        dropped = rows_of(tmp_path / "kept.dropped.csv")
        cosine = float(np.prod(encoder.encode([TEXTS["a"], TEXTS["b"]]).astype(float), axis=0).sum())
        assert 0.95 < cosine < 1
        assert [(row["imgId"], row["closeToId"], row["closeToPrompt"]) for row in dropped] == [
            (image_id, "a", TEXTS["a"]) for image_id in "bde"
        ]
        assert [float(row["cosine"]) for row in dropped] == pytest.approx([cosine, 1, cosine], abs=2e-6)
        assert {row["closeToList"] for row in dropped} == {"prompts.csv"}

    def test_embeddings_of_the_kept_stay_beside_them(
        self, source: Path, tmp_path: Path, encoder: PromptEncoder
    ) -> None:
        out = tmp_path / "kept.csv"
        filter_prompts(source, out, FilterConfig())
        kept = read_prompts(out)
        np.testing.assert_allclose(
            read_embeddings(tmp_path / "kept.npz").at(kept.ids).vectors, encoder.encode(kept.texts), atol=1e-6
        )
        again = filter_prompts(out, tmp_path / "again.csv", FilterConfig())
        assert (again.encoded, again.kept) == (0, 4)

    def test_against_another_list(self, source: Path, tmp_path: Path) -> None:
        held_out = tmp_path / "held_out.txt"
        held_out.write_text("a dog\nA lighthouse at night, photograph.\n")
        (tmp_path / "dogs.txt").write_text("a dog\n")
        dogs = tmp_path / "dogs.txt"
        config = FilterConfig(threshold=0.9, against=(dogs, dogs, held_out))
        result = filter_prompts(source, tmp_path / "kept.csv", config)
        assert result.by_against == 1
        assert read_prompts(tmp_path / "kept.csv").ids == ("a", "c", "f")
        last = rows_of(tmp_path / "kept.dropped.csv")[-1]
        assert (last["imgId"], last["closeToList"], last["closeToId"]) == (
            "g",
            "held_out.txt",
            "held_out-0000001",
        )
        assert last["closeToPrompt"] == "A lighthouse at night, photograph."

    def test_lower_thresholds_keep_less(self, source: Path, tmp_path: Path) -> None:
        kept = [
            filter_prompts(source, tmp_path / f"{threshold}.csv", FilterConfig(threshold=threshold)).kept
            for threshold in (1.0, 0.95, 0.01)
        ]
        assert kept[:2] == [5, 4]
        assert kept[2] < 3

    def test_other_kinds_of_lists(self, tmp_path: Path) -> None:
        (tmp_path / "list.txt").write_text("a cat\n\na dog\na cat\n")
        assert filter_prompts(tmp_path / "list.txt", tmp_path / "k.csv", FilterConfig()).kept == 2
        assert read_prompts(tmp_path / "k.csv").ids == ("list-0000000", "list-0000002")
        pl.DataFrame({"text": ["a cat", "a dog"]}).write_parquet(tmp_path / "list.parquet")
        config = FilterConfig(column="text")
        assert filter_prompts(tmp_path / "list.parquet", tmp_path / "p.csv", config).kept == 2

    def test_other_lists_need_not_have_the_column(self, source: Path, tmp_path: Path) -> None:
        (tmp_path / "mine.csv").write_text("imgId,words\nx,a bowl of ramen\ny,a blue door\n")
        (tmp_path / "both.csv").write_text("prompt,words\na blue door,a green door\n")
        (tmp_path / "lines.txt").write_text("a blue door\n")
        (tmp_path / "DATASET" / "images").mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "DATASET" / "images" / "1.png")
        write_prompts(tmp_path / "DATASET" / "prompts.csv", Prompts(("1",), ("a blue door",)))
        for name, kept in (
            ("prompts.csv", ("x", "y")),
            ("both.csv", ("x", "y")),
            ("lines.txt", ("x",)),
            ("DATASET", ("x",)),
        ):
            config = FilterConfig(column="words", against=(tmp_path / name,), overwrite=True)
            filter_prompts(tmp_path / "mine.csv", tmp_path / "kept.csv", config)
            assert read_prompts(tmp_path / "kept.csv").ids == kept
        (tmp_path / "none.csv").write_text("text\na blue door\n")
        with pytest.raises(InputError, match=r"none\.csv.*prompt"):
            filter_prompts(
                tmp_path / "mine.csv",
                tmp_path / "no.csv",
                FilterConfig(column="words", against=(tmp_path / "none.csv",)),
            )

    def test_given_embeddings_are_taken(self, source: Path, tmp_path: Path) -> None:
        ids = tuple(reversed(TEXTS))
        vectors = unit_rows(np.eye(len(ids), 384))
        vectors[ids.index("g")] = vectors[ids.index("c")]
        write_embeddings(tmp_path / "e.npz", Embeddings(ids, vectors))
        result = filter_prompts(source, tmp_path / "kept.csv", FilterConfig(embeddings=tmp_path / "e.npz"))
        assert result.encoded == 0
        kept = read_prompts(tmp_path / "kept.csv")
        assert kept.ids == ("a", "b", "c", "f")
        assert read_embeddings(tmp_path / "kept.npz").ids == kept.ids
        # What `render` would take for the prompts' own must be the encoder's.
        assert read_beside(tmp_path / "kept.csv", kept, encoder_identity()) is None


class TestErrors:
    def test_bad_input(self, source: Path, tmp_path: Path) -> None:
        for config in (FilterConfig(), FilterConfig(against=(source,))):
            with pytest.raises(InputError, match=r"prompts\.csv is to be read, and would be replaced"):
                filter_prompts(source if not config.against else tmp_path / "x.csv", source, config)
        for config, out in (
            (FilterConfig(embeddings=tmp_path / "kept.npz", overwrite=True), "kept.csv"),
            (FilterConfig(against=(tmp_path / "kept.dropped.csv",)), "kept.csv"),
        ):
            with pytest.raises(InputError, match=r"kept\.\S+ is to be read, and would be replaced; name"):
                filter_prompts(source, tmp_path / out, config)
        with pytest.raises(InputError, match="must end in"):
            filter_prompts(source, tmp_path / "kept.txt", FilterConfig())
        with pytest.raises(InputError, match="does not exist"):
            filter_prompts(tmp_path / "no.csv", tmp_path / "kept.csv", FilterConfig())
        with pytest.raises(InputError, match="does not exist"):
            filter_prompts(source, tmp_path / "kept.csv", FilterConfig(against=(tmp_path / "no.csv",)))
        with pytest.raises(ConfigError, match="threshold"):
            FilterConfig(threshold=95)
        write_embeddings(tmp_path / "e.npz", Embeddings(("a",), unit_rows(np.ones((1, 384)))))
        with pytest.raises(InputError, match=r"e\.npz: 4 of 5 images have no embedding, first: b; name"):
            filter_prompts(source, tmp_path / "kept.csv", FilterConfig(embeddings=tmp_path / "e.npz"))
        assert not (tmp_path / "kept.csv").exists()
        assert not (tmp_path / ".kept.csv.work").exists()

    def test_another_list_is_replaced_only_where_that_is_asked(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "written" / "by_hand.csv"
        out.parent.mkdir()
        out.write_text("imgId,prompt\n1,weeks of work\n")
        with pytest.raises(RunError, match=r"by_hand\.csv is there already; add --overwrite to replace it"):
            filter_prompts(source, out, FilterConfig())
        assert [path.name for path in out.parent.iterdir()] == ["by_hand.csv"]
        assert out.read_text().endswith("weeks of work\n")
        filter_prompts(source, out, FilterConfig(overwrite=True))
        assert read_prompts(out).ids == ("a", "c", "f", "g")

    def test_unfinished_work_of_another_command_stays(self, source: Path, tmp_path: Path) -> None:
        out = tmp_path / "p.csv"
        with pytest.raises(RunError, match="in a row gave no new prompt"):
            extend_prompts(out, PocketPrompts(), 3, patience=0)
        rows = tmp_path / ".p.csv.work" / "rows.csv"
        before = rows.read_bytes()
        with pytest.raises(RunError, match=r"p\.csv was begun as a list of new prompts, not as a filtered"):
            filter_prompts(source, out, FilterConfig())
        assert rows.read_bytes() == before
        filter_prompts(source, out, FilterConfig(overwrite=True))
        assert not rows.parent.exists()

    def test_two_at_once_do_not_mix(self, source: Path, tmp_path: Path) -> None:
        work, out = tmp_path / ".kept.csv.work", tmp_path / "kept.csv"
        work.mkdir()
        with locked(work / "lock", out), pytest.raises(HeldError, match="another unprompt is writing"):
            filter_prompts(source, out, FilterConfig())


class TestEmbeddingInSteps:
    def test_what_is_done_is_not_done_again(
        self, tmp_path: Path, encoder: PromptEncoder, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("unprompt.datasets.embedded.STEP", 3)
        texts = [f"{n} birds" for n in range(8)]
        first = encode_in_steps(encoder, texts[:6], tmp_path)
        assert len(list(tmp_path.iterdir())) == 2
        encoded: list[int] = []
        encode = encoder.encode
        monkeypatch.setattr(encoder, "encode", lambda step: (encoded.append(len(step)), encode(step))[1])
        seen: list[int] = []
        whole = encode_in_steps(encoder, texts, tmp_path, lambda step, done, total: seen.append(done))
        assert encoded == [2]
        assert seen == [3, 6, 8]
        np.testing.assert_array_equal(whole[:6], first)
        np.testing.assert_allclose(whole, encode(texts), atol=1e-6)

    def test_kept_embeddings_are_of_these_texts_and_this_encoder_only(self, tmp_path: Path) -> None:
        prompts = Prompts(("1", "2"), ("one", "two"))
        vectors = unit_rows(np.eye(2, 384))
        path = tmp_path / "kept.csv"
        assert read_beside(path, prompts, "x") is None
        write_beside(path, prompts, vectors, "x")
        np.testing.assert_array_equal(read_beside(path, prompts, "x"), vectors)
        assert read_beside(path, prompts, "y") is None
        assert read_beside(path, Prompts(("1", "2"), ("one", "three")), "x") is None
        assert read_beside(path, Prompts(("2", "1"), ("one", "two")), "x") is None
        assert read_beside(path, Prompts(("1",), ("one",)), "x") is None
        write_embeddings(tmp_path / "kept.npz", Embeddings(prompts.ids, vectors))
        assert read_beside(path, prompts, "x") is None
        (tmp_path / "kept.npz").write_bytes(b"PK broken")
        with pytest.raises(InputError, match=r"kept\.npz cannot be read"):
            read_beside(path, prompts, "x")


class TestHistogram:
    def test_counts_by_hand(self) -> None:
        vectors = unit_rows(np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 0, 1]]))
        histogram = nearest_histogram(vectors)
        assert histogram.sampled == 3
        assert histogram.counts[0] == 1  # the third is at right angles to both
        assert histogram.counts[12] == 2  # 0.6
        assert nearest_histogram(vectors[:1]).counts == (0,) * BINS

    def test_the_lines_show_before_and_after(self, source: Path, tmp_path: Path) -> None:
        result = filter_prompts(source, tmp_path / "kept.csv", FilterConfig())
        lines = histogram_lines(result)
        assert len(lines) >= 4
        last = next(line for line in lines if "0.95 to 1.00" in line)
        assert last.split()[3] == "40.0%"  # a and b of five different prompts
        assert last.split()[-1] == "0.0%"


STEP = 16  # texts between two saves


def run_in_small_steps(arguments: list[str], output: Path) -> None:
    embedded.STEP = STEP
    run_command(arguments, output)


class TestCommand:
    def test_prints_counts_and_writes_the_record(
        self, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["filter", str(source), "--out", str(tmp_path / "kept.csv")]) == 0
        said = capsys.readouterr().out
        assert "7 prompts" in said
        assert "4 kept, 2 exact duplicates and 1 near-duplicate (cosine >= 0.95) dropped" in said
        assert "0.95 to 1.00" in said
        assert main(["filter", str(source), "--out", str(tmp_path / "kept.csv"), "--json"]) == 1
        assert "kept.csv is there already; add --overwrite" in capsys.readouterr().err
        assert (
            main(["filter", str(source), "--out", str(tmp_path / "kept.csv"), "--json", "--overwrite"]) == 0
        )
        numbers = json.loads(capsys.readouterr().out)
        assert (numbers["read"], numbers["kept"]) == (7, 4)
        record = json.loads((tmp_path / "kept.csv.json").read_text())
        assert record["threshold"] == 0.95
        assert record["kept"] == 4

    @pytest.mark.slow
    def test_killed_and_called_again_ends_with_the_same_bytes(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("unprompt.datasets.embedded.STEP", STEP)
        texts = tuple(
            f"{n} {what} in the style of {who}"
            for n in range(4)
            for what in ("cats", "dogs", "owls")
            for who in ("Monet", "Dali", "Bosch", "Klee", "Miro", "Kahlo", "Goya", "Hals", "Dürer", "Turner")
        )
        write_prompts(tmp_path / "p.csv", Prompts(tuple(str(n) for n in range(len(texts))), texts))
        given = ["filter", str(tmp_path / "p.csv"), "--out"]
        assert main([*given, str(tmp_path / "whole" / "kept.csv")]) == 0
        out = tmp_path / "killed" / "kept.csv"
        with started(run_in_small_steps, [*given, str(out)], tmp_path / "printed.txt") as process:
            deadline = time.monotonic() + 240
            while not list(tmp_path.glob("killed/.kept.csv.work/*.npz")) and time.monotonic() < deadline:
                assert process.exitcode is None
                time.sleep(0.002)
        assert process.exitcode == -signal.SIGKILL
        assert not out.exists()
        assert main([*given, str(out)]) == 0
        whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
        killed = {path.name: path.read_bytes() for path in (tmp_path / "killed").iterdir()}
        assert killed == whole
        assert set(whole) == {"kept.csv", "kept.npz", "kept.csv.json", "kept.dropped.csv"}
