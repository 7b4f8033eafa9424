"""Places: the phrases that set a scene somewhere, and the backdrops that show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from PIL import Image

from unprompt.errors import ConfigError
from unprompt.pocket.backdrops import (
    Framed,
    Painter,
    boards,
    curtain,
    deep,
    faded,
    flat,
    land,
    marble,
    paper,
    patterned,
    room,
)
from unprompt.pocket.dice import Dice
from unprompt.pocket.drawings import drawing, shape
from unprompt.pocket.textures import clipped, faint
from unprompt.pocket.vocabulary import countries
from unprompt.pocket.window import Window

STREWN = ("back", "ground", "air", "walls", "flag", "corners")


@dataclass(frozen=True)
class Place:
    """A backdrop: its painter, and the drawings that stand in it by how they are strewn.

    `strewn` is "back" (on the horizon), "ground" (small, in the fore), "air" (anywhere above), "walls"
    (hung in two rows), "flag" (one in an upper corner) or "corners".
    """

    paint: Painter
    drawings: tuple[str, ...] = ()
    strewn: str = "back"
    count: int = 5
    size: int = 220  # of the drawings, in thousandths of the picture

    def __post_init__(self) -> None:
        if self.strewn not in STREWN:
            raise ConfigError(f"unknown way to strew '{self.strewn}'; use one of: {', '.join(STREWN)}")


def strew(
    canvas: Image.Image, place: Place, window: Window, lines: bool, light_left: bool, dice: Dice
) -> None:
    """Paste a place's drawings into its backdrop's window, pale and small where they are far."""
    for number in range(place.count if place.drawings else 0):
        name = place.drawings[number % len(place.drawings)]
        side = min(window.width, window.height) if place.strewn == "flag" else window.scale
        size = side * place.size * dice.between(85, 115) // 100_000
        x, y, share = _spot(place.strewn, number, place.count, window, size, dice)
        wide, tall = shape(name)
        w, h = max(2, size * wide // 1000), max(2, size * tall // 1000)
        sprite = drawing(name, size, lines, light_left).resize((w, h), Image.Resampling.BILINEAR)
        canvas.paste(
            sprite, (window.left + x - w // 2, window.top + y - h), faint(sprite.getchannel("A"), share)
        )


def _spot(
    strewn: str, number: int, count: int, window: Window, size: int, dice: Dice
) -> tuple[int, int, int]:
    """Where in the window the foot's middle of one of a place's drawings is, and how much shows, of 256."""
    width, height = window.width, window.height
    across = width * (2 * number + 1) // (2 * count) + width * dice.between(-60, 60) // 1000
    if strewn == "back":
        return across, height * dice.between(630, 690) // 1000, 215
    if strewn == "ground":
        return across, height * dice.between(760, 990) // 1000, 245
    if strewn == "air":
        return across, size + (height * 6 // 10) * dice.below(100) // 100, 225
    if strewn == "walls":
        return across, height * (300 if number % 2 else 520) // 1000 + size // 3, 235
    if strewn == "flag":
        return width * (200 if dice.chance(50) else 800) // 1000, height * 350 // 1000, 255
    corner = number % 4
    return (
        (size * 6 // 10 if corner % 2 else width - size * 6 // 10),
        (size if corner < 2 else height - size // 10),
        250,
    )


_MEADOW = land("#7fbcec", "#d8f0fa", "#8cc860", "#4c8830")
_STREET = land("#90b8d8", "#e0e8ec", "#8a8a8e", "#525258", 640)
_GREY_SEA = land("#86b8e0", "#d0e8f4", "#3880b0", "#184878", 480, 30)
_WALL = room("#e8dcc4", "#d8c8a8", "#a87848", "#704824")


def _places() -> dict[str, Place]:
    table: dict[str, Place] = {}

    def add(
        words: str, paint: Painter, drawings: str = "", strewn: str = "back", count: int = 5, size: int = 220
    ) -> None:
        place = Place(paint, tuple(drawings.split()), strewn, count, size)
        table.update(dict.fromkeys(words.split("|"), place))

    # Landscapes
    add("on a green meadow|in a grassy field", _MEADOW, "1F33C 1F33F", "ground", 7, 90)
    add(
        "on a sandy beach|at the seaside",
        land("#68b8ec", "#c8ecfa", "#f0dca0", "#d8b468", 560),
        "1F334 26F1 1F41A",
        "back",
        3,
        300,
    )
    add(
        "in a dark forest|deep in the woods",
        land("#1c3428", "#3c5c40", "#2c4424", "#141f10", 560),
        "1F332",
        "back",
        7,
        420,
    )
    add(
        "in an autumn forest|among autumn leaves",
        land("#f0d8a0", "#f8e8c8", "#b86828", "#6c3810"),
        "1F342 1F341",
        "ground",
        8,
        130,
    )
    add(
        "in the jungle|in a rainforest",
        land("#48886c", "#a8d890", "#2c6c34", "#123c18"),
        "1F334 1F33F",
        "back",
        7,
        420,
    )
    add(
        "in the desert|among sand dunes",
        land("#8cc8ec", "#f8e4b8", "#e8bc70", "#b87c38", 560),
        "1F335",
        "back",
        3,
        280,
    )
    add(
        "in the mountains|in the Alps",
        land("#6ca8e0", "#e0f0fa", "#78a068", "#3c6038", 640),
        "1F3D4",
        "back",
        3,
        480,
    )
    add(
        "on a snowy field|in a winter landscape",
        land("#b0c4d8", "#e8eef4", "#f4f8fc", "#c8d8e8", 580, 12),
        "1F332 26C4",
        "back",
        4,
        240,
    )
    add(
        "in Antarctica|in the arctic",
        land("#88b8dc", "#d8f0fc", "#e8f4fc", "#88b8d8", 540, 14),
        "E2C0 1F427",
        "back",
        3,
        300,
    )
    add("on a city street|in the middle of downtown", _STREET, "1F3E2 1F3EC 1F3E6", "back", 5, 420)
    add("in a village|in a small town", _MEADOW, "1F3E0 1F3E1 26EA", "back", 4, 300)
    add("in a harbor|at the docks", _GREY_SEA, "26F5 2693 26F4", "back", 3, 260)
    add("on the open sea|in the ocean", _GREY_SEA, "1F30A", "ground", 6, 150)
    add(
        "on a lake|by the lake",
        land("#a8d0ec", "#f0f4e8", "#4c94a8", "#205868", 520, 30),
        "1F986 1F332",
        "back",
        4,
        170,
    )
    add(
        "in a swamp|in the wetlands",
        land("#8c9c78", "#c8cca0", "#4c5c34", "#232c18", 560),
        "1F438 1F33F 1FABE",
        "back",
        5,
        240,
    )
    add("in a flower garden|among the flowers", _MEADOW, "1F337 1F33B 1F339 1F33A", "ground", 9, 170)
    add("in a sunflower field", land("#6cb4f0", "#d8f0fc", "#a8b040", "#5c6c20"), "1F33B", "ground", 11, 190)
    add(
        "in a wheat field|at harvest time",
        land("#8cc4e8", "#f8f0c8", "#e0b848", "#a87820"),
        "1F33E",
        "ground",
        11,
        180,
    )
    add("in a vineyard", land("#9ccbe8", "#f4ecd0", "#789848", "#46602c"), "1F347 1F33F", "ground", 8, 150)
    add("on a farm|in a barnyard", _MEADOW, "1F69C 1F404 1F414", "back", 3, 230)
    add("in a pumpkin patch", land("#e8a860", "#f8dca8", "#806030", "#4c3818"), "1F383", "ground", 7, 170)
    add(
        "in a graveyard|in a cemetery",
        land("#3c4858", "#8490a0", "#485848", "#242c28"),
        "1FAA6",
        "ground",
        6,
        200,
    )
    add("in a cave|inside a cavern", deep("#0c0a08", "#4c4034", haze="#6c5c48"), "1F987", "air", 4, 110)
    add(
        "in a lava field|in a volcanic wasteland",
        land("#381410", "#c04818", "#401814", "#e05818", 560, 60),
        "1F30B",
        "back",
        2,
        420,
    )
    add(
        "on a tropical island|in a lagoon",
        land("#50b4f0", "#c0f0fa", "#30c0c8", "#f0d890", 520),
        "1F3DD 1F334",
        "back",
        3,
        300,
    )
    add(
        "in a canyon|in the badlands",
        land("#78b8e8", "#f8d8b0", "#c86838", "#803818", 500, 50),
        "1FAA8",
        "ground",
        6,
        160,
    )
    add("in a bamboo grove", land("#a8d8a0", "#e8f8d0", "#78a850", "#3c6828"), "1F38B", "back", 6, 460)
    add(
        "under the cherry trees|in a Japanese garden",
        land("#f8d8e4", "#fff0f4", "#98c078", "#587848"),
        "1F338 26E9",
        "back",
        5,
        260,
    )
    add("in a mushroom forest", land("#583c78", "#c898c8", "#486838", "#203418"), "1F344", "ground", 8, 210)
    add("on a golf course", _MEADOW, "26F3", "back", 2, 260)
    add(
        "on a football field|in a stadium",
        land("#88b8dc", "#e0e8ec", "#48a848", "#2c7c30", 480, 8),
        "1F945 1F3DF",
        "back",
        2,
        300,
    )
    add(
        "on a race track|on the highway",
        land("#98c4e8", "#e8f0f4", "#58585c", "#343438", 600),
        "1F3C1 1F6A6",
        "back",
        3,
        200,
    )
    add(
        "on the railway tracks|at a train station",
        land("#a0b8c8", "#e4e8e8", "#7c7468", "#4c443c", 600),
        "1F689 1F683",
        "back",
        2,
        330,
    )
    add(
        "at the airport|on a runway",
        land("#88c0ec", "#e4f0f8", "#74787c", "#44484c", 620),
        "2708 1F6EB",
        "back",
        3,
        210,
    )
    add(
        "at a carnival|at the fairground",
        land("#f098b8", "#fce4c0", "#c89058", "#885830"),
        "1F3A1 1F3AA 1F3A0",
        "back",
        3,
        400,
    )
    add("in a playground", _MEADOW, "1F6DD", "back", 2, 320)
    add(
        "at a campsite|around a campfire",
        land("#182848", "#506890", "#3c5030", "#1c2818"),
        "1F3D5 1F525",
        "back",
        2,
        260,
    )
    add(
        "on a construction site",
        land("#a8bccc", "#e8e4d8", "#b09468", "#745c38"),
        "1F3D7 1F6A7",
        "back",
        3,
        320,
    )
    add(
        "among ruins|in a ghost town",
        land("#8c8478", "#c8bca8", "#7c6c58", "#443c30"),
        "1F3DA",
        "back",
        4,
        330,
    )
    add(
        "on a battlefield",
        land("#5c5450", "#b89878", "#6c5c40", "#38301f", 560, 60),
        "1F4A5 2694",
        "back",
        4,
        200,
    )
    add(
        "on a treasure island",
        land("#50b4f0", "#c0f0fa", "#f0d890", "#c89848", 520),
        "1F3F4-200D-2620-FE0F 1FA8E 1F334",
        "back",
        3,
        260,
    )

    # Other worlds
    add(
        "on the moon|on the lunar surface",
        land("#02020a", "#10101c", "#a8a8a8", "#606064", 600, 60),
        "1F30D",
        "flag",
        1,
        240,
    )
    add(
        "on Mars|on the red planet",
        land("#c88058", "#f0b888", "#b84820", "#6c240c", 560, 50),
        "1FAA8 1F6F0",
        "ground",
        4,
        120,
    )
    add(
        "in outer space|floating through the cosmos",
        deep("#02020c", "#181038", 3, "#502878"),
        "1FA90 2B50",
        "air",
        4,
        140,
    )
    add(
        "in a distant galaxy|inside a nebula",
        deep("#100428", "#401058", 3, "#e060a0"),
        "1F30C",
        "air",
        1,
        240,
    )
    add(
        "underwater|at the bottom of the sea",
        deep("#48b0d8", "#0c3060", waves=True),
        "1F420 1FAB8 1FAE7",
        "air",
        6,
        130,
    )
    add("in a coral reef", deep("#50d0e0", "#1868a0", waves=True), "1FAB8", "ground", 7, 230)
    add("in the sky|among the clouds", deep("#4898e8", "#d0ecfc"), "2601", "air", 7, 250)
    add("in heaven", deep("#fff4c8", "#ffffff"), "2601 1F47C", "air", 6, 220)
    add(
        "in hell|in the underworld",
        land("#200404", "#901808", "#300808", "#f05010", 560, 60),
        "1F525 1F479",
        "back",
        5,
        240,
    )
    add(
        "in fairyland|in a magical kingdom",
        land("#d0a0f0", "#ffd8f0", "#a8d890", "#58a068"),
        "1F308 1F3F0",
        "back",
        2,
        420,
    )
    add(
        "in candy land",
        land("#ffb8d8", "#fff0d8", "#f8d0a0", "#e888a8"),
        "1F36D 1F36C 1F369",
        "ground",
        7,
        180,
    )
    add("in the matrix|in cyberspace", patterned("#04140a", "squares", "#18a048"), "1F4BB", "corners", 2, 170)
    add(
        "in prehistoric times|in the Jurassic",
        land("#d8a878", "#f8e8b8", "#789850", "#3c5828"),
        "1F30B 1F995",
        "back",
        2,
        330,
    )

    # Rooms
    add(
        "in a kitchen",
        room("#f4ecd8", "#e8dcc0", "#b8b4ac", "#78746c", "tiles"),
        "1F373 1F52A 1F372",
        "walls",
        4,
        150,
    )
    add(
        "in a library|in a bookstore",
        room("#7c5434", "#5c3c24", "#6c4020", "#40240f", "panels"),
        "1F4DA 1F4D5 1F4D7",
        "walls",
        8,
        150,
    )
    add(
        "in a bathroom",
        room("#c8ecf4", "#b0dce8", "#e8f0f4", "#90b0bc", "tiles"),
        "1F6C1 1F6BF",
        "back",
        2,
        320,
    )
    add("in a bedroom", room("#c4b4dc", "#b0a0cc", "#a88060", "#684830", "stripes"), "1F6CF", "back", 2, 420)
    add("in a living room", _WALL, "1F6CB 1F4FA", "back", 2, 360)
    add(
        "in a classroom|at school",
        room("#245040", "#1c4034", "#b08858", "#705030"),
        "1F4D0 1F9EE 1F4CF",
        "walls",
        4,
        150,
    )
    add("in an office", room("#dce4ec", "#c8d4e0", "#8890a0", "#505868"), "1F5A5 1F5C4 1F4C8", "back", 3, 230)
    add(
        "in an art gallery|in a museum",
        room("#f4f4f0", "#e4e4e0", "#b89868", "#886840"),
        "1F5BC",
        "walls",
        4,
        230,
    )
    add(
        "in a hospital|in the emergency room",
        room("#d8f0ec", "#c0e4e0", "#d8e0e4", "#90a0a8"),
        "1FA7A 1F489 1F6CF",
        "walls",
        4,
        170,
    )
    add(
        "in a laboratory",
        room("#dce8f0", "#c0d0dc", "#98a4b0", "#586470", "tiles"),
        "1F52C 1F9EA 2697",
        "back",
        4,
        230,
    )
    add(
        "in a supermarket|in a grocery aisle",
        room("#f4e8c8", "#e8d8b0", "#d8dce0", "#989ca4"),
        "1F6D2 1F96B 1F34E",
        "walls",
        6,
        150,
    )
    add(
        "in a bar|at the pub",
        room("#583020", "#3c2014", "#50301c", "#28160c", "panels"),
        "1F37A 1F378 1F377",
        "walls",
        6,
        150,
    )
    add("on a stage|in a theater", curtain("#a01828"), "1F3AD", "corners", 2, 170)
    add(
        "in a workshop|in a toolshed",
        room("#a8845c", "#886844", "#786048", "#443424", "panels"),
        "1F528 1FA9A 1F527",
        "walls",
        6,
        140,
    )
    add(
        "in a throne room",
        room("#602040", "#481430", "#a87838", "#684818", "ornate"),
        "1F451 1F6E1",
        "walls",
        4,
        180,
    )
    add("in a bakery", room("#f4dcb8", "#e8c898", "#c09058", "#805828"), "1F950 1F956 1F370", "walls", 6, 160)
    add(
        "in a toy store",
        room("#f8d048", "#f0b830", "#50a8d8", "#286898", "stripes"),
        "1F9F8 1FA80 1F3B2",
        "walls",
        6,
        160,
    )
    add(
        "in a casino",
        room("#700c20", "#500818", "#186838", "#0c3c20", "ornate"),
        "1F3B0 1F3B2 1FA99",
        "walls",
        6,
        150,
    )
    add(
        "in a nightclub|on the dance floor",
        deep("#200840", "#801878", haze="#e030c0"),
        "1FAA9",
        "air",
        1,
        250,
    )
    add("in a gym", room("#c8ccd4", "#a8b0bc", "#60646c", "#34383f"), "1F94A 1F3CB", "walls", 4, 190)
    add(
        "in a dungeon|in a prison cell",
        room("#504c48", "#38342f", "#403c38", "#201e1c", "bricks"),
        "26D3 1F578",
        "walls",
        4,
        200,
    )
    add(
        "in a haunted attic",
        room("#40342c", "#2c241f", "#4c3824", "#281c10", "panels"),
        "1F578 1F987 1F47B",
        "walls",
        5,
        160,
    )
    add(
        "in a recording studio",
        room("#38343c", "#28242c", "#605040", "#38302a", "panels"),
        "1F399 1F39A 1F3A7",
        "walls",
        5,
        160,
    )
    add("in a laundromat", room("#b8e0e8", "#a0ccd8", "#d8dce0", "#989ca4", "tiles"), "E1CF", "back", 4, 240)
    add(
        "in a greenhouse",
        room("#d0f0d8", "#b8e4c4", "#a8886c", "#6c5440", "tiles"),
        "1FAB4 1F335",
        "back",
        6,
        220,
    )
    add("in a church", room("#e8e0d0", "#d0c4b0", "#a09080", "#605448"), "1F56F 271D", "back", 4, 210)
    add(
        "in a swimming pool|in a water park",
        patterned("#38b8e8", "waves", "#68d0f4"),
        "1F6DF",
        "corners",
        3,
        150,
    )
    add("at the dentist", room("#d8f4f0", "#b8e4e0", "#e8ecf0", "#a8b0b8"), "1F9B7 1FAA5", "walls", 4, 170)
    add(
        "in a garage|at a gas station",
        room("#a8a8ac", "#8c8c90", "#606064", "#38383c", "bricks"),
        "26FD 1F527",
        "back",
        3,
        220,
    )
    add(
        "in a wizard's tower",
        room("#382858", "#241840", "#584868", "#302440", "bricks"),
        "1F52E 1F9EA 1F4D6",
        "walls",
        5,
        160,
    )
    add(
        "in a bowling alley",
        room("#384878", "#283458", "#d8a860", "#a87838", "stripes"),
        "1F3B3",
        "back",
        3,
        220,
    )
    add(
        "in a cinema|at the movies",
        room("#1c1014", "#302024", "#481820", "#280c10"),
        "1F39E 1F37F 1F3AC",
        "walls",
        5,
        160,
    )
    add(
        "in a barber shop",
        room("#e8e4dc", "#d0ccc4", "#303034", "#1c1c20", "tiles"),
        "1F488 2702",
        "walls",
        4,
        190,
    )
    add("in a courtroom", room("#7c5030", "#603c20", "#8c5c38", "#50301c", "panels"), "2696", "walls", 3, 230)
    add(
        "in the trenches",
        land("#807868", "#a89c84", "#5c4c34", "#30281b", 420, 70),
        "1FA96",
        "ground",
        4,
        150,
    )

    # Plain and patterned backgrounds
    for colour, value in (
        ("white", "#fafafa"),
        ("black", "#101014"),
        ("red", "#d02830"),
        ("orange", "#f08828"),
        ("yellow", "#f8d838"),
        ("green", "#38a850"),
        ("turquoise", "#28b8b8"),
        ("blue", "#2c60d0"),
        ("purple", "#7c38b8"),
        ("pink", "#f890b8"),
        ("brown", "#7c5030"),
        ("grey", "#909094"),
        ("beige", "#e8dcc0"),
    ):
        add(f"on a {colour} background|isolated on {colour}", flat(value))
        add(f"against a {colour} brick wall", patterned(value, "bricks", "#5c5450"))
    add("on a striped background", patterned("#e84860", "stripes", "#f8f0e0"))
    add(
        "on a checkered tablecloth|on a picnic blanket",
        patterned("#d83038", "checks", "#fcf4f0"),
        "1F9FA",
        "corners",
        1,
        180,
    )
    add("on a chessboard", patterned("#2c2420", "checks", "#e8dcc0"), "265E", "corners", 1, 150)
    add("on a polka dot background", patterned("#38a0c8", "dots", "#ffffff"))
    add("in front of a sunburst", patterned("#f8b828", "rays", "#f06030"))
    add("on a psychedelic background|in a swirling vortex", patterned("#e030a0", "rings", "#40e0d0"))
    add("on graph paper", patterned("#f8fcff", "squares", "#a8cce8"), "1F4D0", "corners", 1, 140)
    add("on lined notebook paper", patterned("#fcfcf4", "rules", "#88a8d8"), "270F", "corners", 1, 140)
    add("on old parchment|on an ancient scroll", paper("#dcc08c"))
    add("on a wooden table|on a wood plank", boards("#b07840"))
    add("on a marble floor", marble("#e8e8ec"))
    add("on floral wallpaper", flat("#e4ecd0"), "1F339 1F33C", "air", 10, 120)
    add("on a pastel gradient|in a pastel sky", faded("#f8c8e0", "#a8d8f8"))
    add("on a persian carpet", Framed(patterned("#8c1c2c", "ornaments", "#d8a848"), "#28305c", 70))
    add("on a postage stamp", Framed(flat("#88b8a8"), "#f8f4e8", 90, perforated=True))
    add("on a playing card", Framed(flat("#fcfcfc"), "#c8c8cc", 30), "2660 2665", "corners", 4, 110)
    add(
        "on a computer screen|in a video game",
        Framed(patterned("#2050a0", "squares", "#2c60b8"), "#303034", 60),
        "1F5B1",
        "corners",
        1,
        110,
    )
    add("in a golden picture frame", Framed(paper("#c8c0a8"), "#c89830", 80))
    add("on a traffic sign", Framed(flat("#fcfcfc"), "#d82028", 110))
    add(
        "on a movie poster",
        Framed(faded("#181830", "#c04830"), "#0c0c10", 50),
        "1F3AC",
        "corners",
        1,
        130,
    )
    add("on a coffee mug", faded("#e8e0d4", "#b89878"), "2615", "corners", 4, 160)
    add("on a treasure map", paper("#e0c488"), "1F9ED 274C", "corners", 2, 160)
    add("on a birthday card", Framed(flat("#fce8f0"), "#f080b0", 50), "1F382 1F388", "corners", 4, 150)

    # Cities and countries, by their landmarks and flags
    old_land = land("#80b8e0", "#f4ecd0", "#d0b880", "#8c7040")
    for landmark, ground, words in (
        ("E205", old_land, "in Paris"),
        ("1F5FD", _STREET, "in New York|in Manhattan"),
        ("1F5FC", _STREET, "in Tokyo"),
        ("E20F", old_land, "in ancient Egypt|near the pyramids"),
        ("1F5FF", _MEADOW, "on Easter Island"),
        ("26E9", old_land, "in Kyoto"),
        ("E212", _GREY_SEA, "in Alexandria"),
        ("1F3EF", old_land, "in feudal Japan"),
        ("1F5FB", _MEADOW, "at the foot of Mount Fuji"),
        ("1F3DB", old_land, "in ancient Greece|in Athens"),
        ("1F3DF", old_land, "in ancient Rome"),
        ("1F54C", old_land, "in Istanbul|in Baghdad"),
        ("1F3F0", _MEADOW, "in the Middle Ages"),
        ("1F309", _GREY_SEA, "in San Francisco"),
        ("E20A", _MEADOW, "in Stuttgart"),
        ("E211", old_land, "in Babylon"),
        ("1F6D5", old_land, "in Delhi"),
        ("1F3B0", _STREET, "in Las Vegas"),
        ("E2D4", old_land, "in Chernobyl"),
        ("1F3A2", _MEADOW, "at Disneyland"),
        ("E149", _STREET, "in London"),
    ):
        add(words, ground, landmark, "flag", 1, 520)
    grounds = (_MEADOW, _GREY_SEA, _STREET, old_land)
    for number, (name, noun) in enumerate(countries().items()):
        add(f"in {name}", grounds[number % 4], noun.drawing, "flag", 1, 380)
    return table


PLACES: Mapping[str, Place] = _places()


def backdrop(place: Place, window: Window, lines: bool, light_left: bool, dice: Dice) -> Image.Image:
    """A place without its subjects: RGB, the window's square. A frame stands in the window whole."""
    canvas = Image.fromarray(clipped(place.paint(window.side, dice)))
    if isinstance(place.paint, Framed):
        canvas = window.filled(canvas)
    strew(canvas, place, window, lines, light_left, dice)
    return canvas


ANYWHERE = (
    Place(faded("#f4ead4", "#d8c4a0")),
    Place(faded("#b8d8ec", "#f0f4f0")),
    Place(faded("#f0c8b8", "#f8ecd8")),
    Place(faded("#c0dcc0", "#f0f4dc")),
    Place(faded("#d8cce8", "#f4f0f8")),
    Place(faded("#585c68", "#98a0ac")),
    Place(_MEADOW),
    Place(_WALL),
    Place(land("#f0b890", "#fce8c8", "#a88868", "#6c5440")),
    Place(land("#a8b8c8", "#e4e8ec", "#a0a4a0", "#686c68")),
)
