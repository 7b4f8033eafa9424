"""How a sentence speaks of what Quick, Draw! asks for: its 345 words in the singular and in the plural."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from unprompt.text.english import add_article, count_in_words, plural_of

SOMETHING = "something"  # what nobody is sure about

# What no rule gives: the word, one of it with its article, and several after a number.
_SPOKEN = {
    "The Eiffel Tower": ("the Eiffel Tower", "Eiffel Towers"),
    "The Great Wall of China": ("the Great Wall of China", "Great Walls of China"),
    "The Mona Lisa": ("the Mona Lisa", "Mona Lisas"),
    "asparagus": ("asparagus", "spears of asparagus"),
    "binoculars": ("binoculars", "pairs of binoculars"),
    "bread": ("bread", "loaves of bread"),
    "broccoli": ("broccoli", "heads of broccoli"),
    "camouflage": ("camouflage", "pieces of camouflage"),
    "drums": ("drums", "sets of drums"),
    "eyeglasses": ("eyeglasses", "pairs of eyeglasses"),
    "flip flops": ("flip flops", "pairs of flip flops"),
    "grapes": ("grapes", "bunches of grapes"),
    "grass": ("grass", "patches of grass"),
    "headphones": ("headphones", "pairs of headphones"),
    "lightning": ("lightning", "bolts of lightning"),
    "matches": ("matches", "boxes of matches"),
    "pants": ("pants", "pairs of pants"),
    "peas": ("peas", "pods of peas"),
    "pliers": ("pliers", "pairs of pliers"),
    "rain": ("rain", "showers of rain"),
    "rhinoceros": ("a rhinoceros", "rhinoceroses"),
    "rollerskates": ("rollerskates", "pairs of rollerskates"),
    "scissors": ("scissors", "pairs of scissors"),
    "shorts": ("shorts", "pairs of shorts"),
    "stairs": ("stairs", "flights of stairs"),
    "stitches": ("stitches", "rows of stitches"),
    "teddy-bear": ("a teddy bear", "teddy bears"),
    "toothpaste": ("toothpaste", "tubes of toothpaste"),
    "underwear": ("underwear", "pairs of underwear"),
    "yoga": ("a person doing yoga", "people doing yoga"),
    SOMETHING: (SOMETHING, "things"),
}

# What can be in the sky; the first ones are nowhere else.
ONLY_SKY = ("sun", "cloud", "moon", "star", "rainbow", "lightning", "rain", "hurricane", "snowflake")
SKY = (
    *ONLY_SKY, "airplane", "bat", "bee", "bird", "butterfly", "flying saucer", "helicopter",
    "hot air balloon", "parachute",
)  # fmt: skip

# What stands for no thing in a scene: shapes, and what fills a sheet or is worn by a face alone.
NO_THINGS = (
    "animal migration", "beard", "camouflage", "circle", "goatee", "hexagon", "line", "moustache", "octagon",
    "square", "squiggle", "stitches", "triangle", "zigzag",
)  # fmt: skip

# Of what scenes are made when people draw freely; the other words come seldom.
COMMON = (
    *SKY,
    "ambulance", "apple", "axe", "backpack", "banana", "barn", "bear", "bed", "bench", "bicycle", "book",
    "bridge", "bus", "bush", "cactus", "cake", "camel", "campfire", "candle", "car", "castle", "cat", "chair",
    "church", "couch", "cow", "crab", "dog", "dolphin", "door", "dragon", "duck", "elephant", "face",
    "fence", "fire hydrant", "firetruck", "fish", "flamingo", "flower", "frog", "giraffe", "guitar", "horse",
    "hospital", "house", "house plant", "ice cream", "kangaroo", "ladder", "lighthouse", "lion", "mailbox",
    "mermaid", "monkey", "motorbike", "mountain", "mouse", "mushroom", "octopus", "owl", "palm tree", "panda",
    "penguin", "piano", "pig", "pizza", "police car", "pond", "rabbit", "rhinoceros", "sailboat",
    "school bus",
    "sea turtle", "shark", "sheep", "skyscraper", "snail", "snake", "snowman", "soccer ball", "spider",
    "squirrel", "stop sign", "strawberry", "streetlight", "swan", "table", "teddy-bear", "telephone",
    "television", "tent", "tiger", "tractor", "traffic light", "train", "tree", "truck", "umbrella", "van",
    "whale", "windmill", "zebra",
)  # fmt: skip


def one_of(word: str) -> str:
    """ "cat" -> "a cat", "grapes" -> "grapes"."""
    return _SPOKEN[word][0] if word in _SPOKEN else add_article(word)


def many_of(word: str) -> str:
    """ "cat" -> "cats", "grapes" -> "bunches of grapes": what stands after a number."""
    return _SPOKEN[word][1] if word in _SPOKEN else plural_of(word)


def say_count(word: str, count: int) -> str:
    """("cat", 2) -> "two cats"."""
    return one_of(word) if count == 1 else f"{count_in_words(count)} {many_of(word)}"


@cache
def forms_of(words: tuple[str, ...]) -> Mapping[str, tuple[str, bool]]:
    """What may stand for these words and SOMETHING: "a cat" -> (cat, False), "cats" -> (cat, True)."""
    known = (*words, SOMETHING)
    found = {many_of(word).lower(): (word, True) for word in known}
    return found | {one_of(word).lower(): (word, False) for word in known}
