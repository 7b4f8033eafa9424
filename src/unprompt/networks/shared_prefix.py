"""One beginning read once for a whole batch of texts that go on from it.

The keys and values of the beginning are kept once, not once a row, and all rows' queries meet them in one
matrix product a head (as in Juravsky et al. 2024, "Hydragen"). Works with every model of transformers whose
attention is exchangeable and that hands keywords through to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ATTENTION = "unprompt_shared_prefix"


@dataclass(frozen=True)
class SharedPrefix:
    """What a model keeps of `length` tokens: by layer, keys and values (1, K heads, length, width)."""

    layers: tuple[tuple[Any, Any], ...]
    length: int


def read_prefix(model: Any, tokens: Sequence[int]) -> SharedPrefix:
    """Have a model read a beginning of at least one token.

    Afterwards the model takes the keyword `prefix`, the layers of what is returned here, with positions that
    count from its length, and a mask and a cache that do not.
    """
    import torch
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import eager_mask

    AttentionInterface.register(ATTENTION, attend)
    AttentionMaskInterface.register(ATTENTION, eager_mask)
    if model.config._attn_implementation != ATTENTION:
        model.set_attn_implementation(ATTENTION)
    with torch.inference_mode():
        inputs = torch.tensor([list(tokens)], device=model.device)
        cache = model(input_ids=inputs, use_cache=True, logits_to_keep=1).past_key_values
    return SharedPrefix(tuple((layer.keys, layer.values) for layer in cache.layers), len(tokens))


def attend(
    module: Any,
    query: Any,
    key: Any,
    value: Any,
    attention_mask: Any,
    scaling: float,
    prefix: Sequence[tuple[Any, Any]] = (),
    **_: Any,
) -> tuple[Any, None]:
    """Attention to the prefix and to a row's own keys, as transformers calls it.

    query: (B, H, N, W); key, value: (B, K, T, W), each for H / K heads; attention_mask: (B, 1, N, T), added.
    Gives (B, N, H, W).
    """
    import torch

    rows, heads, length, width = query.shape
    shared = key.shape[1]
    queries = (query * scaling).reshape(rows, shared, -1, width)  # (B, K, G, W) with G = H / K * N
    scores = queries @ key.transpose(2, 3)  # (B, K, G, T)
    if attention_mask is not None:
        by_head = scores.view(rows, shared, -1, length, key.shape[2])
        scores = (by_head + attention_mask[:, :, None]).view(scores.shape)
    if not prefix:
        out = _softmax(scores) @ value
    else:
        keys, values = (part[0] for part in prefix[module.layer_idx])  # (K, P, W)
        together = queries.transpose(0, 1).reshape(shared, -1, width)  # (K, B * G, W)
        before = (together @ keys.transpose(1, 2)).view(shared, rows, -1, keys.shape[1]).transpose(0, 1)
        weights = _softmax(torch.cat([before, scores], dim=-1))  # (B, K, G, P + T)
        to_prefix, to_own = weights.split([keys.shape[1], key.shape[2]], dim=-1)
        from_prefix = to_prefix.transpose(0, 1).reshape(shared, -1, keys.shape[1]) @ values  # (K, B * G, W)
        out = to_own @ value + from_prefix.view(shared, rows, -1, width).transpose(0, 1)
    return out.reshape(rows, heads, length, width).transpose(1, 2), None


def _softmax(scores: Any) -> Any:
    return scores.float().softmax(-1).to(scores.dtype)
