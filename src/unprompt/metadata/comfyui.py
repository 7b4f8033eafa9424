"""ComfyUI's graphs: which text is wired to the `positive` of the sampler whose picture was saved.

A file has the graph up to twice: as `prompt`, in which each node has its inputs by name, a value or a link
[node, output]; and as `workflow`, the picture of the graph that the editor opens, with nodes that are muted
or bypassed. The first is taken where it is there, the second is brought into its form. Nodes of the many
packages by others are followed by the names of their inputs, which mostly are those of ComfyUI's own.

A graph from a file may have circles, any size, and nodes that each give twice what they are given: a walk
goes over each link once, so deep at most, and puts together so many characters at most.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unprompt.metadata.generation import Generation, number_of, object_of, size_of, text_of, whole_of

MOST_NODES = 20_000
MOST_DEPTH = 100  # nodes in a row between a sampler and a text
MOST_CHARACTERS = 100_000  # of a text that is put together
MOST_TOGETHER = 1 << 22  # characters of all such texts on one walk

MUTED, BYPASSED = 2, 4  # modes of a node in `workflow`

Link = tuple[str, int]  # the node, and which of its outputs


@dataclass
class Node:
    """A node: what it is, its values by name, and its links by name."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)


Graph = Mapping[str, Node]

# Texts of one encoder, or of several that are given the same sentence.
_TEXTS = (
    "populated_text", "text", "t5xxl", "text_g", "text_l", "clip_g", "clip_l", "llama", "prompt", "string",
    "value", "wildcard_text", "text_positive",
)  # fmt: skip
_NUMBERED = re.compile(r"(?:text|string|str|prompt|input)[_ ]?(?:[a-z]|\d{1,2})|(?:text|string)")
_JOINERS = ("delimiter", "separator", "delim")
_CONDITIONINGS = re.compile(r"(?:conditioning|cond|guider|input|value|any)\w*|\*|")
_NOT_TEXT = frozenset(
    {"clip", "model", "vae", "control_net", "image", "mask", "latent", "latent_image", "samples", "pixels",
     "clip_vision", "clip_vision_output", "style_model", "negative"}
)  # fmt: skip
_SAMPLER_SIGNS = frozenset(
    {"latent_image", "steps", "sampler_name", "noise_seed", "seed", "sigmas", "guider"}
)
_MODEL_NAMES = ("ckpt_name", "base_ckpt_name", "unet_name", "model_name")


def read_comfyui(prompt: Any, workflow: Any) -> Generation | None:
    """The record of a graph, from its JSON or what that says, in either form; None where it has no prompt."""
    found = None
    for graph in (_graph_of_prompt(object_of(prompt)), _graph_of_workflow(object_of(workflow))):
        if not graph:
            continue
        generation = _read_graph(graph)
        if generation is not None and generation.prompt:
            return generation
        found = found or generation
    return found


def _read_graph(graph: Graph) -> Generation | None:
    """The settings of the sampler that made the saved picture; None where the graph has no sampler."""
    sampler = find_sampler(graph)
    if sampler is None:
        return None
    node = graph[sampler]
    source = _Settings(graph, sampler)
    return Generation(
        prompt=_Walk(graph, "positive").of_sampler(node),
        negative=_Walk(graph, "negative").of_sampler(node),
        seed=whole_of(source.first("noise_seed", "seed", of=("noise",))),
        size=size_of(
            source.first("width", of=("latent_image",)), source.first("height", of=("latent_image",))
        ),
        sampler=text_of(source.first("sampler_name", of=("sampler",))),
        steps=whole_of(source.first("steps", of=("sigmas",)), 10**6),
        cfg=number_of(source.first("cfg", of=("guider",))),
        model=text_of(source.first(*_MODEL_NAMES, of=("model", "guider"))),
        tool="ComfyUI",
        others={
            name: text_of(value)
            for name, value in node.values.items()
            if name in ("scheduler", "denoise", "add_noise", "start_at_step", "end_at_step")
            and text_of(value)
        },
    )


# --- which sampler


def find_sampler(graph: Graph) -> str | None:
    """The sampler nearest before what saves the picture; one that only mends details gives way to others.

    A picture that is saved counts before one that is only shown. Without either, the last sampler of all.
    """
    seen: set[str] = set()  # what no sampler leads to, looked at once for all ends
    for ends in (_nodes_with(graph, "save", "output"), _nodes_with(graph, "preview", "combine")):
        for end in ends:
            before = [name for name in _upstream(graph, [end], seen) if _is_sampler(graph[name])]
            if before:
                painting = (name for name in before if "detailer" not in graph[name].kind.lower())
                return next(painting, before[0])
    left = [name for name, node in graph.items() if _is_sampler(node)]
    fed = set(_upstream(graph, [source for name in left for source, _ in graph[name].links.values()]))
    return next((name for name in reversed(left) if name not in fed), left[-1] if left else None)


def _nodes_with(graph: Graph, *words: str) -> list[str]:
    """Nodes whose kind has one of some words and that are given pictures, those of ComfyUI itself first."""
    named = [
        name
        for name, node in graph.items()
        if any(word in node.kind.lower() for word in words) and not _is_sampler(node)
    ]
    return sorted(named, key=lambda name: graph[name].kind not in ("SaveImage", "PreviewImage"))


def _is_sampler(node: Node) -> bool:
    """Whether a node paints: it has a `positive` and what a sampler needs, or a guider that has."""
    given = {*node.values, *node.links}
    if "guider" in node.links:
        return True
    if not {"positive", "negative"} & node.links.keys():
        return False
    named = any(word in node.kind.lower() for word in ("sampler", "detailer"))
    return named or ("positive" in node.links and len(given & _SAMPLER_SIGNS) >= 2)


def _upstream(graph: Graph, starts: Iterable[str], seen: set[str] | None = None) -> Iterator[str]:
    """Nodes and all that lead to them, the nearest first; those that are `seen` are not gone to again."""
    seen = set() if seen is None else seen
    queue: deque[str] = deque()

    def go_to(names: Iterable[str]) -> None:
        for name in names:
            if name in graph and name not in seen:
                seen.add(name)
                queue.append(name)

    go_to(starts)
    while queue:
        name = queue.popleft()
        yield name
        go_to(source for source, _ in graph[name].links.values())


# --- a sampler's settings


class _Settings:
    """Values that a sampler has, or a node that it is wired to by an input of a certain name."""

    def __init__(self, graph: Graph, sampler: str) -> None:
        self._graph = graph
        self._sampler = sampler

    def first(self, *names: str, of: Sequence[str]) -> Any:
        """The value of the first of `names` at the sampler; else the nearest before it by the inputs `of`."""
        node = self._graph[self._sampler]
        for name in names:
            if name in node.values:
                return node.values[name]
            if name in node.links:
                value = self._nearest(node.links[name][0], (*names, "value", "int", "float", "number"))
                if value is not None:
                    return value
        for name in of:
            if name in node.links:
                value = self._nearest(node.links[name][0], names)
                if value is not None:
                    return value
        return None

    def _nearest(self, start: str, names: Sequence[str]) -> Any:
        for one in _upstream(self._graph, [start]):
            for name in names:
                if name in self._graph[one].values:
                    return self._graph[one].values[name]
        return None


# --- a text


class _Walk:
    """The way from a sampler's input to the texts, for the positive or the negative `side`."""

    def __init__(self, graph: Graph, side: str) -> None:
        self._graph = graph
        self._side = side
        self._depth = 0
        self._room = MOST_TOGETHER
        self._known: dict[tuple[str, Link], str] = {}  # what a link gives; "" while it is being found out

    def of_sampler(self, node: Node) -> str:
        """The text that is wired to a sampler, on this side."""
        if self._side in node.links:
            return self._conditioning(node.links[self._side])
        if "guider" in node.links:
            return self._conditioning(node.links["guider"])
        return ""

    def _conditioning(self, link: Link) -> str:
        """The text behind a link that carries a conditioning, or a guider."""
        return self._once("conditioning", link, self._of_conditioning)

    def _text(self, link: Link) -> str:
        """The text behind a link that carries a text."""
        return self._once("text", link, self._of_text)

    def _once(self, what: str, link: Link, find: Callable[[Node, int], str]) -> str:
        """What a node's output gives; "" where the node is gone, the way leads in a circle or is too long."""
        key = (what, link)
        if key in self._known or self._depth >= MOST_DEPTH or link[0] not in self._graph:
            return self._known.get(key, "")
        self._known[key] = ""
        self._depth += 1
        self._known[key] = find(self._graph[link[0]], link[1])
        self._depth -= 1
        return self._known[key]

    def _of_conditioning(self, node: Node, output: int) -> str:
        if "zeroout" in node.kind.lower().replace("_", ""):
            return ""
        both = [name for name in ("positive", "negative") if name in node.links]
        if both:  # ControlNetApplyAdvanced and its like give both on, in this order; a guider has one output
            turned = output < 2 and len(both) == 2 and "guider" not in node.kind.lower()
            side = both[output] if turned else self._side
            return self._conditioning(node.links[side]) if side in node.links else ""
        if "guider" in node.kind.lower() and self._side == "negative":
            return ""  # BasicGuider has no negative
        if self._side in node.values and text_of(node.values[self._side]):
            return text_of(node.values[self._side])  # loaders that encode both themselves
        if _is_encoder(node):
            return self._texts_of_encoder(node)
        parts = self._several(node)
        if parts is None:
            parts = [name for name in node.links if _CONDITIONINGS.fullmatch(name.lower())]
            if not _joins(node):
                parts = self._chosen(node, parts)
        found = [self._conditioning(node.links[name]) for name in parts]
        if not any(found):  # a node that is not known: whatever text leads to it
            others = [name for name in node.links if name not in {*parts, *_NOT_TEXT}]
            found = [next(filter(None, (self._conditioning(node.links[name]) for name in others)), "")]
        return self._join(dict.fromkeys(found), ", ")

    def _several(self, node: Node) -> list[str] | None:
        """The inputs of a node that averages two, without one that counts for nothing."""
        if not {"conditioning_to", "conditioning_from"} <= node.links.keys():
            return None
        strength = number_of(node.values.get("conditioning_to_strength"))
        both = ["conditioning_to", "conditioning_from"]
        return both[:1] if strength == 1 else both[1:] if strength == 0 else both

    def _chosen(self, node: Node, names: list[str]) -> list[str]:
        """The input that a switch takes, where it says which; else the first."""
        if len(names) < 2:
            return names
        number = next(
            (whole_of(node.values[key], 1000) for key in ("select", "input", "Input") if key in node.values),
            None,
        )
        if number is not None:
            ending = [name for name in names if re.fullmatch(rf"\D*0*{number}", name)]
            if ending:
                return ending[:1]
        return names[:1]

    def _texts_of_encoder(self, node: Node) -> str:
        texts: list[str] = []
        for name in _TEXTS:
            if name in node.values or name in node.links:
                text = self._input_text(node, name)
                # T5 and both CLIPs are mostly given one sentence, or CLIP a part of it.
                if text and not any(text in one for one in texts):
                    texts = [one for one in texts if one not in text] + [text]
                if texts and name == "populated_text":
                    break
        return self._join(texts, ", ")

    def _input_text(self, node: Node, name: str) -> str:
        """A text that is a value, or behind a link."""
        return self._text(node.links[name]) if name in node.links else text_of(node.values.get(name))

    def _of_text(self, node: Node, output: int) -> str:
        for side in ("positive", "negative"):  # stylers give both on, in this order
            if f"text_{side}" in node.values or f"text_{side}" in node.links:
                wanted = ("positive", "negative")[output] if output < 2 else self._side
                return self._input_text(node, f"text_{wanted}")
        if self._side in node.values or self._side in node.links:
            return self._input_text(node, self._side)
        pieces = sorted(
            (name for name in {*node.values, *node.links} if _NUMBERED.fullmatch(name.lower())), key=_order
        )
        joiner = next((text for name in _JOINERS if isinstance(text := node.values.get(name), str)), None)
        if len(pieces) > 1 and (joiner is not None or _joins(node)):
            texts = (self._input_text(node, name) for name in pieces)
            return self._join(texts, (joiner or "").replace("\\n", "\n")).strip()
        for name in (*_TEXTS, *pieces):
            for key in (name, name.capitalize(), name.upper()):
                if (key in node.values or key in node.links) and (text := self._input_text(node, key)):
                    return text
        others = [name for name in node.links if name not in _NOT_TEXT]
        for name in self._chosen(node, others) if "switch" in node.kind.lower() else others:
            if text := self._text(node.links[name]):
                return text
        written = [value for value in node.values.values() if isinstance(value, str)]
        return text_of(written[0]) if len(written) == 1 else ""

    def _join(self, texts: Iterable[str], mark: str) -> str:
        """Those that are not empty with a mark between them, cut where a graph multiplies them beyond all
        use; the first alone where the walk has put together too many already."""
        if self._room <= 0:
            return next(filter(None, texts), "")
        parts, room = [], MOST_CHARACTERS
        for text in texts:
            if text and room > 0:
                parts.append(text[:room])
                room -= len(text) + len(mark)
        joined = mark.join(parts)
        self._room -= len(joined)
        return joined


def _is_encoder(node: Node) -> bool:
    """Whether a node makes a conditioning of text: it has a text, and no conditioning comes in."""
    given = {*node.values, *node.links}
    incoming = any(name.lower().startswith(("conditioning", "cond")) for name in node.links)
    return not incoming and any(name in given for name in _TEXTS)


def _joins(node: Node) -> bool:
    """Whether a node puts what comes in together, where others choose."""
    kind = node.kind.lower()
    return any(word in kind for word in ("combine", "concat", "join", "average", "merge", "append"))


def _order(name: str) -> tuple[int, str]:
    """text_a, text_b …; text1, text2, …, text10."""
    digits = re.sub(r"\D", "", name)
    return (int(digits) if digits else 0, name)


# --- the two forms


def _graph_of_prompt(content: Mapping[str, Any]) -> dict[str, Node]:
    """The form in which ComfyUI runs a graph; what is no node is passed over."""
    inner = content.get("prompt")
    if isinstance(inner, dict) and "class_type" not in inner:  # as it is sent to the server
        content = inner
    graph: dict[str, Node] = {}
    for name, raw in content.items():
        if len(graph) >= MOST_NODES:
            break
        if not isinstance(raw, dict) or not isinstance(raw.get("class_type"), str):
            continue
        node = Node(raw["class_type"])
        for key, value in object_of(raw.get("inputs")).items():
            link = _link_of(value)
            if link:
                node.links[key] = link
            else:
                node.values[key] = value
        graph[name] = node
    return graph


def _link_of(value: Any) -> Link | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    name, output = value
    slot = whole_of(output, 10_000)
    if isinstance(name, bool) or not isinstance(name, str | int) or slot is None:
        return None
    return text_of(name), slot


# Values in the order in which the editor keeps them; it puts one after each seed that says what comes next.
_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler", "start_at_step",
        "end_at_step",
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "EmptyLatentImage": ("width", "height"),
    "EmptySD3LatentImage": ("width", "height"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": (
        "width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l",
    ),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "ConditioningAverage": ("conditioning_to_strength",),
    "PrimitiveNode": ("value",),
    "StringConcatenate": ("string_a", "string_b", "delimiter"),
}  # fmt: skip


def _graph_of_workflow(content: Mapping[str, Any]) -> dict[str, Node]:
    """The editor's form: muted nodes are gone, bypassed ones give on what comes in of the same type."""
    raw_nodes = content.get("nodes")
    if not isinstance(raw_nodes, list):
        return {}
    by_name = {
        text_of(raw["id"]): raw
        for raw in raw_nodes[:MOST_NODES]
        if isinstance(raw, dict) and text_of(raw.get("id")) and isinstance(raw.get("type"), str)
    }
    origins = _origins(content.get("links"))
    graph: dict[str, Node] = {}
    for name, raw in by_name.items():
        if raw.get("mode") in (MUTED, BYPASSED):
            continue
        node = Node(raw["type"], _widget_values(raw))
        for place, socket in enumerate(_sockets(raw, "inputs")):
            key = text_of(socket.get("name")) or f"input {place}"
            link = _around(origins.get(text_of(socket.get("link"))), by_name, origins)
            if link:
                node.values.pop(key, None)
                node.links[key] = link
        graph[name] = node
    return graph


def _origins(links: Any) -> dict[str, Link]:
    """Where each link comes from, by its number."""
    origins: dict[str, Link] = {}
    for raw in links if isinstance(links, list) else ():
        if isinstance(raw, list) and len(raw) >= 3:
            number, name, output = raw[:3]
        elif isinstance(raw, dict):
            number, name, output = raw.get("id"), raw.get("origin_id"), raw.get("origin_slot")
        else:
            continue
        slot = whole_of(output, 10_000)
        if text_of(number) and text_of(name) and slot is not None:
            origins[text_of(number)] = text_of(name), slot
    return origins


def _around(
    link: Link | None, by_name: Mapping[str, Mapping[str, Any]], origins: Mapping[str, Link]
) -> Link | None:
    """A link, led past bypassed nodes; None where it ends at a muted one, or at none."""
    for _ in range(MOST_DEPTH):
        raw = by_name.get(link[0]) if link else None
        if link is None or raw is None or raw.get("mode") == MUTED:
            return None
        if raw.get("mode") != BYPASSED:
            return link
        outputs = _sockets(raw, "outputs")
        kind = outputs[link[1]].get("type") if link[1] < len(outputs) else None
        inputs = _sockets(raw, "inputs")
        fitting = [socket for socket in inputs if socket.get("type") == kind]
        if link[1] < len(inputs) and inputs[link[1]] in fitting:
            fitting = [inputs[link[1]]]  # the one in the same place comes first, as in the editor
        link = origins.get(text_of(fitting[0].get("link"))) if fitting else None
    return None


def _sockets(raw: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    sockets = raw.get(name)
    return (
        [socket if isinstance(socket, dict) else {} for socket in sockets]
        if isinstance(sockets, list)
        else []
    )


def _widget_values(raw: Mapping[str, Any]) -> dict[str, Any]:
    """A node's own values by name; for kinds that are not known, its only text is `text`."""
    values = raw.get("widgets_values")
    if isinstance(values, dict):
        return dict(values)
    if not isinstance(values, list):
        return {}
    names = _WIDGETS.get(raw["type"])
    if names:
        return {name: value for name, value in zip(names, values, strict=False) if name}
    named = [socket["name"] for socket in _sockets(raw, "inputs") if "widget" in socket and "name" in socket]
    if len(named) == len(values):
        return {str(name): value for name, value in zip(named, values, strict=True)}
    texts = [value for value in values if isinstance(value, str)]
    return {"text": texts[0]} if texts else {}
