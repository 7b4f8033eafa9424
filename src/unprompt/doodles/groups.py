"""From the strokes of a sheet to its things: grouped, named in their context, counted and placed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from unprompt.doodles.drawing import Drawing, take
from unprompt.doodles.facts import SceneFacts, around, read_places
from unprompt.doodles.group_network import GROUP, GroupNetwork, Told
from unprompt.doodles.joins import CLEAR, Join, Judge, see_joins
from unprompt.doodles.nouns import SOMETHING
from unprompt.doodles.strokes import Strokes, along, clusters_of, join_clusters, see_strokes, take_together

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from unprompt.doodles.name import Names

    Reals = NDArray[np.float32]

BATCH = 16  # sheets that are looked at together
FINELY = 32  # points of a stroke by which its nearness is measured


@dataclass(frozen=True, eq=False)
class Group:
    """Strokes of a sheet that are one thing, by number, and the box (4,) around them."""

    strokes: tuple[int, ...]
    box: NDArray[np.float64]


def group_of(drawing: Drawing, strokes: Sequence[int]) -> Group:
    """A group and its box."""
    low, high = take(drawing, strokes).bounds
    return Group(tuple(strokes), np.concatenate([low, high]))


# --- which strokes belong together


def gather(seen: Sequence[Strokes]) -> Told:
    """Sheets -> what the network is told of their strokes."""
    import torch

    most = max(len(one.each) for one in seen)
    each = np.zeros((len(seen), most, seen[0].each.shape[1]), np.float32)
    pairs = np.zeros((len(seen), most, most, seen[0].pairs.shape[2]), np.float32)
    there = np.zeros((len(seen), most), bool)
    for row, one in enumerate(seen):
        count = len(one.each)
        each[row, :count], pairs[row, :count, :count], there[row, :count] = one.each, one.pairs, True
    return Told(torch.from_numpy(each), torch.from_numpy(pairs), torch.from_numpy(there))


def group_strokes(network: GroupNetwork, drawings: Sequence[Drawing], namer: Names) -> list[list[Group]]:
    """The things of each drawing, as groups of its strokes; none for an empty sheet.

    Where the strokes do not say clearly what belongs together, the namer is asked too; see joins.py.
    """
    import torch

    device = next(network.parameters()).device

    def judge(joins: Sequence[Join]) -> list[bool]:
        with torch.inference_mode():
            scores = network.joins(torch.from_numpy(see_joins(joins, namer)).to(device))
        found: list[bool] = (scores > 0).tolist()
        return found

    return group_by(network, drawings, judge)


def group_by(network: GroupNetwork, drawings: Sequence[Drawing], judge: Judge) -> list[list[Group]]:
    """The same where `judge` says which of the joins that are not clear are to be."""
    found: list[list[Group]] = []
    for first in range(0, len(drawings), BATCH):
        sheets = [
            _Sheet(first + number, drawing, take_together(drawing) if drawing.strokes else [])
            for number, drawing in enumerate(drawings[first : first + BATCH])
        ]
        for sheet, clusters in zip(sheets, _join_all(sheets, _score(network, sheets), judge), strict=True):
            found.append([group_of(sheet.drawing, sheet.strokes(cluster)) for cluster in clusters])
    return found


class _Sheet(NamedTuple):
    """A drawing, its number, and the bunches of its strokes that are looked at as one stroke."""

    number: int
    drawing: Drawing
    bunches: Sequence[Sequence[int]]

    def strokes(self, bunches: Sequence[int]) -> tuple[int, ...]:
        """Those of some of its bunches."""
        return tuple(sorted(stroke for bunch in bunches for stroke in self.bunches[bunch]))


def _score(network: GroupNetwork, sheets: Sequence[_Sheet]) -> list[Reals]:
    """How much each two of the N bunches of each sheet are of one thing (N, N), above 0 for it."""
    import torch

    device = next(network.parameters()).device
    found = [np.zeros((len(sheet.bunches), len(sheet.bunches)), np.float32) for sheet in sheets]
    several = [n for n, sheet in enumerate(sheets) if len(sheet.bunches) > 1]
    if several:
        told = gather([see_strokes(_bunched(sheets[n].drawing, sheets[n].bunches)) for n in several])
        with torch.inference_mode():
            same = network.strokes(Told(*(tensor.to(device) for tensor in told))).cpu().numpy()
        for n, rows in zip(several, same, strict=True):
            found[n] = rows[: len(found[n]), : len(found[n])]
    return found


def _join_all(sheets: Sequence[_Sheet], scores: Sequence[Reals], judge: Judge) -> list[list[list[int]]]:
    """The clusters of bunches of all sheets, side by side: what is to be judged is judged together."""
    found: list[list[list[int]]] = [[] for _ in sheets]
    steps = [join_clusters(one, CLEAR) for one in scores]
    answers: dict[int, bool | None] = dict.fromkeys(range(len(sheets)))
    while answers:
        asked: dict[int, Join] = {}
        for n, answer in answers.items():
            try:
                one, other = steps[n].send(answer)
            except StopIteration as done:
                found[n] = done.value
                continue
            sheet = sheets[n]
            between = scores[n][np.ix_(one, other)]
            asked[n] = Join(sheet.number, sheet.drawing, sheet.strokes(one), sheet.strokes(other), between)
        answers = dict(zip(asked, judge(list(asked.values())), strict=True)) if asked else {}
    return found


def _bunched(drawing: Drawing, bunches: Sequence[Sequence[int]]) -> Drawing:
    """Each bunch as one stroke."""
    return Drawing(tuple(np.concatenate([drawing.strokes[n] for n in bunch]) for bunch in bunches))


def connected_groups(drawing: Drawing, near: float = 0.04) -> list[Group]:
    """The plain way: strokes nearer than a share of the sheet's side are of one thing."""
    if not drawing.strokes:
        return []
    bunches = take_together(drawing)
    strokes = _bunched(drawing, bunches).strokes
    low, high = drawing.bounds
    reach = near * max(float((high - low).max()), 1e-9)
    points = np.concatenate([along(stroke, FINELY) for stroke in strokes]).astype(np.float32) - low
    squares = (points * points).sum(1)
    distances = squares[:, None] + squares - 2 * (points @ points.T)
    count = len(strokes)
    touching = distances.reshape(count, FINELY, count, FINELY).min((1, 3)) < reach**2
    left, groups = set(range(len(bunches))), []
    while left:
        found, rim = set(), {min(left)}
        while rim:
            found |= rim
            rim = {int(n) for at in rim for n in np.flatnonzero(touching[at])} - found
        left -= found
        groups.append(group_of(drawing, sorted(n for at in found for n in bunches[at])))
    return groups


# --- what they are


def tell_groups(drawing: Drawing, groups: Sequence[Group]) -> tuple[Reals, Reals]:
    """What the network is told of the groups of a sheet: each (G, GROUP), and pairs (G, G, BOTH - 1)."""
    boxes = np.stack([group.box for group in groups])
    whole = around(boxes)
    side = max(float((whole[2:] - whole[:2]).max()), 1e-9)
    middle = (whole[:2] + whole[2:]) / 2
    placed = (boxes - np.tile(middle, 2)) * 2 / side
    sizes = placed[:, 2:] - placed[:, :2]
    largest = np.log(sizes.max(1) + 1e-2)
    counts = np.log([len(group.strokes) for group in groups])
    each = np.column_stack(
        [
            (placed[:, :2] + placed[:, 2:]) / 2,
            sizes,
            largest,
            largest - largest.mean(),
            counts,
            np.full(len(groups), np.log(len(groups))),
        ]
    )
    assert each.shape[1] == GROUP
    centres = each[:, :2]
    apart = np.maximum(placed[:, None, :2] - placed[None, :, 2:], placed[None, :, :2] - placed[:, None, 2:])
    pairs = np.stack(
        [
            np.hypot(*(centres[:, None] - centres[None]).transpose(2, 0, 1)),
            apart.max(2),
            np.abs(largest[:, None] - largest),
            np.abs(placed[:, None, 3] - placed[None, :, 3]),
        ],
        2,
    )
    return each.astype(np.float32), pairs.astype(np.float32)


@dataclass(frozen=True, eq=False)
class Named:
    """Kinds of things of a sheet: `nouns`, how `sure` of each, the numbers of its `groups`."""

    nouns: tuple[str, ...]
    sure: tuple[float, ...]
    groups: tuple[tuple[int, ...], ...]


def settle(
    logits: NDArray[np.floating], same: NDArray[np.floating], words: Sequence[str], sure: float
) -> Named:
    """Kinds of things from what the network says of G groups: logits (G, words + 1), same (G, G).

    Groups that are no thing are left out, unless nothing else is there. Those of one kind are called what
    they are together; what is less probable than `sure` is SOMETHING.
    """
    probable = _softmax(logits)
    things = np.flatnonzero(probable[:, -1] < 0.5)
    if not len(things):
        things = np.arange(len(logits))
    found: dict[str, tuple[float, list[int]]] = {}
    unsure: list[tuple[float, list[int]]] = []
    for cluster in clusters_of(same[np.ix_(things, things)]):
        members = things[cluster]
        together = _softmax(logits[members, :-1].mean(0, keepdims=True))[0]
        best = int(together.argmax())
        probability, numbers = float(together[best]), members.tolist()
        if probability < sure:
            unsure.append((probability, numbers))
            continue
        before = found.get(words[best], (1.0, []))
        found[words[best]] = (min(before[0], probability), before[1] + numbers)
    rows = [(noun, *known) for noun, known in found.items()]
    rows += [(SOMETHING, *known) for known in unsure]
    return Named(
        tuple(noun for noun, _, _ in rows),
        tuple(probability for _, probability, _ in rows),
        tuple(tuple(numbers) for _, _, numbers in rows),
    )


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    raised = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    found: NDArray[np.float64] = raised / raised.sum(1, keepdims=True)
    return found


def name_groups(
    network: GroupNetwork, drawing: Drawing, groups: Sequence[Group], probabilities: Reals, sure: float
) -> Named:
    """The kinds of things that the groups of a sheet are, by a namer's probabilities (G, words) of each."""
    import torch

    device = next(network.parameters()).device
    told = [torch.from_numpy(part)[None].to(device) for part in tell_groups(drawing, groups)]
    there = torch.ones(1, len(groups), dtype=torch.bool, device=device)
    with torch.inference_mode():
        logits, same = network.names(
            Told(told[0], told[1], there), torch.from_numpy(probabilities)[None].to(device)
        )
    return settle(logits[0].cpu().numpy(), same[0].cpu().numpy(), network.config.words, sure)


def renamed(named: Named, groups: Sequence[Group], words: Mapping[int, str]) -> Named:
    """The kinds of things after somebody has said what some are, each by the number of one of its strokes.

    What was taken for the same kind is of that word too, unless it has a word of its own. Of several words
    for one group the last counts.
    """
    own = {
        number: word
        for stroke, word in words.items()
        for number, group in enumerate(groups)
        if stroke in group.strokes
    }
    rows: list[tuple[str, float, list[int]]] = []

    def add(noun: str, sure: float, numbers: Sequence[int], joins: bool) -> None:
        same = next((row for row in rows if row[0] == noun), None) if joins else None
        if same is None:
            rows.append((noun, sure, list(numbers)))
        else:
            same[2].extend(numbers)

    for noun, sure, numbers in zip(named.nouns, named.sure, named.groups, strict=True):
        said = [own[number] for number in numbers if number in own]
        if not said:
            add(noun, sure, numbers, joins=noun != SOMETHING)
        for number in numbers if said else ():
            add(own.get(number, said[-1]), 1.0, [number], joins=True)
    known = {number for _, _, numbers in rows for number in numbers}
    for number, word in own.items():
        if number not in known:
            add(word, 1.0, [number], joins=True)
    return Named(
        tuple(noun for noun, _, _ in rows),
        tuple(sure for _, sure, _ in rows),
        tuple(tuple(sorted(numbers)) for _, _, numbers in rows),
    )


def facts_of(named: Named, groups: Sequence[Group]) -> SceneFacts:
    """What a caption says of kinds of things where they are."""
    return read_places(named.nouns, [np.stack([groups[n].box for n in numbers]) for numbers in named.groups])


def name_alone(groups: Sequence[Group], probabilities: Reals, words: Sequence[str]) -> Named:
    """The plain way: each group is what the namer says, and equal nouns are one kind."""
    best = probabilities.argmax(1)
    kinds = list(dict.fromkeys(best.tolist()))
    return Named(
        tuple(words[kind] for kind in kinds),
        tuple(float(probabilities[best == kind, kind].min()) for kind in kinds),
        tuple(tuple(np.flatnonzero(best == kind).tolist()) for kind in kinds),
    )
