"""Texts -> token ids: exactly those of a model's own tokenizer, fast on long lists of short texts.

CLIP's tokenizer mends a text (mojibake, HTML entities), folds its white space, makes it lower case and
splits what is left into pieces, none of which reaches over a space. So a text's ids are its words' ids, one
after the other, and a word is split once. The mending looks at the whole text and takes ten times longer
than all else; it leaves printable ASCII without "&" as it is, and is done for other texts only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache, lru_cache
from itertools import chain, pairwise
from typing import Any

WORDS_KEPT = 1 << 18
PHRASES_KEPT = 1 << 15  # a chain asks for the same few thousand at each of its steps


@cache
def clips_own(context: int) -> Any:
    """CLIP's own tokenizer for texts of `context` ids, read once: its list of words takes long to read.

    Of open_clip's own class, by which `Tokens` knows it; text/clip_words.py has one without that import.
    """
    import open_clip

    return open_clip.SimpleTokenizer(context_length=context)


class Tokens:
    """Ids by CLIP's tokenizer: start, the text's, end; cut to the context, with the end in last place."""

    def __init__(self, tokenizer: Any, context: int) -> None:
        from open_clip.tokenizer import get_clean_fn

        self.context = context
        self.start = int(tokenizer.sot_token_id)
        self.end = int(tokenizer.eot_token_id)
        self.highest = max(tokenizer.encoder.values())
        self._tokenizer = tokenizer
        self._named = {tokenizer.decoder[number] for number in tokenizer.all_special_ids}
        self._word = lru_cache(maxsize=WORDS_KEPT)(self._split)
        self._phrase = lru_cache(maxsize=PHRASES_KEPT)(self._behind_comma)
        self._only_lowers = tokenizer.clean_fn is get_clean_fn("lower")  # beside mending and white space

    @staticmethod
    def suits(tokenizer: Any) -> bool:
        """Whether a tokenizer's ids can be had word by word: CLIP's own, cutting long texts at the end."""
        import open_clip

        return isinstance(tokenizer, open_clip.SimpleTokenizer) and tokenizer.reduction_fn is None

    def rows(self, texts: Sequence[str]) -> list[list[int]]:
        """N texts -> N rows of ids, none longer than the context."""
        return [self._row(self._ids(text)) for text in texts]

    def continued(self, prefix: str, phrases: Sequence[str]) -> tuple[list[int], list[list[int]]]:
        """The rows of f"{prefix}, {phrase}", and the ids from the start on that most of them share.

        The comma stands in the prefix's last word and a space follows it, so the ids of plain texts are
        those of f"{prefix}," and then the phrase's. So they are where one of the two is plain and the other
        is mended alike alone and beside a comma. Others are mended and split as one text.
        """
        head = f"{prefix},"
        shared = self._ids(head)
        mend = self._tokenizer.clean_fn
        plain = is_plain(prefix)
        alike = plain or mend(f"{head} a") == f"{mend(prefix)}, a"
        rows = []
        for phrase in phrases:
            ids = self._phrase(phrase) if plain or (alike and is_plain(phrase)) else None
            rows.append(self._row(self._ids(f"{head} {phrase}") if ids is None else [*shared, *ids]))
        return [self.start, *shared][: self.context - 1], rows

    def _behind_comma(self, phrase: str) -> tuple[int, ...] | None:
        """A phrase's ids behind a plain text and a comma; None where they may depend on that text."""
        if not is_plain(phrase):
            mend = self._tokenizer.clean_fn
            if mend(f"a, {phrase}") != f"a, {mend(phrase)}":
                return None
        return tuple(self._ids(phrase))

    def _row(self, ids: list[int]) -> list[int]:
        return [self.start, *ids[: self.context - 2], self.end]

    def _ids(self, text: str) -> list[int]:
        if self._only_lowers and is_plain(text):
            words = text.lower().split()
        else:
            words = self._tokenizer.clean_fn(text).split(" ")
        return list(chain.from_iterable(map(self._word, words)))

    def _split(self, word: str) -> tuple[int, ...]:
        """The ids of one word of a cleaned text."""
        tokenizer = self._tokenizer
        signs = tokenizer.byte_encoder
        pieces = ("".join(signs[byte] for byte in piece.encode()) for piece in tokenizer.pat.findall(word))
        return tuple(tokenizer.encoder[part] for piece in pieces for part in self._parts(piece))

    def _parts(self, piece: str) -> list[str]:
        """What the tokenizer's `bpe` gives, sooner: after a merge only the pairs beside it are looked up.

        The leftmost of equal pairs is merged first, and all of them in turn, as no pair with what was merged
        ranks before the pair itself.
        """
        if piece in self._named:
            return [piece]
        rank = self._tokenizer.bpe_ranks.get
        parts = [*piece[:-1], f"{piece[-1]}</w>"]
        ranks = [rank(pair, math.inf) for pair in pairwise(parts)]
        while ranks and (least := min(ranks)) < math.inf:
            place = ranks.index(least)
            parts[place : place + 2] = ["".join(parts[place : place + 2])]
            del ranks[place]
            if place > 0:
                ranks[place - 1] = rank((parts[place - 1], parts[place]), math.inf)
            if place < len(ranks):
                ranks[place] = rank((parts[place], parts[place + 1]), math.inf)
        return parts


def is_plain(text: str) -> bool:
    """Whether nothing in a text can need mending: printable ASCII, and no "&" that may begin an entity."""
    return text.isascii() and text.isprintable() and "&" not in text
