"""Draw docs/rooms.svg from the imports: the rooms as boxes, lowest at the bottom, arrows to what they import.

`python -m docs.draw_rooms`, in the repository's root, after a room or an import between rooms was added.

The lowest rooms, single files (errors, records …), are the floor on which all others stand; arrows to them
are not drawn. Neither is an arrow that follows from others: app imports demos, demos imports serving, so that
app may import serving goes without saying. What is left is drawn in layers, as Sugiyama, Tagawa and Toda
(1981) do it: each room one layer above the highest that it imports, long arrows cut by passages in the layers
between, layers put in an order with few crossings, and then moved to where arrows are short.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise, takewhile
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
from tests.rooms import PACKAGE, ROOMS, arrows, lines_by_room

FILE = Path(__file__).with_name("rooms.svg")
WIDTH, HEIGHT = 122, 42  # of a room's box, pixels
PASSAGE = 14  # width that an arrow takes in a layer which it passes
GAP, RISE = 22, 84  # between boxes of a layer; from layer to layer
MARGIN, TITLE = 28, 46
SWEEPS = 40  # up and down over all layers, to put them in order; what is best is kept
FACES = ("app", "api", "cli", "python")

# A node is a room or, in a layer that an arrow passes, (from, to, layer).
Node = str | tuple[str, str, int]
Graph = dict[str, set[str]]


def floor() -> tuple[str, ...]:
    """The lowest rooms, up to the first that is a folder."""
    return tuple(takewhile(lambda room: (PACKAGE / f"{room}.py").is_file(), ROOMS))


def graph() -> Graph:
    """What each room above the floor imports of the others above it."""
    low = floor()
    imports: Graph = {room: set() for room in ROOMS if room not in low}
    for arrow in arrows():
        if arrow.start in imports and arrow.end in imports:
            imports[arrow.start].add(arrow.end)
    return imports


def reduced(imports: Graph) -> Graph:
    """The transitive reduction: without the arrows that follow from others. Rooms come lowest first."""
    below: Graph = {}
    for room, direct in imports.items():
        below[room] = direct.union(*(below[one] for one in direct))
    return {
        room: {one for one in direct if not any(one in below[other] for other in direct)}
        for room, direct in imports.items()
    }


def layer_by_room(imports: Graph) -> dict[str, int]:
    """Each room's layer, 0 the lowest: one above the highest that it imports.

    A room that imports nothing stands right below the lowest that imports it.
    """
    layers: dict[str, int] = {}
    for room, direct in imports.items():
        layers[room] = 1 + max((layers[one] for one in direct), default=-1)
    for room, direct in imports.items():
        above = [layers[other] for other, its in imports.items() if room in its]
        if not direct and above:
            layers[room] = min(above) - 1
    return layers


def ways(imports: Graph, layers: Mapping[str, int]) -> list[list[Node]]:
    """Each arrow as the nodes that it goes through, from the importing room down."""
    found: list[list[Node]] = []
    for start in imports:
        for end in sorted(imports[start], key=ROOMS.index):
            between = range(layers[start] - 1, layers[end], -1)
            found.append([start, *((start, end, layer) for layer in between), end])
    return found


def layer_of(node: Node, layers: Mapping[str, int]) -> int:
    """The layer of a room or of a passage."""
    return layers[node] if isinstance(node, str) else node[2]


def neighbours(lines: Sequence[Sequence[Node]]) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    """The nodes right above and right below each node."""
    above: dict[Node, list[Node]] = {node: [] for line in lines for node in line}
    below: dict[Node, list[Node]] = {node: [] for line in lines for node in line}
    for line in lines:
        for high, low in pairwise(line):
            below[high].append(low)
            above[low].append(high)
    return above, below


def crossings(rows: Sequence[Sequence[Node]], below: Mapping[Node, Sequence[Node]]) -> int:
    """How many pairs of lines cross between neighbouring layers."""
    count = 0
    for low, high in pairwise(rows):
        place = {node: number for number, node in enumerate(low)}
        ends = [sorted(place[other] for other in below[node]) for node in high]
        flat = [end for its in ends for end in its]
        count += sum(a > b for number, a in enumerate(flat) for b in flat[number + 1 :])
    return count


def ordered(rows: Sequence[Sequence[Node]], lines: Sequence[Sequence[Node]]) -> list[list[Node]]:
    """The layers with their nodes in an order that has few crossings: by the mean place of neighbours."""
    above, below = neighbours(lines)
    current = [list(row) for row in rows]
    best = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        up = sweep % 2 == 0
        look = below if up else above
        for number in range(1, len(current)) if up else range(len(current) - 2, -1, -1):
            row, near = current[number], current[number - 1 if up else number + 1]
            place = {node: (position + 0.5) / len(near) for position, node in enumerate(near)}
            own = {node: (position + 0.5) / len(row) for position, node in enumerate(row)}
            mean = {
                node: float(np.mean([place[other] for other in look[node]] or [own[node]])) for node in row
            }
            row.sort(key=mean.__getitem__)
        for number, row in enumerate(current):
            current[number] = swapped(current, number, row, below)
        if crossings(current, below) < crossings(best, below):
            best = [list(row) for row in current]
    return best


def swapped(
    rows: Sequence[Sequence[Node]], number: int, row: Sequence[Node], below: Mapping[Node, Sequence[Node]]
) -> list[Node]:
    """A layer with neighbours exchanged as long as that takes crossings away."""
    best = list(row)
    fewest = crossings(rows, below)
    for first in range(len(best) - 1):
        tried = [*best]
        tried[first], tried[first + 1] = tried[first + 1], tried[first]
        count = crossings([*rows[:number], tried, *rows[number + 1 :]], below)
        if count < fewest:
            best, fewest = tried, count
    return best


def apart(wanted: Sequence[float], widths: Sequence[float]) -> list[float]:
    """Centres nearest to the wanted ones (least squares) that keep the order and do not overlap.

    With the room that stands to the left of each taken off, it is an isotonic regression, which pooling
    adjacent violators solves.
    """
    left = np.cumsum([0.0, *((a + b) / 2 + GAP for a, b in pairwise(widths))])
    pools: list[tuple[float, int]] = []  # mean, and of how many
    for value in np.asarray(wanted) - left:
        pools.append((float(value), 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (low, few), (high, more) = pools.pop(), pools.pop()
            pools.append(((low * few + high * more) / (few + more), few + more))
    flat = [mean for mean, count in pools for _ in range(count)]
    return [float(value + offset) for value, offset in zip(flat, left, strict=True)]


def pull(node: Node, other: Node) -> float:
    """How strongly two ends of a line want to stand below each other: the middle of long arrows most."""
    return {0: 1.0, 1: 2.0, 2: 8.0}[(not isinstance(node, str)) + (not isinstance(other, str))]


def placed(rows: Sequence[Sequence[Node]], lines: Sequence[Sequence[Node]]) -> dict[Node, float]:
    """The x of every node: as near to the mean of its neighbours as its layer allows."""
    above, below = neighbours(lines)
    widths = {node: WIDTH if isinstance(node, str) else PASSAGE for row in rows for node in row}
    x = {}
    for row in rows:
        centres = apart([0.0] * len(row), [widths[node] for node in row])
        x |= dict(zip(row, centres, strict=True))
    for sweep in range(SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted = []
            for node in row:
                near = [*above[node], *below[node]] or [node]
                pulls = [pull(node, other) for other in near]
                wanted.append(float(np.average([x[other] for other in near], weights=pulls)))
            x |= dict(zip(row, apart(wanted, [widths[node] for node in row]), strict=True))
    return x


def about(count: int) -> int:
    """A number with one digit that counts, so that small changes of the code leave the drawing as it is."""
    return round(count, 1 - len(str(count)))


def purpose(room: str) -> str:
    """The first sentence that a room says of itself."""
    path = PACKAGE / room / "__init__.py"
    text = ast.get_docstring(ast.parse((path if path.exists() else PACKAGE / f"{room}.py").read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def box(room: str, x: float, y: float, width: float, lines: int, most: int) -> Iterator[str]:
    """One room; the bar in it is as long as it is large."""
    kind = "face" if room in FACES else "room"
    yield f'<g class="{kind}"><title>{escape(purpose(room))}</title>'
    yield f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="6"/>'
    yield f'<text x="{x + width / 2:.0f}" y="{y + 18:.0f}" class="name">{room}</text>'
    yield f'<text x="{x + width / 2:.0f}" y="{y + 32:.0f}" class="lines">{about(lines):,} lines</text>'
    long = max(2, about(lines) / about(most) * (width - 16))
    yield (f'<rect x="{x + 8:.0f}" y="{y + HEIGHT - 5:.0f}" width="{long:.0f}" height="2" class="bar"/></g>')


def curve(points: Sequence[tuple[float, float]]) -> str:
    """A line through points that leaves and enters each of them vertically."""
    text = f"M{points[0][0]:.0f} {points[0][1]:.0f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        half = (y1 - y0) / 2
        text += f"C{x0:.0f} {y0 + half:.0f} {x1:.0f} {y1 - half:.0f} {x1:.0f} {y1:.0f}"
    return text


STYLE = """\
text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;text-anchor:middle;fill:#15191d}
.room rect{fill:#fff;stroke:#8fa3a8}.face rect{fill:#e3f1f2;stroke:#0b6b75}
.name{font-size:13px;font-weight:600}.lines{font-size:10px;fill:#5d6a70}
.room .bar,.face .bar{fill:#0b6b75;stroke:none}
path.arrow{fill:none;stroke:#7b8d93;stroke-width:1.2}
.words{font-size:12px;fill:#5d6a70;text-anchor:start}
"""


def drawing() -> str:
    """The drawing as SVG."""
    imports = reduced(graph())
    layers = layer_by_room(imports)
    lines = ways(imports, layers)
    nodes: list[Node] = list(dict.fromkeys([*imports, *(node for line in lines for node in line)]))
    height = 1 + max(layers.values())
    rows = ordered(
        [[node for node in nodes if layer_of(node, layers) == number] for number in range(height)], lines
    )
    x = placed(rows, lines)
    leftmost = min(x[room] for room in imports) - WIDTH / 2
    x = {node: value - leftmost + MARGIN for node, value in x.items()}
    width = max(x[room] for room in imports) + WIDTH / 2 + MARGIN
    top = {node: TITLE + MARGIN + (height - 1 - layer_of(node, layers)) * RISE for node in nodes}
    ground = TITLE + MARGIN + height * RISE - 20
    total = ground + HEIGHT + MARGIN
    size = lines_by_room()
    most = max(size.values())
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{total}" '
        f'viewBox="0 0 {width:.0f} {total}" role="img" aria-label="The rooms and what they import">',
        f"<style>{STYLE}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        'orient="auto"><path d="M0 0.8L8 4L0 7.2z" fill="#7b8d93"/></marker></defs>',
        f'<rect width="{width:.0f}" height="{total}" rx="10" fill="#f5f6f7"/>',
        f'<text x="{MARGIN}" y="30" class="words">An arrow says: imports. Left out: what follows from '
        "other arrows, and all arrows to the floor.</text>",
    ]
    for line in lines:
        points: list[tuple[float, float]] = []
        for node in line:
            inside = [top[node], top[node] + HEIGHT]
            points += [(x[node], y) for y in inside]
        points = points[1:-1]  # from the lower edge of the first to the upper edge of the last
        parts.append(f'<path class="arrow" d="{curve(points)}" marker-end="url(#head)"/>')
    for room in imports:
        parts += box(room, x[room] - WIDTH / 2, top[room], WIDTH, size[room], most)
    low = floor()
    wide = (width - 2 * MARGIN - GAP * (len(low) - 1)) / len(low)
    for number, room in enumerate(low):
        parts += box(room, MARGIN + number * (wide + GAP), ground, wide, size[room], most)
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    FILE.write_text(drawing(), encoding="utf-8")
