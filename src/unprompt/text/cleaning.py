"""From what a language model writes to one prompt: pure functions on text.

What GPT-2 writes has line breaks, quotation marks, addresses, bits of HTML and mark-up, letters of any
script, and it falls into loops. A prompt is one English sentence of at least 10 letters that Stable
Diffusion's text encoder, CLIP, reads whole. Cleaning a prompt that is clean changes nothing.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Sequence

from unprompt.text.clip_words import CLIP_TOKENS, clip_tokenizer

LEAST_LETTERS = 10
LOOP_WORDS = 4  # so many words in a row stand in a prompt only once
LONGEST_WORD = 40  # characters before a full stop that are looked at

TOO_SHORT = "too short"
REPEATS = "repeats itself"

# A full stop after these, or after a single letter ("J. S. Bach"), ends no sentence.
ABBREVIATIONS = frozenset(
    re.findall(
        r"\S+",
        """mr mrs ms dr prof st ste mt ft rev hon gen col capt lt sgt gov sen rep jr sr vs etc eg ie cf ca
        approx no vol fig pp inc ltd co corp bros dept est ave blvd rd jan feb mar apr jun jul aug sep
        sept oct nov dec ph.d""",
    )
)
# A text that was cut does not end with these.
JOINING_WORDS = frozenset(
    re.findall(
        r"\S+",
        """a an the this that these those his her its their my your our of in on at by for from with without
        to into onto over under between through and or nor but as than if when while where which who whose
        because so is are was were be been being has have had will would can could may might must should
        very not""",
    )
)

_SPELLED = str.maketrans(
    {**dict.fromkeys("‘’‛ʼ`´′", "'"), **dict.fromkeys("‐‑‒–−", "-"), **dict.fromkeys("—―", " - ")}
    | {"⁄": "/", "™": None, "℠": None, "&": " and "}
)
_TAG = re.compile(r"<[^<>]*>")
_OPEN_TAG = re.compile(r"<[^<>]*$")
# Here and below a row of signs is looked at from its first, or from few: from each, long ones take for ever.
_ADDRESS = re.compile(
    r"(?<!\w)\w+://\S*|\bwww\.\S*|(?<!\S)\S[^\s@]*@\S+\.\S+|[@#](?=[^\W\d])\w+|"
    r"\b[\w.-]{1,250}\.(?:com|org|net|edu|gov|ly|io)\b(?:/\S*)?",  # no host's name is longer
    re.IGNORECASE,
)
_SPECIAL = re.compile(r"[^A-Za-zÀ-ÖØ-öø-ɏ0-9 ,.;:!?'/+%-]")
_TIDYING = (
    (re.compile(r"-{2,}"), " - "),
    (re.compile(r"/{2,}"), "/"),
    (re.compile(r"[,;:](?= *[,;:.!?])"), ""),
    (re.compile(r"(?<! ) +(?=[,.;:!?](?!\w))"), ""),
    (re.compile(r" {2,}"), " "),
)
_SENTENCE_END = re.compile(r"\.{2,}|[.!?](?=[ '!?]|$)|(?<=[a-z])\.(?=[A-Z][a-z])")
_EDGES = " ,;:-/+'."  # what neither starts nor ends a prompt
_CLAUSE_END = re.compile(r"[,;:](?= |$)")
_STAMMER = re.compile(r"([^\W\d_]{1,4}?)\1{4,}", re.IGNORECASE)  # "aaaaa", "hahahahaha"


def clean_prompt(text: str, cut_off: bool = False) -> tuple[str, str]:
    """A language model's text -> (prompt, ""), or (what is left of it, why it is no prompt).

    The first sentence is taken, without its full stop; what CLIP would not read, and what comes from the
    second round of a loop on, is cut away. `cut_off` says that the text was stopped before it ended, perhaps
    within a word.
    """
    line, broken, _ = _first_line(text)
    end = sentence_end(line)
    sentence = line[:end]
    if cut_off and end is None and not broken:
        sentence = without_loose_end(sentence.rpartition(" ")[0])
    before = None
    while sentence != before:  # a word that goes brings together what stood around it
        before = sentence
        sentence = before_loop(_tidied(sentence))
    sentence = within_clip(sentence).strip(_EDGES)
    if _letters(sentence) < LEAST_LETTERS:
        return sentence, TOO_SHORT
    return sentence, REPEATS if _STAMMER.search(sentence) else ""


def is_whole(text: str) -> bool:
    """Whether the sentence that `clean_prompt` takes has ended, so that writing on would change nothing.

    A full stop that nothing follows yet does not count: it may become "3.5" or "Mr. Smith". Neither does one
    on a line with a tag that is still open: it may come to stand in the tag.
    """
    line, broken, in_tag = _first_line(text)
    end = sentence_end(line)
    return broken or (end is not None and end < len(line) and not in_tag)


def plain(text: str) -> str:
    """The first line with words, as Latin letters, digits, spaces and `,.;:!?'/+%-` only.

    HTML's entities and typographic signs become plain ones; tags, addresses and all else are left out.
    """
    return _first_line(text)[0]


def holds_address(text: str) -> bool:
    """Whether a web or mail address, a handle or a hashtag stands in a text."""
    return _ADDRESS.search(text) is not None


def plain_spaces(text: str) -> str:
    """A text on one line: control characters and runs of white space become one space each."""
    if not text.isprintable():  # a space is printable, all other white space is not
        text = "".join(" " if unicodedata.category(sign) == "Cc" else sign for sign in text)
    return " ".join(text.split())


def sentence_end(line: str) -> int | None:
    """Position after the first sentence that makes at least 10 letters, or None where none ends."""
    letters, place = 0, 0
    for match in _SENTENCE_END.finditer(line):
        letters += _letters(line[place : match.start()])
        place = match.start()
        word = _bare(line[max(0, place - LONGEST_WORD) : place].rpartition(" ")[2])
        initial = re.search(r"(?:^|[.'-])[^\W\d]$", word)
        if match.group() == "." and (word in ABBREVIATIONS or initial):
            continue
        if letters >= LEAST_LETTERS:
            return place + 1
    return None


def before_loop(sentence: str) -> str:
    """The sentence up to where it starts over.

    A word that stands twice in a row stands once ("the the" is a slip, "J. R. R." is not). Two or three words
    at once again, or any 4 words that were there before, are a loop: it is cut away.
    """
    words: list[str] = []
    for word in sentence.split():
        before = words[-1] if words else ""
        if _bare(word) == _bare(before) and _bare(word).isalpha() and not before.endswith("."):
            words[-1] = word
        else:
            words.append(word)
    bare = [_bare(word) for word in words]
    seen: set[tuple[str, ...]] = set()
    for start in range(len(bare)):
        again = any(bare[start - n : start] == bare[start : start + n] for n in (2, 3) if n <= start)
        ahead = tuple(bare[start : start + LOOP_WORDS])
        if again or ahead in seen:
            return without_loose_end(" ".join(words[:start]))
        if len(ahead) == LOOP_WORDS:
            seen.add(ahead)
    return " ".join(words)


def within_clip(sentence: str) -> str:
    """The sentence, or as much of it as CLIP reads."""
    words = sentence.split()
    if _fits(words):
        return sentence
    words = words[:CLIP_TOKENS]  # a word has at least one token
    while not _fits(words):
        words.pop()
    return without_loose_end(" ".join(words))


def without_loose_end(text: str) -> str:
    """A text that was cut, ending where it could: at its last comma past the middle, else before "of the"."""
    clauses = [match.start() for match in _CLAUSE_END.finditer(text)]
    if clauses and 2 * clauses[-1] >= len(text) and _letters(text[: clauses[-1]]) >= LEAST_LETTERS:
        text = text[: clauses[-1]]
    words = text.split()
    while words and _bare(words[-1]) in JOINING_WORDS:
        words.pop()
    return " ".join(words)


def _fits(words: Sequence[str]) -> bool:
    return len(clip_tokenizer().encode(" ".join(words))) <= CLIP_TOKENS


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _bare(word: str) -> str:
    return word.strip(_EDGES + "!?").casefold()


def _first_line(text: str) -> tuple[str, bool, bool]:
    """The first line with words, plain, whether a line break ended it, and whether it has an open tag."""
    while (unescaped := html.unescape(text)) != text:  # "&amp;lt;" is found on scraped pages
        text = unescaped
    text = unicodedata.normalize("NFKC", text.translate(_SPELLED)).translate(_SPELLED)
    if not text.isascii():  # signs of no width would hide what is a word or an address
        text = "".join(sign for sign in text if unicodedata.category(sign) not in {"Cf", "Mn", "Mc", "Me"})
    for line in text.splitlines(keepends=True):
        tidied = _tidied(line)
        if any(map(str.isalnum, tidied)):
            return tidied, line.splitlines()[0] != line, _OPEN_TAG.search(line) is not None
    return "", False, False


def _tidied(line: str) -> str:
    """One line without tags, addresses and special characters, until there is nothing more to do.

    What is taken out can bring together what then has to go too; each round leaves less.
    """
    before = None
    while line != before:
        before = line
        line = _SPECIAL.sub(" ", _ADDRESS.sub(" ", _TAG.sub(" ", line)))
        for pattern, plainer in _TIDYING:
            line = pattern.sub(plainer, line)
        line = line.strip()
    return line
