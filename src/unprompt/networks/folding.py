"""State dicts by their order, and batch norms folded into convolutions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from unprompt.errors import CheckpointError
from unprompt.text.english import counted


def match_by_order(theirs: dict[str, Any], ours: dict[str, Any], architecture: str) -> dict[str, Any]:
    """Give the tensors of one state dict the names of another that has the same order and shapes.

    The packaged file comes from an implementation with other names. Raises CheckpointError where a shape
    differs, so a checkpoint of another model is never loaded by accident; `architecture` names ours there.
    """
    if len(theirs) != len(ours):
        raise CheckpointError(
            f"the checkpoint has {counted(len(theirs), 'tensor')}, {architecture} has {len(ours)}: another "
            "model"
        )
    for (their_name, tensor), (our_name, expected) in zip(theirs.items(), ours.items(), strict=True):
        if tensor.shape != expected.shape:
            raise CheckpointError(
                f"'{their_name}' has shape {tuple(tensor.shape)}, '{our_name}' of {architecture} has "
                f"{tuple(expected.shape)}: another model"
            )
    return dict(zip(ours, theirs.values(), strict=True))


def fold_batch_norms(network: Any) -> Any:
    """Fold every batch norm that directly follows a convolution into it, in place; the answer is the same.

    Saves a third of this network's time on a CPU, where the extra pass over memory costs more than the
    arithmetic. The norm's activation stays.
    """
    import torch
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in list(network.modules()):
        children = list(module.named_children())
        for (conv_name, conv), (norm_name, norm) in pairwise(children):
            if isinstance(conv, torch.nn.Conv2d) and isinstance(norm, torch.nn.BatchNorm2d):
                setattr(module, conv_name, fuse_conv_bn_eval(conv, norm))
                setattr(module, norm_name, getattr(norm, "act", torch.nn.Identity()))
    return network
