"""The fast text tower and its tokens, against open_clip's own tokenizer and encode_text."""

from __future__ import annotations

from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tiny_clip import tiny_clip, tiny_config
from unprompt.networks import text_tower
from unprompt.networks.text_tower import CausalTower, TextTower, Trie
from unprompt.networks.tokens import Tokens, is_plain
from unprompt.storage.packages import package_folder

LONG = "an oil painting of a lighthouse on a cliff above a stormy sea, by nobody, highly detailed, " * 6
TEXTS = (
    "",
    "  ",
    "cat",
    "a cat",
    "a cat on a mat",
    "a cat",
    "by Zdzisław Beksiński",
    "5 &amp; 6",
    "it's a “quote” … ﬁne",
    "naïve \u00c3\u00a9 caf\u00e9\tand\nlines",
    "a <end_of_text> b",
    "<start_of_text>",
    LONG,
    LONG + "and one more",
    "!!! ,,, !,!",
)
PREFIXES = ("a cat", "a cat!", "wow ...", "", "café", "&amp", LONG, LONG[:230], "x <end_of_text> y", "tail ")


@cache
def tokenizer(context: int = 77, clean: str = "lower") -> Any:
    return open_clip.SimpleTokenizer(context_length=context, clean=clean)


@cache
def tokens() -> Tokens:
    return Tokens(tokenizer(), 77)


@cache
def model(**settings: Any) -> Any:
    return tiny_clip(**settings)


def reference(network: Any, texts: list[str]) -> Any:
    with torch.inference_mode():
        return network.encode_text(tokenizer()(texts), normalize=True)


def padded(rows: list[list[int]], context: int = 77) -> list[list[int]]:
    return [row + [0] * (context - len(row)) for row in rows]


def phrase_lists() -> list[str]:
    """All of clip-interrogator's phrases, the artists in its two wordings."""
    folder = package_folder("clip_interrogator")
    if folder is None:
        pytest.skip("clip-interrogator is not installed")
    lists = {
        path.stem: path.read_text(encoding="utf-8", errors="replace").splitlines()
        for path in sorted(Path(folder / "data").glob("*.txt"))
    }
    names = lists.pop("artists")
    artists = [f"{word} {name}" for word in ("by", "inspired by") for name in names]
    return artists + [phrase.strip() for phrases in lists.values() for phrase in phrases]


class TestTokens:
    @pytest.mark.parametrize("clean", ["lower", "whitespace", "canonicalize"])
    @pytest.mark.parametrize("context", [77, 16])
    def test_ids_are_the_tokenizers(self, clean: str, context: int) -> None:
        own = tokenizer(context, clean)
        assert padded(Tokens(own, context).rows(TEXTS), context) == own(list(TEXTS)).tolist()

    @settings(max_examples=100, deadline=None)
    @given(st.text(max_size=40) | st.text("ab &;#x38'’\t,.!é\u00a0İ", max_size=30))
    def test_any_text(self, text: str) -> None:
        assert padded(tokens().rows([text])) == tokenizer()([text]).tolist()

    @settings(max_examples=200, deadline=None)
    @given(st.text("abeinst", min_size=1, max_size=24))
    def test_any_word(self, word: str) -> None:
        assert padded(tokens().rows([word])) == tokenizer()([word]).tolist()

    @settings(max_examples=100, deadline=None)
    @given(*2 * [st.text("ab &;3'’\t,.!é\u00a0", max_size=20) | st.text(max_size=20)])
    def test_any_continuation(self, prefix: str, phrase: str) -> None:
        _, rows = tokens().continued(prefix, [phrase, "b"])
        assert padded(rows) == tokenizer()([f"{prefix}, {phrase}", f"{prefix}, b"]).tolist()

    @pytest.mark.parametrize("prefix", PREFIXES)
    def test_continuations(self, prefix: str) -> None:
        shared, rows = Tokens(tokenizer(), 77).continued(prefix, TEXTS)
        assert padded(rows) == tokenizer()([f"{prefix}, {text}" for text in TEXTS]).tolist()
        assert len(shared) < 77
        assert sum(row[: len(shared)] == shared for row in rows) > len(rows) / 2

    def test_some_of_clip_interrogators_phrases(self) -> None:
        texts = phrase_lists()[::97]
        assert padded(Tokens(tokenizer(), 77).rows(texts)) == tokenizer()(texts).tolist()

    @pytest.mark.slow
    def test_all_of_clip_interrogators_phrases(self) -> None:
        """Those that need no mending by hundreds: no piece of a text reaches over the space between two."""
        texts = phrase_lists()
        assert len(texts) > 100_000
        own, encode = Tokens(tokenizer(), 1 << 16), tokenizer().encode
        plain = [text for text in texts if is_plain(text)]
        for start in range(0, len(plain), 100):
            some = plain[start : start + 100]
            ids = [row[1:-1] for row in own.rows(some)]
            assert list(chain.from_iterable(ids)) == encode(" ".join(some))
        others = [text for text in texts if not is_plain(text)]
        assert [row[1:-1] for row in own.rows(others)] == [encode(text) for text in others]


def ways(trie: Trie) -> list[list[int]]:
    """The nodes on the way to each node, itself last."""
    return [[node for node in range(last + 1) if last < trie.stops[node]] for last in range(len(trie.ids))]


class TestTrie:
    def test_by_hand(self) -> None:
        trie = Trie.of([[1, 2, 9], [1, 2, 9], [1, 9], [3, 9]])
        assert trie.ids.tolist() == [1, 2, 9, 9, 3, 9]
        assert trie.depths.tolist() == [0, 1, 2, 1, 0, 1]
        assert trie.stops.tolist() == [4, 3, 3, 4, 6, 6]
        assert trie.leaves.tolist() == [2, 2, 3, 5]
        assert ways(trie) == [[0], [0, 1], [0, 1, 2], [0, 3], [4], [4, 5]]

    @given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=30))
    def test_ways_spell_the_rows(self, rows: list[list[int]]) -> None:
        rows = sorted([*row, 3] for row in rows)
        trie = Trie.of(rows)
        beginnings = {tuple(row[:length]) for row in rows for length in range(1, len(row) + 1)}
        assert len(trie.ids) == len(beginnings)
        for row, leaf in zip(rows, trie.leaves, strict=True):
            assert trie.ids[ways(trie)[leaf]].tolist() == row

    def test_a_group_by_hand(self) -> None:
        places, sees = Trie.of([[1, 2, 9], [1, 9], [3, 9]]).groups(4, common=1)
        assert places.tolist() == [[0, 1, 2, 3, 4], [0, 5, 6, 7, 8]]  # nodes 6 and 7 fill the second group up
        assert sees.astype(int).tolist() == [
            [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0], [1, 1, 0, 0, 1]],
            [[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 0, 0, 1, 0], [1, 0, 0, 0, 1]],
        ]

    @given(
        st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=9), min_size=1, max_size=30),
        st.integers(1, 9),
        st.integers(0, 3),
    )
    def test_a_node_sees_what_is_common_and_its_way(
        self, rows: list[list[int]], size: int, common: int
    ) -> None:
        trie = Trie.of(sorted([*row, 3] for row in rows))
        places, sees = trie.groups(size, common)
        for node, way in enumerate(ways(trie)):
            group, own = divmod(node, size)
            seen = places[group][sees[group, own]].tolist()
            assert seen == [*range(common), *(place + common for place in way)]


TOWERS: dict[str, dict[str, Any]] = {
    "CLIP": {},
    "CustomTextCLIP": {"custom_text": True},
    "quick gelu": {"quick_gelu": True},
    "layer scale": {"text": {"ls_init_value": 0.3}},
    "custom blocks": {
        "text": {
            "qk_norm": True,
            "scale_heads": True,
            "scale_attn_inner": True,
            "scale_attn": True,
            "scale_fc": True,
        }
    },
    "no projection": {"text": {"proj_type": "none"}},
    "linear projection": {"text": {"proj_bias": True}},
    "end by id": {"text": {"pool_type": "eos", "eos_id": 49407}},
}
PLAIN_TOWERS: dict[str, dict[str, Any]] = {
    "sees both ways": {"text": {"no_causal_mask": True}},
    "last place": {"text": {"pool_type": "last"}},
    "class token": {"text": {"embed_cls": True}, "custom_text": True},
}


def tower_model(text: dict[str, Any] | None = None, **settings: Any) -> Any:
    return tiny_clip(config=tiny_config(text=text), **settings)


@cache
def own_tower() -> TextTower:
    return TextTower(model(), tokenizer())


class TestTower:
    @pytest.mark.parametrize("kind", TOWERS)
    def test_gives_the_models_own_features(self, kind: str) -> None:
        network = tower_model(**TOWERS[kind])
        with torch.no_grad():  # norms and scales that are 1 from the start would hide that one is left out
            for name, parameter in network.named_parameters():
                if parameter.ndim == 1 or name.endswith("head_scale"):
                    parameter += 0.2 * torch.randn(parameter.shape)
        tower = TextTower(network, tokenizer())
        assert tower.is_fast
        assert_close(tower.encode(TEXTS), reference(network, list(TEXTS)))
        for prefix in PREFIXES:
            texts = [f"{prefix}, {text}" for text in TEXTS]
            assert_close(tower.continued(prefix, TEXTS), reference(network, texts))

    @pytest.mark.parametrize("kind", PLAIN_TOWERS)
    def test_other_towers_run_whole(self, kind: str) -> None:
        network = tower_model(**PLAIN_TOWERS[kind])
        tower = TextTower(network, tokenizer())
        assert not tower.is_fast
        assert_close(tower.encode(TEXTS), reference(network, list(TEXTS)))
        assert_close(
            tower.continued("a cat", TEXTS), reference(network, [f"a cat, {text}" for text in TEXTS])
        )
        assert tower.encode([]).shape == (0, 64)

    def test_a_tower_that_answers_otherwise_runs_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(CausalTower, "_width", lambda self: 64)
        monkeypatch.setattr(text_tower, "layer_output", lambda layer, x, seen: x + 0 * seen.reshape(x.shape))
        assert not TextTower(model(), tokenizer()).is_fast

    def test_nothing_gives_no_rows(self) -> None:
        tower = TextTower(model(), tokenizer())
        assert tower.encode([]).shape == tower.continued("a cat", []).shape == (0, 64)

    def test_blocks_do_not_matter(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tower = TextTower(model(), tokenizer())
        texts = phrase_lists()[::997]
        whole = tower.encode(texts)
        told: list[tuple[str, int, int]] = []
        monkeypatch.setattr(text_tower, "CPU_POSITIONS", 20)
        assert_close(tower.encode(texts, lambda *what: told.append(what)), whole)
        assert told[-1] == ("encoding texts", len(texts), len(texts))
        assert len(told) > 5

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from(TEXTS) | st.text("ab ,é", max_size=12), max_size=8), st.randoms())
    def test_a_row_depends_on_its_text_alone(self, texts: list[str], random: Any) -> None:
        tower = own_tower()
        order = list(range(len(texts)))
        random.shuffle(order)
        shuffled = tower.encode([texts[place] for place in order])
        assert_close(shuffled, tower.encode(texts)[torch.tensor(order, dtype=torch.long)])

    def test_a_prefix_that_grows_is_not_computed_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tower = TextTower(model(), tokenizer())
        lengths: list[int] = []
        extended = CausalTower._extended

        def counted(self: CausalTower, prefix: Any, ids: list[int]) -> Any:
            lengths.append(len(ids))
            return extended(self, prefix, ids)

        monkeypatch.setattr(CausalTower, "_extended", counted)
        prefix, phrases = "a red house near the sea", ["at night", "by nobody", "detailed"]
        for phrase in ("", "at night", "detailed"):
            prefix = f"{prefix}, {phrase}" if phrase else prefix
            expected = reference(model(), [f"{prefix}, {other}" for other in phrases])
            assert_close(tower.continued(prefix, phrases), expected)
            tower.encode(["something else"])  # needs the start token only, which is there
        # "a red house near the sea ," at first (the start is known), then "at night ,", then "detailed ,"
        assert lengths == [7, 3, 2]

    def test_rows_that_do_not_begin_with_the_prefix_are_computed_alone(self) -> None:
        causal = CausalTower.of(model())
        assert causal is not None
        texts = ["a cat", "a dog on a mat", "by nobody", "a cat, by nobody"]
        rows = tokens().rows(texts)
        with torch.inference_mode():
            assert_close(causal.features(rows[0][:3], rows), reference(model(), texts))

    def test_is_full_as_clip_interrogator_has_it(self) -> None:
        tower = TextTower(model(), tokenizer())
        for count in (70, 74, 75, 76, 90):
            text = " ".join(["cat"] * count)
            assert tower.is_full(text) == bool(tokenizer()([text])[0][-1] != 0)
        assert not tower.is_full("")

    def test_identity_is_of_the_text_side_in_any_precision(self) -> None:
        network = tiny_clip()
        identity = TextTower(network, tokenizer()).identity
        assert TextTower(tiny_clip(seed=1), tokenizer()).identity != identity
        assert TextTower(tiny_clip(quick_gelu=True), tokenizer()).identity != identity
        with torch.no_grad():
            network.visual.conv1.weight.zero_()
        assert TextTower(network, tokenizer()).identity == identity
        halves = open_clip.create_model("ViT-B-32", load_weights=False, precision="fp16", **tiny_config())
        halves.load_state_dict(tiny_clip().state_dict())
        assert text_tower.fingerprint(halves, text_tower.IMAGE_SIDE) in identity


def assert_close(answer: Any, expected: Any) -> None:
    assert answer.dtype == torch.float32
    assert answer.shape == expected.shape
    torch.testing.assert_close(answer, expected, atol=1e-5, rtol=0)
