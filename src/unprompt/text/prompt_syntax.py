"""From a prompt as it is typed for a program to the words that it says: no weights, no names of networks.

Sources: the A1111 wiki on attention, prompt editing and alternating words; NovelAI's manual on strengthening.
"""

from __future__ import annotations

import re

_NETWORK = re.compile(
    r"<\s*(?:lora|lyco|hypernet|lora_unet|ti|embedding|wlr|segment)\s*:[^<>]*>", re.IGNORECASE
)
_EMBEDDING = re.compile(r"\bembedding:([\w./\\-]+)", re.IGNORECASE)
_DIGITS = r"(?:\d+(?:\.\d+)?|\.\d+)"  # in one way only: of a thousand digits each is looked at once
_NOVEL_WEIGHT = re.compile(rf"(?<![\d.])-?{_DIGITS}::(.*?)::", re.DOTALL)
_KEYWORD = re.compile(r" ?,? ?\b(?:BREAK|AND|ADDCOMM|ADDROW|ADDCOL|ADDBASE)\b ?,? ?")
_NUMBER = rf"\s*[+-]?{_DIGITS}\s*"
_WEIGHTED = re.compile(rf"\(([^()\[\]{{}}]*?)(?::{_NUMBER})?\)")
_EDITED = re.compile(rf"\[([^()\[\]{{}}]*?)(?::{_NUMBER})?\]")
_BRACED = re.compile(r"\{([^()\[\]{}]*)\}")
_ESCAPED = {
    f"\\{bracket}": chr(0xE000 + place) for place, bracket in enumerate("()[]{}")
}  # signs of no script
_WITHOUT = re.compile(r"(?<!\S)(?:--|—)no[ \t]+(?:(?!\s--|\s—).)*")  # a list, up to the next flag
_FLAG = re.compile(
    r"(?<!\S)(?:--|—|–)(?=[a-z])"  # typographers make a dash of two hyphens
    r"(?:(?:ar|aspect|v|version|q|quality|s|stylize|c|chaos|w|weird|h|height|seed|sameseed|stop|iw|cw|sw|sref|cref|"
    r"niji|style|repeat|r|profile|p|upbeta|upanime|uplight|test|testp|hd|tile|video|fast|relax|turbo|raw|"
    r"creative|steps|cfg|sampler|size)\b)"
    r"(?:[ \t]+(?!--|—|–)[^\s,]+(?=[\s,]|$))?",
    re.IGNORECASE,
)
MOST_ROUNDS = 50  # brackets within brackets


def without_syntax(prompt: str) -> str:
    """ "(a fox:1.2), [[snow]] <lora:ink:0.8>" -> "a fox, snow".

    Midjourney's flags go with their values: "a fox --ar 16:9 --v 4" -> "a fox". Of words that take turns,
    [a|b], the first stays; of words that come for others, [a:b:0.5], the last. A bracket behind a backslash
    stays, without the backslash.
    """
    text = _FLAG.sub(" ", _WITHOUT.sub(" ", _NETWORK.sub(" ", prompt)))
    for written, sign in _ESCAPED.items():
        text = text.replace(written, sign)
    text = _EMBEDDING.sub(r"\1", _NOVEL_WEIGHT.sub(r"\1", text))
    for _ in range(MOST_ROUNDS):
        before = text
        text = _WEIGHTED.sub(r"\1", text)
        text = _EDITED.sub(lambda found: _of_edit(found[1]), text)
        text = _BRACED.sub(r"\1", text)
        if text == before:
            break
    text = _KEYWORD.sub(", ", re.sub(r"\s+", " ", text))
    for written, sign in _ESCAPED.items():
        text = text.replace(sign, written[1])
    text = re.sub(r"\s+(?=[,.;])", "", text)
    return re.sub(r",(?:\s*,)+", ",", text).strip(" ,")


def _of_edit(inside: str) -> str:
    """What stands between square brackets, without its number."""
    if "|" in inside:
        return inside.split("|")[0]
    return inside.rpartition(":")[2] or inside.strip(":")
