"""BERT (Devlin et al. 2019) as an encoder of sentences, without filling. Torch.

Texts of all lengths lie one after the other in one table of tokens: what is done to each token, nearly all
the work, is one matrix product for all. Only attention needs to know where a text ends; texts of one length
are neighbours and are looked at together. So no token of filling is computed, and no mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor
from torch.nn import functional

from unprompt.errors import CheckpointError

EPSILON = 1e-12  # of layer norms


class Bert:
    """BERT's layers with a checkpoint's weights, by the names that transformers' BertModel gives them."""

    def __init__(self, weights: Mapping[str, Tensor], heads: int, device: str = "cpu") -> None:
        def there(name: str) -> Tensor:
            try:
                return weights[name].to(device=device, dtype=torch.float32)
            except KeyError:
                raise CheckpointError(f"these are no weights of BERT: {name} is missing") from None

        def linear(*names: str) -> tuple[Tensor, Tensor]:
            """Layers that read the same, as one."""
            both = [(there(f"{name}.weight"), there(f"{name}.bias")) for name in names]
            kernels, biases = zip(*both, strict=True)
            return torch.cat(kernels), torch.cat(biases)

        def norm(name: str) -> tuple[Tensor, Tensor]:
            return there(f"{name}.weight"), there(f"{name}.bias")

        self.heads = heads
        self.device = device
        self._words = there("embeddings.word_embeddings.weight")
        # A text is the first of a possible two, which its tokens are told by the same numbers.
        self._places = there("embeddings.position_embeddings.weight") + there(
            "embeddings.token_type_embeddings.weight"
        )[0]  # fmt: skip
        self._begin = norm("embeddings.LayerNorm")
        self._layers: list[tuple[tuple[Tensor, Tensor], ...]] = []
        while f"encoder.layer.{len(self._layers)}.output.dense.weight" in weights:
            at = f"encoder.layer.{len(self._layers)}"
            asks = [f"{at}.attention.self.{name}" for name in ("query", "key", "value")]
            self._layers.append(
                (
                    linear(*asks),
                    linear(f"{at}.attention.output.dense"),
                    norm(f"{at}.attention.output.LayerNorm"),
                    linear(f"{at}.intermediate.dense"),
                    linear(f"{at}.output.dense"),
                    norm(f"{at}.output.LayerNorm"),
                )
            )

    @property
    def width(self) -> int:
        """Numbers that a token is described by."""
        return int(self._words.shape[1])

    def states(self, texts: Sequence[Sequence[int]]) -> Iterator[Tensor]:
        """What the last layer says of texts' tokens, given by number, texts of one length next to each other.

        For each run of N texts of T tokens (N, T, width), in order.
        """
        runs = [(length, len(list(run))) for length, run in groupby(map(len, texts))]
        with torch.inference_mode():
            ids = torch.tensor([token for text in texts for token in text], device=self.device)
            places = torch.cat([torch.arange(length).repeat(count) for length, count in runs])
            seen = self._words[ids] + self._places[places.to(self.device)]
            seen = self._normed(seen, self._begin)
            for asked, attended, after, inner, outer, last in self._layers:
                looked = self._attention(functional.linear(seen, *asked), runs)
                seen = self._normed(seen + functional.linear(looked, *attended), after)
                thought = functional.gelu(functional.linear(seen, *inner))
                seen = self._normed(seen + functional.linear(thought, *outer), last)
            start = 0
            for length, count in runs:
                yield seen[start : start + count * length].view(count, length, self.width)
                start += count * length

    def _attention(self, asked: Tensor, runs: Sequence[tuple[int, int]]) -> Tensor:
        """Queries, keys and values (tokens, 3 x width) -> what each token has looked at (tokens, width)."""
        found = asked.new_empty(len(asked), self.width)
        start = 0
        for length, count in runs:
            end = start + count * length
            query, key, value = asked[start:end].view(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            looked = functional.scaled_dot_product_attention(query, key, value)
            found[start:end] = looked.transpose(1, 2).reshape(count * length, self.width)
            start = end
        return found

    def _normed(self, seen: Tensor, norm: tuple[Tensor, Tensor]) -> Tensor:
        return functional.layer_norm(seen, (self.width,), *norm, EPSILON)
