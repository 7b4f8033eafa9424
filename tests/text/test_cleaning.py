"""From what GPT-2 writes to a prompt: hand-worked texts, and what holds for every text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from unprompt.text.cleaning import (
    LEAST_LETTERS,
    REPEATS,
    TOO_SHORT,
    before_loop,
    clean_prompt,
    holds_address,
    is_whole,
    plain,
    plain_spaces,
    sentence_end,
    within_clip,
    without_loose_end,
)
from unprompt.text.clip_words import CLIP_TOKENS, clip_tokenizer


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("A picture of a cat on a mat", "A picture of a cat on a mat"),
        ("A picture of a cat. It sat on the", "A picture of a cat"),
        ("A picture of a cat! It sat", "A picture of a cat!"),
        ("A picture of a cat?! It sat", "A picture of a cat?"),
        ("A picture of a cat.It sat", "A picture of a cat"),
        ("A picture of a cat... and a dog", "A picture of a cat"),
        ("A picture of a cat… and a dog", "A picture of a cat"),
        ("A picture of the cat\n\nAdvertisement\n", "A picture of the cat"),
        ("\n \n***\nA picture of the cat", "A picture of the cat"),
        ("A picture of Mr. Smith in St. Paul, Minn", "A picture of Mr. Smith in St. Paul, Minn"),
        ("A picture of J. R. R. Tolkien. He wrote", "A picture of J. R. R. Tolkien"),
        ("A picture of the U.S. Capitol. It is", "A picture of the U.S. Capitol"),
        ("A picture of 3.5 apples at 10.30. They", "A picture of 3.5 apples at 10.30"),
        ("Chapter number 5. Then", "Chapter number 5"),
        ("Oh no! A picture of the sea. And more", "Oh no! A picture of the sea"),
        ('A picture of "the cat" (left) and “a dog”', "A picture of the cat left and a dog"),
        (
            "A picture of Alice’s ‘house’ – a ruin — in 1920",
            "A picture of Alice's 'house' - a ruin - in 1920",
        ),
        ("A picture of R&B &amp; soul &lt;3", "A picture of R and B and soul 3"),
        ("A picture of &amp;quot;home&amp;quot; sweet", "A picture of home sweet"),
        ("A picture of <b>bold</b> text <img src='a.png'> here", "A picture of bold text here"),
        ("A picture of a cat via https://t.co/Ab1?x=2 today", "A picture of a cat via today"),
        ("A picture of a cat pic.twitter.com/abc", "A picture of a cat"),
        ("A picture of a cat by @user_1 #cats #1", "A picture of a cat by 1"),
        ("A picture of a cat, mail me@home.org now", "A picture of a cat, mail now"),
        ("A *picture* of_a [cat] {x} | y ~ z ^ $5 = €6", "A picture of a cat x y z 5 6"),
        ("A picture of a café in Zürich, Владимир", "A picture of a café in Zürich"),
        ("A picture of cafe\u0301s", "A picture of cafés"),
        ("A pic\u200bture\ufeff of a \x00cat\x07", "A picture of a cat"),
        ("A picture of a ﬁsh\ufffd, 漢字, m²", "A picture of a fish, m2"),
        ("A picture  of\t a , b ; c :d", "A picture of a, b; c :d"),
        ("A picture of the the the cat", "A picture of the cat"),
        ("- A picture of a cat -", "A picture of a cat"),
        ("A picture of a cat, a dog,, and; a fish", "A picture of a cat, a dog, and; a fish"),
    ],
)
def test_what_becomes_of_a_text(text: str, prompt: str) -> None:
    assert clean_prompt(text) == (prompt, "")


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("A picture of a man who was walk", "A picture of a man"),
        ("A picture of a man with a hat, whi", "A picture of a man with a hat"),
        ("Well, a picture of a man with a hat on th", "Well, a picture of a man with a hat"),
        ("A picture of a man. He wal", "A picture of a man"),
        ("A picture of a man\nHe wal", "A picture of a man"),
    ],
)
def test_what_becomes_of_a_text_that_was_cut_off(text: str, prompt: str) -> None:
    assert clean_prompt(text, cut_off=True) == (prompt, "")


@pytest.mark.parametrize("sign", [" ", "a", "@", "a.", ".", "1. ", "1.'", ", ", "-", "< "])
def test_long_rows_of_signs_take_no_time(sign: str) -> None:
    long = sign * 100_000
    assert len(plain(f"{long}x")) <= len(long) + 1
    assert sentence_end(f"{long}x") is None


def test_addresses_are_found_in_long_texts() -> None:
    for address in ("https://a.b/c", "www.a", "me@home.org", "x@@a@b.c", "@me", "a-b.example.com/x"):
        assert holds_address(f"{'a' * 300} {address} {'@' * 300}")
        assert holds_address(f"({address})")
    assert not holds_address(f"{'a' * 300} me@ home @ 3.5 .com {'@' * 300}")


@pytest.mark.parametrize(
    ("text", "left", "reason"),
    [
        ("", "", TOO_SHORT),
        ("\n\n", "", TOO_SHORT),
        ("A cat. It", "A cat. It", TOO_SHORT),
        ("123 456 789 10 11 12", "123 456 789 10 11 12", TOO_SHORT),
        ("Изображение кошки на коврике", "", TOO_SHORT),
        ("ABCDEFGHI", "ABCDEFGHI", TOO_SHORT),
        ("A picture of hahahahahaha", "A picture of hahahahahaha", REPEATS),
        ("A picture of AAAAAAAAAAA", "A picture of AAAAAAAAAAA", REPEATS),
    ],
)
def test_what_is_no_prompt(text: str, left: str, reason: str) -> None:
    assert clean_prompt(text) == (left, reason)


def test_ten_letters_are_enough() -> None:
    assert clean_prompt("ABCDEFGHIJ") == ("ABCDEFGHIJ", "")


# --- parts


@pytest.mark.parametrize(
    ("sentence", "kept"),
    [
        ("a man with a hat, a man with a hat and", "a man with a hat"),
        ("of the of the of the sea", ""),
        ("a sea of the of the of the", "a sea"),
        ("the sea and sky and sea and sky and sea", "the sea and sky"),
        ("a very very old man", "a very old man"),
        ("The the cat", "the cat"),
        ("in the middle of the road in the middle of nowhere", "in the middle of the road"),
        ("one and two and three and four", "one and two and three and four"),
        ("a cat and a dog and a bird", "a cat and a dog and a bird"),
        ("one two three four five one two three six", "one two three four five one two three six"),
        ("1 000 000 years", "1 000 000 years"),
    ],
)
def test_a_loop_is_cut_before_its_second_round(sentence: str, kept: str) -> None:
    assert before_loop(sentence) == kept


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a man walking on the beach, and his", "a man walking on the beach"),
        ("a man walking on the", "a man walking"),
        ("Oh, a man walking on the beach", "Oh, a man walking on the beach"),  # the comma is too early
        ("of the", ""),
        ("3,500 men", "3,500 men"),
    ],
)
def test_a_loose_end(text: str, kept: str) -> None:
    assert without_loose_end(text) == kept


def test_what_clip_does_not_read_is_cut() -> None:
    short = " ".join(["cat", "dog"] * 37)  # 74 tokens
    assert within_clip(short) == short
    assert within_clip(f"{short} hat") == f"{short} hat"
    assert within_clip(f"{short} hat bird") == f"{short} hat"
    assert within_clip("x" * 5000) == ""
    half = ", ".join(["a cat", "a dog"] * 13)  # 26 times 3 tokens, less one
    assert len(clip_tokenizer().encode(half)) == 77
    assert within_clip(half) == ", ".join((["a cat", "a dog"] * 13)[:-1])


def test_the_sentence_end_is_a_position() -> None:
    assert sentence_end("A green house. A dog") == 14
    assert sentence_end("A green house") is None
    assert sentence_end("A dog. A green house") is None


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("A picture of a cat", False),
        ("A picture of a cat.", False),  # may become "cat.5"
        ("A picture of a cat. ", False),
        ("A picture of a cat. I", True),
        ("A picture of Mr. I", False),
        ("A picture of 3.5", False),
        ("A picture of a cat\n", True),
        ("\n", False),
        ("\nA", False),
    ],
)
def test_whether_a_text_is_whole(text: str, whole: bool) -> None:
    assert is_whole(text) == whole


@pytest.mark.parametrize(
    ("text", "spaced"),
    [
        ("  a\tcat\r\non  a\u3000mat ", "a cat on a mat"),
        ("a\x00b\x1bc", "a b c"),
        ("👩‍🚀 日本 «ça»!", "👩‍🚀 日本 «ça»!"),
    ],
)
def test_plain_spaces(text: str, spaced: str) -> None:
    assert plain_spaces(text) == spaced


# --- what holds for every text

SNIPPETS = st.sampled_from(
    [
        *"aAbcsz  ..,,;:!?'/-+%&<>\"#@\n\u200b\u0301é—…“½ﬁжw1",
        *("www.", ".com", "http://", "&amp;", "&lt;", "&shy;", "Mr.", "St. ", "3.5"),
        *(" the ", " of ", " a man ", " on the beach ", "beautiful", " in the middle of"),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(SNIPPETS, max_size=120).map("".join))


@settings(max_examples=1500, deadline=None)
@given(TEXTS, st.booleans())
@example("AAAABAAA*A$A/", False)
@example("AAAABAAAAB<!'", False)
@example("AAAABAAAA,$A\x1b.A", False)
def test_a_prompt_keeps_what_is_promised_and_cleaning_it_again_changes_nothing(text: str, cut: bool) -> None:
    prompt, rejected = clean_prompt(text, cut_off=cut)
    again, rejected_again = clean_prompt(prompt)
    assert bool(rejected_again) == bool(rejected)
    if rejected:
        return
    assert again == prompt
    assert sum(map(str.isalpha, prompt)) >= LEAST_LETTERS
    assert len(clip_tokenizer().encode(prompt)) <= CLIP_TOKENS
    assert prompt == " ".join(prompt.split())
    assert all(sign.isalnum() or sign in " ,.;:!?'/+%-" for sign in prompt)
    words = prompt.casefold().split()
    four = [tuple(words[start : start + 4]) for start in range(len(words) - 3)]
    assert len(set(four)) == len(four)


@settings(max_examples=300, deadline=None)
@given(TEXTS, TEXTS)
@example("AAAAAAAAA&ltA‥", ">")
def test_writing_on_after_the_end_changes_nothing(text: str, more: str) -> None:
    if is_whole(text) and not text[-1:].isspace():
        assert clean_prompt(f"{text} {more}")[0] == clean_prompt(text)[0]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_plain_text_is_plain(text: str) -> None:
    line = plain(text)
    assert plain(line) == line
    assert "<" not in line
    assert "&" not in line
    assert "http://" not in line


def test_clip_itself_reads_the_whole_prompt() -> None:
    """open_clip's own tokenize keeps the last word of a prompt that was cut to fit."""
    import open_clip

    text = "A picture of " + " ".join(f"thing{number} with colour{number}" for number in range(40))
    prompt, rejected = clean_prompt(text)
    assert not rejected
    tokens = open_clip.tokenize([prompt])[0].tolist()
    ends = clip_tokenizer().eot_token_id
    assert tokens.index(ends) == len(clip_tokenizer().encode(prompt)) + 1
    assert len(tokens) == 77
    assert clip_tokenizer().decode(tokens[1 : tokens.index(ends)]).strip().startswith("a picture of thing 0")
