"""Relations between two things: their words, who may stand in them, and how they are laid out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from unprompt.pocket.layout import (
    Layout,
    above,
    beside,
    bubble,
    bursting,
    chasing,
    covered,
    driving,
    eaten,
    fleeing,
    framed,
    halves,
    held,
    hidden,
    in_front,
    inside,
    juggled,
    leaning,
    left_of,
    made_of,
    marked,
    on_top,
    orbiting,
    right_of,
    roped,
    shadowed,
    shaped_like,
    surrounded,
    thrown,
    under,
    worn,
)

ALL = frozenset({"animal", "person", "face", "plant", "food", "place", "vehicle", "sky", "thing"})
SMALL = ALL - {"place"}
ALIVE = frozenset({"animal", "person"})
ACTORS = ALIVE | {"face"}
MOVERS = ALIVE | {"vehicle"}
STUFF = frozenset({"food", "thing", "plant"})
SOLID = frozenset({"animal", "person", "food", "vehicle", "thing", "place", "plant"})


@dataclass(frozen=True)
class Relation:
    """How two things are laid out, and the kinds of nouns that the sampler puts before and after it.

    `nouns` limits what follows to some nouns where a kind is too wide: instruments, hats.
    """

    layout: Layout
    before: frozenset[str]
    after: frozenset[str]
    nouns: frozenset[str] = frozenset()


HATS = frozenset(
    {
        "crown", "top hat", "sun hat", "graduation cap", "baseball cap", "military helmet", "army helmet",
        "fireman's helmet", "motorcycle helmet", "bow", "sunglasses", "goggles", "glasses", "spectacles",
        "VR headset", "headphones", "daisy",
    }
)  # fmt: skip
INSTRUMENTS = frozenset(
    {
        "saxophone", "trombone", "accordion", "guitar", "electric guitar", "piano", "synthesizer", "trumpet",
        "bugle", "violin", "fiddle", "banjo", "drum", "snare drum", "conga drum", "maracas", "flute", "harp",
    }
)  # fmt: skip


def _relations() -> dict[str, Relation]:
    table: dict[str, Relation] = {}

    def add(
        words: str,
        layout: Layout,
        before: frozenset[str],
        after: frozenset[str],
        nouns: frozenset[str] = frozenset(),
    ) -> None:
        table.update(dict.fromkeys(words.split("|"), Relation(layout, before, after, nouns)))

    add("next to|beside|alongside|by", beside(), ALL, ALL)
    add("and|with", beside(), ALL, SMALL)
    add("to the left of|left of", left_of, SMALL, SMALL)
    add("to the right of|right of", right_of, SMALL, SMALL)
    add("on top of|on|standing on", on_top(), SMALL, SOLID)
    add("sitting on|perched on|balancing on", on_top(140), ACTORS, SOLID)
    add("riding|mounted on", on_top(260), ALIVE, MOVERS)
    add("sleeping on|napping on", on_top(120, "1F4A4"), ALIVE, SOLID)
    add("under|beneath|underneath|below", under, SMALL, SMALL)
    add("hiding under|sheltering under", under, ACTORS, SOLID)
    add("above|over|hovering above|floating over", above(), SMALL, ALL)
    add("flying over|soaring over", above(300, "1F4A8"), MOVERS, SOLID)
    add("jumping over|leaping over", above(120, "1F4A8"), MOVERS, SOLID)
    add("chasing|pursuing|hunting", chasing("1F4A8"), MOVERS, SMALL)
    add("running away from|fleeing from|escaping from", fleeing, MOVERS, ALL)
    add("behind|hiding behind|peeking out from behind", hidden, SMALL, SMALL | {"place"})
    add("in front of|outside|guarding", in_front, SMALL, frozenset({"place", "vehicle", "plant"}))
    add("at|visiting|leaving", in_front, ACTORS, frozenset({"place"}))
    add(
        "inside|trapped inside|within", inside, SMALL, frozenset({"thing", "food", "vehicle", "place", "sky"})
    )
    add("holding|clutching|carrying", held(), ACTORS, STUFF)
    add("selling|offering", held(badge="1F4B2"), ACTORS, STUFF)
    add("eating|devouring|nibbling on", eaten, ACTORS, frozenset({"food"}))
    add("cooking|grilling", held(520, 300, "1F525"), ACTORS, frozenset({"food"}))
    add("wearing", worn, ACTORS, frozenset(), HATS)
    add("playing", held(560, 380, "1F3B5"), ACTORS, frozenset(), INSTRUMENTS)
    add("dreaming of|thinking about|imagining|remembering", bubble("1F4AD"), ACTORS, ALL)
    add("talking about|gossiping about|explaining", bubble("1F4AC"), ACTORS, ALL)
    add("surrounded by|encircled by|in the middle of", surrounded, ALL, SMALL)
    add("orbiting|circling around", orbiting, SMALL, SMALL)
    add("looking at|staring at|watching", marked("1F440", False, 450), ACTORS, ALL)
    add("in love with|flirting with", beside(200, "2764"), ACTORS, ACTORS)
    add("marrying|engaged to", beside(200, "1F48D"), ACTORS, ACTORS)
    add("fighting|battling|attacking|wrestling with", beside(10, "1F4A5", 14), MOVERS, SMALL)
    add("dancing with|waltzing with", beside(160, "1F3B6", 14), ALIVE, SMALL)
    add("arguing with|shouting at", beside(260, "1F4A2"), ACTORS, ACTORS)
    add("talking to|chatting with", beside(260, "1F4AC"), ACTORS, ACTORS)
    add("celebrating with|partying with", beside(220, "1F389"), ACTORS, ACTORS)
    add("shaking hands with|making a deal with", beside(260, "1F91D"), ACTORS, ACTORS)
    add("racing against|competing with", beside(260, "1F3C1"), MOVERS, MOVERS)
    add("throwing|tossing", thrown("1F4A8", 600), ALIVE, STUFF | {"animal"})
    add("kicking", thrown("1F4A5", 120), ALIVE, STUFF)
    add("shooting at|aiming at", thrown("1F3F9", 250, 900), ALIVE, SMALL)
    add("juggling", juggled, ALIVE, STUFF)
    add("pulling|towing|dragging", roped(False), MOVERS, SOLID)
    add("tied to", roped(False), SMALL, SMALL)
    add("pushing|shoving", roped(True), MOVERS, SOLID)
    add("merging with|morphing into|transforming into", halves, SMALL, SMALL)
    add("made of|made out of|carved out of|built from", made_of, ALL, STUFF | {"sky"})
    add("shaped like|in the shape of", shaped_like, STUFF, SMALL)
    add("covered in|covered with|infested with", covered(6, 300), ALL, STUFF | {"animal"})
    add("with a tattoo of|stamped with|decorated with", covered(1, 450), SMALL, SMALL)
    add("casting the shadow of", shadowed, SMALL, SMALL)
    add("leaning against|propped against", leaning, SMALL, SOLID)
    add("driving|piloting|steering", driving, ACTORS, frozenset({"vehicle"}))
    add("painting|sketching|admiring a painting of", framed("1F58C", "1F5BC"), ALIVE, ALL)
    add("watching a documentary about|watching a show about", framed("1F37F", "1F4FA"), ALIVE, ALL)
    add("reading about|studying", framed("1F453", "1F4D6"), ALIVE, ALL)
    add("searching the web for|coding", framed("1F5B1", "1F4BB"), ALIVE, ALL)
    add("photographing|taking pictures of", beside(300, "1F4F8"), ACTORS, ALL)
    add("afraid of|terrified of|allergic to", marked("1F4A6", False, 400), ACTORS, ALL)
    add("confused by|puzzled by", marked("2753", False, 450), ACTORS, ALL)
    add("hypnotized by|obsessed with", marked("1F300", False, 500), ACTORS, ALL)
    add("inventing|discovering", marked("1F4A1", False, 450), ACTORS, ALL)
    add("setting fire to|burning", marked("1F525", True, 900), ACTORS, SOLID)
    add("freezing", marked("2744", True, 800), ACTORS, SOLID)
    add("electrocuting|charging", marked("26A1", True, 800), ACTORS, SOLID)
    add("smashing|destroying|blowing up", marked("1F4A5", True, 900), ACTORS, SOLID)
    add("watering|washing", marked("1F4A6", True, 600), ALIVE, SOLID)
    add("repairing|fixing", marked("1F527", True, 500), ALIVE, frozenset({"vehicle", "thing", "place"}))
    add("healing|bandaging", marked("1FA79", True, 500), ALIVE, ALIVE)
    add("hammering|hitting", marked("1F528", True, 500), ALIVE, SOLID)
    add("buying|paying for", marked("1F4B8", False, 500), ALIVE, SOLID)
    add("measuring", marked("1F4CF", True, 700), ALIVE, SOLID)
    add("searching for|investigating", beside(280, "1F50D"), ALIVE, ALL)
    add("cutting", beside(160, "2702"), ALIVE, STUFF)
    add(
        "bursting out of|emerging from|hatching from",
        bursting,
        SMALL,
        frozenset({"thing", "food", "place", "sky", "vehicle"}),
    )
    return table


RELATIONS: Mapping[str, Relation] = _relations()
