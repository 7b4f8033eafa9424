"""GPT-2 as a writer of prompts, on a tiny random model in the files of a real one."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny_gpt2 import END, load, write_tiny_gpt2
from unprompt.cli import build_parser
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import CheckpointError, ConfigError, RunError
from unprompt.generate.config import Gpt2Config
from unprompt.generate.gpt2 import NOTHING_NEW, Gpt2Prompts
from unprompt.generate.language_model import choose_tokens, token_probabilities, write_on
from unprompt.generate.prompts import Draft, extend_prompts
from unprompt.networks.checkpoints import folder_of
from unprompt.networks.gpt2_checkpoint import LAYOUT, load_model, model_sha256
from unprompt.text.cleaning import is_whole

STARTS = ("A picture of", "A red", "The old castle near the mountain with a golden")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_gpt2(tmp_path_factory.mktemp("tiny-gpt2"))


def engine(folder: Path, **settings: Any) -> Gpt2Prompts:
    return Gpt2Prompts.load(
        Gpt2Config(**{"model": str(folder), "batch": 8, "max_tokens": 20, **settings}), "cpu"
    )


def drafts(folder: Path, count: int, start: int = 0, **settings: Any) -> list[Draft]:
    return list(islice(engine(folder, **settings).drafts(start), count))


# --- sampling


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.7, 50, 1.0), (1.3, 0, 0.9), (0.9, 40, 0.8), (1.0, 1, 0.5)],
)
def test_the_probabilities_are_those_of_transformers(temperature: float, top_k: int, top_p: float) -> None:
    from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    logits = torch.from_numpy(np.random.default_rng(0).normal(0, 3, (5, 400)).astype(np.float32))
    probabilities, tokens = token_probabilities(
        logits, Gpt2Config(temperature=temperature, top_k=top_k, top_p=top_p)
    )
    ours = torch.zeros_like(logits).scatter(1, tokens, probabilities)
    theirs = TemperatureLogitsWarper(temperature)(None, logits)
    theirs = TopKLogitsWarper(top_k)(None, theirs) if top_k else theirs
    theirs = TopPLogitsWarper(top_p)(None, theirs) if top_p < 1 else theirs
    torch.testing.assert_close(ours, theirs.softmax(-1), atol=1e-6, rtol=1e-5)


def test_a_number_chooses_the_token_whose_share_it_falls_into() -> None:
    probabilities = torch.tensor([[0.5, 0.25, 0.25, 0.0]]).expand(7, 4)
    tokens = torch.tensor([[7, 3, 9, 1]]).expand(7, 4)
    numbers = torch.tensor([0.0, 0.499, 0.5, 0.749, 0.75, 0.999, 1.0])
    assert choose_tokens(probabilities, tokens, numbers).tolist() == [7, 7, 3, 3, 9, 9, 9]


def test_first_tokens_come_as_often_as_the_model_says(tiny: Path) -> None:
    """Chi-squared over 4,000 texts against transformers' softmax; the seeds are fixed, so is the answer."""
    count = 4000
    model, tokenizer = load(tiny)
    start = tokenizer.encode("A picture of")
    with torch.inference_mode():
        probabilities = model(torch.tensor([start])).logits[0, -1].softmax(-1).numpy()
    draws = np.stack(
        [np.random.default_rng(derive_seed(0, "gpt2", n)).random(1, dtype=np.float32) for n in range(count)]
    )
    config = Gpt2Config(top_k=0, top_p=1.0)
    written = write_on(model, [start] * count, draws, config, lambda row, tokens: False)
    times = Counter(tokens[0] if tokens else model.config.eos_token_id for tokens in written)
    expected = count * probabilities
    common = np.flatnonzero(expected >= 5)
    observed = np.array([times[token] for token in common] + [count - sum(times[token] for token in common)])
    wanted = np.append(expected[common], count - expected[common].sum())
    chi_squared = float(((observed - wanted) ** 2 / wanted).sum())
    freedom = len(common)
    assert freedom > 15
    assert abs(chi_squared - freedom) < 4 * np.sqrt(2 * freedom)


def test_every_token_is_that_of_the_whole_text_read_anew(tiny: Path) -> None:
    """Against a plain loop: one text at a time, no cache, no padding, each token by its own number."""
    model, tokenizer = load(tiny)
    starts = [tokenizer.encode(STARTS[row % 3]) for row in range(12)]
    draws = np.random.default_rng(2).random((12, 40), dtype=np.float32)
    config = Gpt2Config(temperature=1.2)
    written = write_on(model, starts, draws, config, lambda row, tokens: False)
    assert max(map(len, written)) == 40
    for start, tokens, numbers in zip(starts, written, torch.from_numpy(draws), strict=True):
        with torch.inference_mode():
            logits = model(torch.tensor([start + tokens])).logits[0, len(start) - 1 :][:40]
        chosen = choose_tokens(*token_probabilities(logits, config), numbers[: len(logits)]).tolist()
        assert chosen == [*tokens, model.config.eos_token_id][:40]


def test_a_low_temperature_is_transformers_greedy_decoding(tiny: Path) -> None:
    """With starts of different lengths in one batch, against one at a time by `generate`."""
    model, tokenizer = load(tiny)
    starts = [tokenizer.encode(start) for start in STARTS]
    draws = np.random.default_rng(0).random((3, 20), dtype=np.float32)
    written = write_on(model, starts, draws, Gpt2Config(temperature=1e-4), lambda row, tokens: False)
    for start, tokens in zip(starts, written, strict=True):
        theirs = model.generate(
            torch.tensor([start]),
            attention_mask=torch.ones(1, len(start)),
            do_sample=False,
            max_new_tokens=20,
            pad_token_id=0,
        )[0, len(start) :].tolist()
        if model.config.eos_token_id in theirs:
            theirs = theirs[: theirs.index(model.config.eos_token_id)]
        assert tokens == theirs


def test_a_row_ends_at_the_end_mark_and_where_it_is_told_to(tiny: Path) -> None:
    model, tokenizer = load(tiny)
    start = tokenizer.encode("A picture of")
    draws = np.random.default_rng(1).random((16, 30), dtype=np.float32)
    config = Gpt2Config(top_k=0)
    free = write_on(model, [start] * 16, draws, config, lambda row, tokens: False)
    assert len({len(tokens) for tokens in free}) > 3
    assert max(map(len, free)) == 30
    assert model.config.eos_token_id not in {token for tokens in free for token in tokens}
    told = write_on(model, [start] * 16, draws, config, lambda row, tokens: len(tokens) > row)
    assert told == [tokens[: row + 1] for row, tokens in enumerate(free)]


# --- the stream of drafts


def test_drafts_have_their_numbers_seeds_and_starts(tiny: Path) -> None:
    made = drafts(tiny, 30, starts=STARTS, seed=5)
    assert [draft.number for draft in made] == list(range(30))
    assert [draft.image_id for draft in made][:2] == ["gpt2-5-0000000", "gpt2-5-0000001"]
    assert [draft.seed for draft in made] == [derive_seed(5, "gpt2", n) for n in range(30)]
    assert {draft.source for draft in made} == {"gpt2"}
    good = [draft for draft in made if not draft.rejected]
    assert len(good) > 15
    for draft in good:
        start = STARTS[draft.number % 3]
        assert draft.text.startswith(start) or start.startswith(draft.text)
    assert len({draft.text for draft in good}) > 12


def test_the_same_seed_gives_the_same_texts_and_another_seed_others(tiny: Path) -> None:
    first, again, other = (drafts(tiny, 16, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert sum(a.text == b.text for a, b in zip(first, other, strict=True)) < 3


@pytest.mark.parametrize("start", [1, 7, 8, 13])
def test_the_stream_can_be_entered_anywhere(tiny: Path, start: int) -> None:
    assert drafts(tiny, 20 - start, start=start) == drafts(tiny, 20)[start:]


def test_a_batch_holds_the_same_texts_wherever_the_stream_is_entered(tiny: Path) -> None:
    """Else another shape would round another way, and in a long stream a token would differ."""
    first: list[list[list[int]]] = []
    for start in (8, 13):
        writer = engine(tiny, starts=STARTS)
        seen: list[Any] = []
        writer._model.register_forward_pre_hook(
            lambda module, arguments, named, seen=seen: seen.append(named["input_ids"].tolist()),
            with_kwargs=True,
        )
        next(writer.drafts(start))
        first.append(seen[0])
    assert first[0] == first[1]
    assert len(first[0]) == 8


def test_a_text_can_be_made_again_alone(tiny: Path) -> None:
    """Neighbours, padding and their leaving the batch have no influence beyond rounding."""
    together = engine(tiny, starts=STARTS, batch=24, max_tokens=40)
    for draft in together.write(range(24)):
        assert engine(tiny, starts=STARTS, max_tokens=40).write([draft.number]) == [draft]


def test_rows_that_are_done_leave_the_batch(tiny: Path) -> None:
    """The model is asked for fewer rows once half of them have ended."""
    writer = engine(tiny, batch=32, max_tokens=40)
    sizes: list[int] = []
    hook = writer._model.register_forward_pre_hook(
        lambda module, arguments, named: sizes.append(named["input_ids"].shape[0]), with_kwargs=True
    )
    writer.write(range(32))
    hook.remove()
    assert sizes[0] == 32
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] <= 8
    assert len(sizes) <= 40


def test_writing_stops_after_the_first_sentence(tiny: Path) -> None:
    writer = engine(tiny, max_tokens=60)
    steps: list[int] = []
    writer._model.register_forward_pre_hook(lambda module, arguments: steps.append(1))
    made = writer.write(range(8))
    assert len(steps) < 60
    assert not any(is_whole(draft.text) for draft in made)
    assert all(draft.text[-1] not in ".," for draft in made if not draft.rejected)


def test_a_model_that_only_stops_gives_nothing_new(tmp_path: Path) -> None:
    folder = write_tiny_gpt2(tmp_path, stops=30.0)
    made = drafts(folder, 16)
    assert {draft.rejected for draft in made} == {NOTHING_NEW}
    with pytest.raises(RunError, match=r"32 drafts in a row gave no new prompt, .*32 nothing new"):
        extend_prompts(tmp_path / "prompts.csv", engine(folder), 5, patience=32)


def test_the_file_is_the_same_in_steps_and_at_once(tiny: Path, tmp_path: Path) -> None:
    for count in (10, 11, 30):
        extend_prompts(tmp_path / "steps.csv", engine(tiny, starts=STARTS), count)
    extend_prompts(tmp_path / "once.csv", engine(tiny, starts=STARTS), 30)
    assert (tmp_path / "steps.csv").read_bytes() == (tmp_path / "once.csv").read_bytes()
    assert (tmp_path / "steps.csv.json").read_bytes() == (tmp_path / "once.csv.json").read_bytes()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"starts": ("A view of",)}, {"top_k": 3}, {"batch": 4}, {"temperature": 0.5}]
)
def test_every_setting_is_part_of_the_stream(tiny: Path, change: dict[str, Any]) -> None:
    assert engine(tiny, **change).settings() != engine(tiny).settings()
    json.dumps(engine(tiny, **change).settings())


def test_the_folders_place_is_no_setting_but_its_content_is(tiny: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(tiny, tmp_path / "moved"))
    assert engine(moved).settings() == engine(tiny).settings()
    other = write_tiny_gpt2(tmp_path / "other", seed=1)
    assert engine(other).settings() != engine(tiny).settings()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"starts": ("A picture of a cat. A picture of",)}, "holds a whole sentence"),
        ({"max_tokens": 127}, "has 3 tokens; with 127 to be written, this model takes 1"),
    ],
)
def test_starts_that_cannot_be_written_on(tiny: Path, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        engine(tiny, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"starts": ()}, "at least one word"),
        ({"starts": ("A picture of", " \n")}, "at least one word"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"temperature": float("nan")}, "temperature must be above 0"),
        ({"top_p": 0.0}, "top_p must be above 0"),
        ({"top_p": 1.1}, "at most 1"),
        ({"top_k": -1}, "top_k must be at least 0"),
        ({"batch": 0}, "batch must be at least 1"),
        ({"max_tokens": 0}, "max_tokens must be at least 1"),
    ],
)
def test_settings_check_themselves(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Gpt2Config(**settings)


def test_scores_that_are_not_finite_are_an_error(tiny: Path) -> None:
    writer = engine(tiny)
    writer._model.transformer.ln_f.bias.data[0] = float("nan")
    with pytest.raises(RunError, match=r"not finite in torch\.float32"):
        writer.write(range(2))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_half_precision_on_a_gpu(tiny: Path) -> None:
    config = Gpt2Config(model=str(tiny), starts=STARTS, batch=8, max_tokens=20)
    first, again = (list(islice(Gpt2Prompts.load(config, "cuda").drafts(0), 16)) for _ in range(2))
    assert first == again
    settings = Gpt2Prompts.load(config, "cuda").settings()
    assert (settings["dtype"], settings["device"]) == ("float16", "cuda")


# --- the checkpoint


def copy(tiny: Path, folder: Path, without: str = "") -> Path:
    return Path(shutil.copytree(tiny, folder / "model", ignore=shutil.ignore_patterns(without)))


def test_other_forms_of_the_same_checkpoint(tiny: Path, tmp_path: Path) -> None:
    """The base model's names as in OpenAI's file, shards, a .bin, a tokenizer.json: the same drafts."""
    from transformers import GPT2LMHeadModel

    wanted = [draft.text for draft in drafts(tiny, 8)]
    model, tokenizer = load(tiny)
    forms = {
        name: copy(tiny, tmp_path / name, "model.safetensors") for name in ("base", "shards", "bin", "json")
    }
    model.transformer.save_pretrained(forms["base"])
    model.save_pretrained(forms["shards"], max_shard_size="50KB")
    torch.save(model.state_dict(), forms["bin"] / "pytorch_model.bin")
    GPT2LMHeadModel.save_pretrained(model, forms["json"])
    tokenizer.save_pretrained(forms["json"])
    (forms["json"] / "vocab.json").unlink()
    assert len(list(forms["shards"].glob("model-*.safetensors"))) > 1
    for folder in forms.values():
        assert [draft.text for draft in drafts(folder, 8)] == wanted
    assert len({model_sha256(folder) for folder in forms.values()}) == 4


@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("config.json", "has no config.json, so it is no model folder"),
        ("model.safetensors", r"has no weights \(model.safetensors or "),
        ("vocab.json", r"has no vocab.json; .*tokenizer is tokenizer.json, or vocab.json and merges.txt"),
        ("merges.txt", "has no merges.txt"),
    ],
)
def test_a_missing_file_is_named(tiny: Path, tmp_path: Path, missing: str, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        engine(copy(tiny, tmp_path, missing))


def test_another_model_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(CheckpointError, match="holds a model of the type 'bert', not 'gpt2'"):
        engine(folder)


def test_damaged_files_are_refused(tiny: Path, tmp_path: Path) -> None:
    weights = (tiny / "model.safetensors").read_bytes()
    for name, content in {
        "model.safetensors": weights[: len(weights) // 2],
        "vocab.json": b'{"a": ',
        "merges.txt": b"#version: 0.2\n\xff\xfe\n",
    }.items():
        folder = copy(tiny, tmp_path / name)
        (folder / name).write_bytes(content)
        with pytest.raises(CheckpointError, match=r"cannot be loaded \(.*\); get it again") as caught:
            engine(folder)
        assert "\n" not in str(caught.value)


def test_weights_that_lack_a_tensor_are_refused(tiny: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = copy(tiny, tmp_path)
    tensors = load_file(folder / "model.safetensors")
    del tensors["transformer.h.1.mlp.c_fc.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lack 1 tensor of a GPT-2, first: .*h\.1\.mlp\.c_fc\.weight"):
        load_model(folder, "float32")


def test_a_tokenizer_of_another_checkpoint_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = copy(tiny, tmp_path)
    vocabulary = json.loads((folder / "vocab.json").read_text())
    vocabulary |= {f"more{number}": len(vocabulary) + number for number in range(5)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    with pytest.raises(CheckpointError, match="the tokenizer has 400 tokens, the model 395"):
        engine(folder)
    assert END in vocabulary


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(
        CheckpointError,
        match=r"'gpt2' .* not found .*; unprompt checkpoints fetch gpt2 \(549\.6 MB\), .*-gpt2'.*--model",
    ):
        folder_of("gpt2", LAYOUT)
    with pytest.raises(CheckpointError, match=re.escape("no model folder 'nowhere/gpt2', and no checkpoint")):
        folder_of("nowhere/gpt2", LAYOUT)


def test_the_declared_checkpoint_is_found_and_checked(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of that name with other weights is not taken for OpenAI's."""
    shutil.copytree(tiny, tmp_path / "gpt2")
    monkeypatch.setenv("UNPROMPT_CHECKPOINTS", str(tmp_path))
    with pytest.raises(CheckpointError, match=r"bytes, the checkpoint 'gpt2' has "):
        folder_of("gpt2", LAYOUT)


# --- the command


def test_the_command(tiny: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "starts.txt").write_text("A painting of\n\nA street with\n")
    out = tmp_path / "prompts.csv"
    arguments = ["prompts", "--out", str(out), "--count", "12", "--engine", "gpt2", "--model", str(tiny)]
    arguments += ["--start", "A red", "--starts-file", str(tmp_path / "starts.txt"), "--batch", "6"]
    arguments += ["--top-k", "30", "--device", "cpu"]
    options = build_parser(["prompts"]).parse_args(arguments)
    options.run(options)
    record = json.loads((tmp_path / "prompts.csv.json").read_text())
    assert record["plan"]["starts"] == ["A red", "A painting of", "A street with"]
    assert (record["plan"]["top_k"], record["plan"]["top_p"]) == (30, Gpt2Config.top_p)
    rows = out.read_text().splitlines()
    assert rows[0] == "imgId,prompt,source,seed"
    assert len(rows) == 13
    assert all(
        re.fullmatch(r"gpt2-0-\d{7},A (red|painting of|street with)[^,]*.*,gpt2,\d+", row) for row in rows[1:]
    )
    assert "12 prompts, 12 of them new, from" in capsys.readouterr().out
