"""The text side of a CLIP model, fast: phrases -> features, the same as the model's own up to rounding.

CLIP's text tower is causal: a token sees only those before it, and the features are read at the end token.
So what follows the end does not matter, and texts that begin alike are alike there in every layer. N texts
are therefore evaluated as a trie: each distinct beginning is one node, computed once, which sees the nodes on
its way from the root. Neighbours share most of these, so attention takes a few dozen nodes together.

How many token positions that takes, for clip-interrogator's phrases (111,836 with "by" and "inspired by"):

    77 a text, as open_clip evaluates them                           8,611,372
    up to the end token of each text                                   608,534
    distinct beginnings: what an exact answer needs                    335,596
    of these, computed to the end in the last layer: the end tokens    110,335

We run the third number, plus the beginnings that two blocks of texts share; in the last layer all nodes get
keys and values, and the end tokens alone the rest. In a chain of phrases all candidates begin with the
prompt so far: its keys and values are computed once and kept while the prompt grows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional as F

from unprompt.networks.tokens import Tokens
from unprompt.progress import Progress, silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

Ids = list[int]

CPU_POSITIONS = 8192  # token positions in a block: few enough for a cache, enough to fill the cores
GPU_POSITIONS = 65536  # less than half of what clip-interrogator puts into one of its chunks
GROUP = 32  # nodes that attend together to the nodes on all their ways
IMAGE_SIDE = ("visual.", "logit_")  # names in a CLIP that are not the text tower's
ENCODING = "encoding texts"  # what progress is told
PLAIN_TEXTS = 64  # texts in a batch of a tower that is run whole
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # of a unit row's length
PROBES = ("a", "an oil painting of 2 cats, in the style of nobody", "trending on artstation")


class TextTower:
    """The text side of one open_clip model and its tokenizer.

    `context` is how many tokens a text may have. Rows of features are float32, of unit length, on the
    model's device. Row i depends on text i alone, up to rounding. Not for two threads at once.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self.context = int(tokenizer.context_length)
        self._words = Tokens(tokenizer, self.context) if Tokens.suits(tokenizer) else None
        self._causal = self._causal_tower()

    @property
    def is_fast(self) -> bool:
        """Whether texts are evaluated as a trie; where not, the model's own encode_text gets whole rows."""
        return self._causal is not None

    @property
    def scale(self) -> float:
        """What cosines are multiplied by before the softmax that the model was trained with."""
        return float(self._model.logit_scale.detach().exp())

    @property
    def width(self) -> int:
        """The length of a row of features."""
        return int(self.encode([""]).shape[1])

    @cached_property
    def identity(self) -> str:
        """Names the tower's parameters and tokenizer by a hash, the same for 32 and 16 bits of precision."""
        return f"text {type(self._tokenizer).__name__} {self.context} {fingerprint(self._model, IMAGE_SIDE)}"

    def tokens(self, texts: Sequence[str]) -> list[Ids]:
        """The model's tokenizer's ids: start … end, cut to the context.

        Tokenizers other than CLIP's own give whole rows, filled up to the context.
        """
        if self._words is not None:
            return self._words.rows(texts)
        return [] if not texts else [list(map(int, row)) for row in self._tokenizer(list(texts))]

    def is_full(self, text: str) -> bool:
        """Whether a text fills the context: the last place of its row is not 0."""
        (ids,) = self.tokens([text])
        return len(ids) == self.context and ids[-1] != 0

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> torch.Tensor:
        """N texts -> (N, D) unit rows in their order. `progress` is told how many of the N are done."""
        with torch.inference_mode():
            if self._causal is None or self._words is None:
                return self._plain(texts, progress)
            rows = self._ended(self._words.rows(texts))
            return self._causal.features([self._words.start], rows, progress)

    def continued(self, prefix: str, phrases: Sequence[str]) -> torch.Tensor:
        """P phrases -> (P, D) unit rows of f"{prefix}, {phrase}"; the prefix is computed once."""
        with torch.inference_mode():
            if self._causal is None or self._words is None:
                return self._plain([f"{prefix}, {phrase}" for phrase in phrases])
            shared, rows = self._words.continued(prefix, phrases)
            return self._causal.features(shared, self._ended(rows))

    def _ended(self, rows: Sequence[Ids]) -> list[Ids]:
        """Rows up to their first end token: a text can hold the name of that token."""
        end = self._words.end if self._words is not None else 0
        return [row[: row.index(end) + 1] for row in rows]

    def _plain(self, texts: Sequence[str], progress: Progress = silent) -> torch.Tensor:
        """Whole rows through the model's own encode_text."""
        weight = next(self._model.parameters())
        blocks = [torch.empty(0, dtype=torch.float32, device=weight.device)]
        half = weight.device.type == "cuda"
        for start in range(0, max(len(texts), 1), PLAIN_TEXTS):
            some = list(texts[start : start + PLAIN_TEXTS])
            ids = self._tokenizer(some or [""]).to(weight.device)
            with torch.autocast("cuda", torch.float16, enabled=half):
                features = self._model.encode_text(ids)
            blocks.append(F.normalize(features.float(), dim=-1)[: len(some)])
            progress(ENCODING, start + len(some), len(texts))
        return torch.cat(blocks[1:])

    def _causal_tower(self) -> CausalTower | None:
        """The fast evaluation, if the tower is of the known kind and gives the model's own answer."""
        tower = CausalTower.of(self._model)
        if tower is None or self._words is None:
            return None
        if self._words.end != (self._words.highest if tower.end is None else tower.end):
            return None
        with torch.inference_mode():
            fast = tower.features([self._words.start], self._words.rows(PROBES))
            difference = (fast - self._plain(PROBES)).norm(dim=1).max()
        return tower if float(difference) < TOLERANCE[tower.embedding.weight.dtype] else None


def fingerprint(model: Any, without: tuple[str, ...] = ()) -> str:
    """A hash of a model's modules and tensors, but for those whose names begin with one of `without`.

    Numbers count in 16 bits, so that a model is the same on every device and in either precision.
    """
    digest = hashlib.sha256()
    for name, module in model.named_modules():
        if not f"{name}.".startswith(without):
            kind = type(module).__name__.removesuffix("Fp32")  # of a norm, where the rest has 16 bits
            digest.update(f"{name} {kind} {getattr(module, 'num_heads', '')}\n".encode())
    for name, tensor in sorted(model.state_dict().items()):
        if not name.startswith(without):
            digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().half().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:32]


@dataclass(frozen=True, eq=False)
class Prefix:
    """What all candidates begin with: P ids, and each layer's keys and values, (P, 2, H, C) each."""

    ids: Ids
    read: list[torch.Tensor]

    def cut(self, length: int) -> Prefix:
        """Its first `length` tokens, which do not depend on the rest."""
        return Prefix(self.ids[:length], [layer[:length] for layer in self.read])


@dataclass(frozen=True, eq=False)
class Trie:
    """The N distinct beginnings of R rows as nodes, each before those that go on from it, row by row.

    `ids` (N,) and `depths` (N,) are each node's token and place. `stops` (N,): node n is on the way from the
    root to the nodes from n to stops[n] - 1, and to no others. `leaves` (R,) is the node where each row ends.
    `ways` (R, L) are the nodes on the way there, itself last, and `makers` (N,) the first row with each node.
    """

    ids: NDArray[np.int64]
    depths: NDArray[np.int64]
    stops: NDArray[np.int64]
    leaves: NDArray[np.int64]
    ways: NDArray[np.int64]
    makers: NDArray[np.int64]

    @classmethod
    def of(cls, rows: Sequence[Ids]) -> Trie:
        """The trie of rows in lexicographic order, none empty; equal rows end in the same leaf."""
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        table = np.full((len(rows), int(lengths.max())), -1)
        there = np.arange(table.shape[1]) < lengths[:, None]  # (R, L)
        table[there] = np.fromiter(chain.from_iterable(rows), np.int64, int(lengths.sum()))
        left = np.ones_like(there)  # where a row has left the one before it
        left[1:] = np.logical_or.accumulate(table[1:] != table[:-1], axis=1)
        fresh = left & there
        makers, depths = np.nonzero(fresh)
        numbers = fresh.cumsum().reshape(fresh.shape) - fresh  # of a node where it is fresh: those before it
        ways = np.maximum.accumulate(np.where(fresh, numbers, 0))
        behind = np.full((len(rows) + 1, table.shape[1]), len(makers))
        behind[:-1] = np.where(left, numbers[:, :1], len(makers))  # the first node of a row that has left
        stops = np.minimum.accumulate(behind[::-1])[::-1]
        return cls(
            ids=table[makers, depths],
            depths=depths,
            stops=stops[makers + 1, depths],
            leaves=ways[np.arange(len(rows)), lengths - 1],
            ways=ways,
            makers=makers,
        )

    def groups(self, size: int, common: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """What is read by `size` neighbours at a time: G groups of them, the last filled up.

        A group reads K places, the same number for each: (G, K). Those below `common` are of the tokens that
        all begin with, place common + n is node n's. Also gives which of these each of the group's nodes
        sees, (G, size, K): the common ones and those on the way to it, itself among them.
        """
        count = len(self.ids)
        own = np.arange(-(-count // size) * size).reshape(-1, size)  # (G, size)
        firsts = own[:, 0]
        depths = self.depths[firsts, None]
        above = np.where(np.arange(depths.max()) < depths, self.ways[self.makers[firsts], : depths.max()], -1)
        nodes = np.concatenate([above, own], axis=1)
        stops = np.arange(1, own.size + 2)  # what the last group is filled up with sees itself
        stops[:count] = self.stops
        stops[-1] = 0  # no node sees node -1
        on_way = (nodes[:, None] <= own[:, :, None]) & (own[:, :, None] < stops[nodes][:, None])
        shared = np.broadcast_to(np.arange(common), (len(own), common))
        places = np.concatenate([shared, nodes.clip(0) + common], axis=1)
        return places, np.pad(on_way, ((0, 0), (0, 0), (common, 0)), constant_values=True)


class CausalTower:
    """A causal text tower of open_clip's, evaluated node by node of a trie with the model's own modules.

    Symbols in shapes: N nodes, M queries, P tokens of the prefix, H heads of C channels, W = H * C.
    """

    def __init__(self, tower: Any, end: int | None) -> None:
        self.embedding = tower.token_embedding
        self.end = end  # the id at which features are read; None: the highest in a row
        self._places = tower.positional_embedding
        self._layers = list(tower.transformer.resblocks)
        self._norm = tower.ln_final
        self._projection = tower.text_projection
        self._kept: Prefix | None = None

    @classmethod
    def of(cls, model: Any) -> CausalTower | None:
        """The tower of a CLIP or CustomTextCLIP; None where it is not causal or reads features elsewhere."""
        from open_clip import CLIP, CustomTextCLIP
        from open_clip.transformer import TextTransformer

        if isinstance(model, CLIP):
            tower, pool, end = model, model.text_pool_type, model.text_eos_id
        elif isinstance(model, CustomTextCLIP) and isinstance(model.text, TextTransformer):
            tower, pool, end = model.text, model.text.pool_type, model.text.eos_id
        else:
            return None
        usual = getattr(tower, "cls_emb", None) is None and pool in ("argmax", "eos")
        if not usual or not is_causal(tower.attn_mask) or not all(map(is_known, tower.transformer.resblocks)):
            return None
        return cls(tower, end if pool == "eos" else None)

    def features(
        self,
        shared: Ids,
        rows: Sequence[Ids],
        progress: Progress = silent,
    ) -> torch.Tensor:
        """R rows of ids, each up to its end token -> (R, D) unit rows.

        Those that begin with `shared` are evaluated from there on, the others from their first token.
        """
        common = len(shared)
        fits = [row[:common] == shared and len(row) > common for row in rows]
        order = sorted(range(len(rows)), key=lambda row: (fits[row], rows[row]))
        count = len(rows) - sum(fits)
        blocks = [torch.empty(0, self._width(), device=self._device)]
        done = 0
        for begin, part in ((shared[:1], order[:count]), (shared, order[count:])):
            if part:
                prefix = self._prefix(begin)
            for block in self._blocks(part, rows, len(begin)):
                trie = Trie.of([rows[row][len(begin) :] for row in block])
                blocks.append(self._evaluated(prefix, trie))
                done += len(block)
                progress(ENCODING, done, len(rows))
        back = np.empty(len(rows), np.int64)
        back[order] = np.arange(len(rows))
        return torch.cat(blocks)[self._tensor(back)]

    @property
    def _device(self) -> torch.device:
        place: torch.device = self.embedding.weight.device
        return place

    def _width(self) -> int:
        if self._projection is None:
            return int(self.embedding.embedding_dim)
        if isinstance(self._projection, torch.nn.Linear):
            return int(self._projection.out_features)
        return int(self._projection.shape[1])

    def _tensor(self, numbers: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(numbers).to(self._device)

    def _blocks(self, order: Sequence[int], rows: Sequence[Ids], common: int) -> Iterator[list[int]]:
        """Neighbours in the order, as many as have the device's token positions beside the common ones."""
        most = CPU_POSITIONS if self._device.type == "cpu" else GPU_POSITIONS
        block: list[int] = []
        positions = 0
        for row in order:
            length = len(rows[row]) - common
            if block and positions + length > most:
                yield block
                block, positions = [], 0
            block.append(row)
            positions += length
        if block:
            yield block

    def _prefix(self, ids: Ids) -> Prefix:
        """The keys and values of a prefix; those of the last one are used as far as both are the same."""
        kept = self._kept
        if kept is None or kept.read[0].device != self._device:
            kept = Prefix([], [])
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(kept.ids, ids, strict=False)))
        if same == len(ids):
            return kept.cut(same)
        self._kept = self._extended(kept.cut(same), ids[same:])
        return self._kept

    def _extended(self, prefix: Prefix, ids: Ids) -> Prefix:
        """A prefix with more tokens at its end."""
        start = len(prefix.ids)
        x = self._embedded(self._tensor(np.array(ids)), torch.arange(start, start + len(ids)))  # (M, W)
        sees = torch.ones(len(ids), start + len(ids), dtype=torch.bool, device=self._device).tril(start)
        read = []
        for number, layer in enumerate(self._layers):
            normed = layer.ln_1(x)
            read.append(project(layer.attn, normed, "kv"))
            if start:
                read[-1] = torch.cat([prefix.read[number], read[-1]])  # (P + M, 2, H, C)
            if layer is not self._layers[-1]:
                seen = attend(project(layer.attn, normed, "q"), read[-1][None], sees[None])
                x = layer_output(layer, x, seen)
        return Prefix(prefix.ids + ids, read)

    def _embedded(self, ids: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Ids and their places in the text (N,) -> (N, W) in the layers' precision."""
        kind = self._layers[0].get_weight_dtype()
        return self.embedding(ids).to(kind) + self._places[places.to(self._device)].to(kind)

    def _evaluated(self, prefix: Prefix, trie: Trie) -> torch.Tensor:
        """The features of a trie's R rows behind a prefix, (R, D) float32 unit rows."""
        places, sees = trie.groups(GROUP, len(prefix.ids))  # (G, K), (G, GROUP, K)
        filled = (0, GROUP * len(places) - len(trie.ids))
        depths = torch.from_numpy(np.pad(trie.depths, filled) + len(prefix.ids))
        x = self._embedded(self._tensor(np.pad(trie.ids, filled)), depths)  # (N, W)
        mask = torch.zeros(sees.shape, dtype=x.dtype, device=x.device)
        mask.masked_fill_(~self._tensor(sees), -torch.inf)
        at = self._tensor(places.ravel())
        ends, row_ends = np.unique(trie.leaves, return_inverse=True)
        chosen = self._tensor(ends)
        for number, layer in enumerate(self._layers):
            normed = layer.ln_1(x)
            known = torch.cat([prefix.read[number], project(layer.attn, normed, "kv")])  # (P + N, 2, H, C)
            read = known.flatten(1).index_select(0, at).view(*places.shape, *known.shape[1:])
            if layer is not self._layers[-1]:
                x = layer_output(layer, x, attend(project(layer.attn, normed, "q"), read, mask))
            else:
                query = known.new_zeros(len(x), 1, *known.shape[2:])
                query[chosen] = project(layer.attn, normed[chosen], "q")
                x = layer_output(layer, x[chosen], attend(query, read, mask)[chosen])
        features = self._norm(x)
        if isinstance(self._projection, torch.nn.Linear):
            features = self._projection(features)
        elif self._projection is not None:
            features = features @ self._projection
        return F.normalize(features.float(), dim=-1)[self._tensor(row_ends)]


def is_causal(mask: torch.Tensor | None) -> bool:
    """Whether an additive mask lets every place see itself and those before it, and nothing else."""
    if mask is None or mask.ndim != 2:
        return False
    return bool(torch.equal(mask, torch.full_like(mask, -torch.inf).triu(1)))


def is_known(layer: Any) -> bool:
    """Whether a transformer layer of open_clip's is one whose steps are known here."""
    from open_clip import transformer

    if type(layer) is transformer.ResidualAttentionBlock:
        attention = layer.attn
        same = attention.in_proj_weight is not None and attention.bias_k is None
        return same and not attention.add_zero_attn and not hasattr(layer, "ln_1_kv")
    return type(layer) is transformer.CustomResidualAttentionBlock and layer.attn.logit_scale is None


def project(attention: Any, x: torch.Tensor, parts: str) -> torch.Tensor:
    """Queries ("q"), or keys and values ("kv"), of some tokens: (N, W) -> (N, 1 or 2, H, C)."""
    width = x.shape[1]
    start = "qkv".index(parts)
    rows = slice(start * width, (start + len(parts)) * width)
    bias = attention.in_proj_bias
    heads = F.linear(x, attention.in_proj_weight[rows], None if bias is None else bias[rows])
    heads = heads.view(len(x), len(parts), attention.num_heads, -1)
    norm = getattr(attention, f"ln_{parts[0]}", None)
    if norm is not None:
        heads[:, 0] = norm(heads[:, 0])
    return heads


def attend(query: torch.Tensor, read: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """What queries (G * M, 1, H, C), M in a group, read from their group's keys and values (G, K, 2, H, C).

    `mask` (G, M, K), additive, says which of these a query sees. Gives (G * M, H, C).
    """
    key, value = read.permute(2, 0, 3, 1, 4)  # (G, H, K, C)
    grouped = query.view(len(read), -1, *query.shape[2:]).transpose(1, 2)  # (G, H, M, C)
    seen = F.scaled_dot_product_attention(grouped, key, value, attn_mask=mask[:, None])
    return seen.transpose(1, 2).flatten(0, 1)


def layer_output(layer: Any, x: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """A layer's output from its input (M, W) and what its attention has read, (M, H, C)."""
    attention = layer.attn
    scale = getattr(attention, "head_scale", None)  # (H, 1, 1)
    if scale is not None:
        seen = seen * scale[:, 0]
    seen = seen.reshape(x.shape)
    for step in (getattr(attention, "ln_inner", None), attention.out_proj, getattr(layer, "ln_attn", None)):
        seen = seen if step is None else step(seen)
    x = x + layer.ls_1(seen)
    return x + layer.ls_2(layer.mlp(layer.ln_2(x)))
