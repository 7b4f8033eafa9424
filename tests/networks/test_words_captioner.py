"""The words captioner: its signs, its eyes, and that writing one word at a time is what training learns."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unprompt.errors import ConfigError
from unprompt.networks.cnn_lstm_config import END, PAD, SPECIAL, START, UNKNOWN
from unprompt.networks.words_captioner import RUN, Eyes, Writer, join_signs, split_signs
from unprompt.networks.words_captioner_config import EyesConfig, WordsCaptionerConfig
from unprompt.pocket.grammar import sample_scene

WORDS = ("a", "fox", "red", "cat")
EYES = EyesConfig("tf_efficientnet_lite0", 64, True, 32, 4, WORDS)
CONFIG = WordsCaptionerConfig(EYES, (*SPECIAL, "a", "Fox", ",", "red", "of", "o'clock"), 32)


@pytest.fixture
def writer() -> Writer:
    """One that knows nothing, with all its parameters away from zero."""
    made = Writer(CONFIG).eval()
    random = torch.Generator().manual_seed(0)
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, 0, 0.3, generator=random)
    return made


def seen(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(1)
    maps = torch.randn(images, 4, 32, generator=random)
    return torch.randn(images, 5, len(WORDS), generator=random), maps


def test_signs_by_hand() -> None:
    assert split_signs("Émile's well-lit fox, at 5 o'clock; 3D!") == [
        "Émile's", "well-lit", "fox", ",", "at", "5", "o'clock", ";", "3D", "!",
    ]  # fmt: skip
    assert join_signs(["a", "fox", ",", "asleep", "!"]) == "a fox, asleep!"
    assert join_signs([]) == ""


@given(st.integers(0, 1 << 40))
def test_pocket_prompts_come_back_from_their_signs(seed: int) -> None:
    prompt = sample_scene(seed).prompt
    assert join_signs(split_signs(prompt)) == prompt


def test_writing_follows_what_is_learnt_and_says_no_run_twice(writer: Writer) -> None:
    logits, maps = seen(3)
    signs, likely = writer.write(logits, maps)  # (3, 1, T)
    before = torch.cat([torch.full((3, 1), START), signs[:, 0, :-1]], 1)
    with torch.no_grad():
        whole = writer(logits, maps, before)
    whole[..., [PAD, START, UNKNOWN]] = -torch.inf
    whole = whole.log_softmax(2)
    forbidden = 0
    for image, row in enumerate(signs[:, 0].tolist()):
        said = row[: row.index(END) + 1] if END in row else row
        for step, sign in enumerate(said):
            run = said[max(0, step - RUN + 1) : step]
            ends = {said[at] for at in range(RUN - 1, step) if said[at - RUN + 1 : at] == run}
            order = whole[image, step].argsort(descending=True).tolist()
            assert sign == next(other for other in order if other not in ends)
            forbidden += sign != order[0]
        expected = whole[image, torch.arange(len(said)), said].sum()
        torch.testing.assert_close(likely[image, 0], expected)
    assert forbidden


def test_drawn_captions_come_as_often_as_they_are_likely(writer: Writer) -> None:
    logits, maps = seen(1)
    signs, likely = writer.write(logits, maps, 2000)
    with torch.no_grad():
        first = writer(logits, maps, torch.tensor([[START]]))[0, 0]
    first[[PAD, START, UNKNOWN]] = -torch.inf
    shares = torch.bincount(signs[0, :, 0], minlength=len(first)) / 2000
    torch.testing.assert_close(shares, first.softmax(0), atol=1e-3, rtol=0)
    assert likely.shape == (1, 2000)
    assert (likely < 0).all()


def test_captions_of_an_image_do_not_depend_on_the_others(writer: Writer) -> None:
    logits, maps = seen(4)
    together, _ = writer.write(logits, maps, 5)
    alone, _ = writer.write(logits[2:3], maps[2:3], 5)
    longest = min(together.shape[2], alone.shape[2])
    assert torch.equal(together[2, :, :longest], alone[0, :, :longest])
    assert (together[2, :, longest:] == END).all()


def test_pointers_lead_to_words_as_they_are_split(writer: Writer) -> None:
    none = len(WORDS)
    assert writer.pointed.tolist() == [none] * len(SPECIAL) + [0, 1, none, 2, none, none]


def test_whole_image_is_the_mean_of_its_places() -> None:
    config = EyesConfig("tf_efficientnet_lite0", 64, True, 1280, 4, WORDS)
    eyes = Eyes(config).eval()
    with torch.inference_mode():
        images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        maps = eyes.look(images)
        read = eyes.read(maps)
        torch.testing.assert_close(maps.mean(1), eyes.backbone(images), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(read[:, 0], eyes.words(eyes.backbone(images)), atol=1e-4, rtol=1e-4)
    assert read.shape == (2, 5, len(WORDS))


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="multiple of 4 heads, got 30"):
        WordsCaptionerConfig(EYES, SPECIAL, 30)
    with pytest.raises(ConfigError, match="begins with <pad> <start> <end> <unk>"):
        WordsCaptionerConfig(EYES, ("a", "b"))
    with pytest.raises(ConfigError, match="at least 1"):
        EyesConfig("tf_efficientnet_lite0", 64, True, 32, 0, WORDS)
