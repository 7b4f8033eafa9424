"""BLIP-2 (Salesforce's blip2-opt-2.7b) at full width with random weights: seconds and memory on the CPU.

The whole network is 15 GB in float32. A training of its language model needs the rest once for each picture.
So it is drilled in parts, each in a process of its own, so that its peak memory is its own:

    counts     on the meta device: what learns, of how many, for each choice of targets
    look       vision tower (39 layers) and Q-Former (12) in float32: pictures become what the language model
               is given
    language   the language model (32 layers) in bfloat16: two steps of its updates (forward, backward, Adam)
               by the objective of the training, with gradient checkpointing
    joined     all parts, full width but few layers (--layers), in float32: two steps of updates in all three

    python benchmarks/blip2_drill.py [--drills counts look joined] [--batch 2] [--layers 4] [--threads 2]

Prints a line for each, and the numbers as JSON.
"""

from __future__ import annotations

import argparse
import resource
import time
from multiprocessing.connection import Connection
from typing import Any

from drills import run_drills

DRILLS = ("counts", "look", "language", "joined")
TARGETS = ("language", "language+vision", "language+vision+qformer")
IMAGE_TOKEN, START, WORDS = 50265, 2, 12


def config_of(vision_layers: int = 39, qformer_layers: int = 12, language_layers: int = 32) -> Any:
    """blip2-opt-2.7b's configuration, with as many layers of each part."""
    from transformers import Blip2Config

    return Blip2Config(
        vision_config={"num_hidden_layers": vision_layers},
        qformer_config={"num_hidden_layers": qformer_layers},
        text_config={
            "model_type": "opt",
            "vocab_size": 50272,
            "hidden_size": 2560,
            "word_embed_proj_dim": 2560,
            "ffn_dim": 10240,
            "num_hidden_layers": language_layers,
            "num_attention_heads": 32,
            "max_position_embeddings": 2048,
        },
        num_query_tokens=32,
        image_token_index=IMAGE_TOKEN,
    )


def new_blip2(config: Any, dtype: Any) -> Any:
    """A BLIP-2 with random weights, made in the precision in which it stays."""
    import torch
    from transformers import Blip2ForConditionalGeneration

    with torch.device("meta"):
        blip2 = Blip2ForConditionalGeneration(config).to(dtype)
    blip2.to_empty(device="cpu")
    blip2.tie_weights()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in blip2.parameters():
            value.uniform_(-0.03, 0.03, generator=generator)
        for module in blip2.modules():
            if isinstance(module, torch.nn.LayerNorm):
                module.weight.fill_(1)
            if hasattr(module, "position_ids"):
                module.position_ids.copy_(
                    torch.arange(module.position_ids.numel()).view_as(module.position_ids)
                )
    return blip2.requires_grad_(False).eval()


def drill(name: str, batch: int, layers: int, threads: int, answer: Connection) -> None:
    """One drill; sends its numbers."""
    import torch

    from unprompt.learning.blip2_config import Blip2Machine, Blip2Training
    from unprompt.learning.train_blip2 import NOT_LEARNT, Blip2Objective, begin, look
    from unprompt.networks.adapters import add_adapter, count_parameters
    from unprompt.networks.captioner_files import CaptionNetwork

    torch.set_num_threads(threads)
    numbers: dict[str, Any] = {}
    start = time.perf_counter(), time.process_time()
    if name == "counts":
        from transformers import Blip2ForConditionalGeneration

        for targets in TARGETS:
            with torch.device("meta"):
                network = add_adapter(Blip2ForConditionalGeneration(config_of()), targets, 16, 32, 0.05)
            numbers[targets] = count_parameters(network)
    elif name == "look":
        blip2 = new_blip2(config_of(language_layers=0), torch.float32)
        numbers["parameters"] = count_parameters(blip2)[1]
        start = time.perf_counter(), time.process_time()
        with torch.no_grad():
            numbers["shape"] = tuple(look(blip2, torch.randn(batch, 3, 224, 224)).shape)
    else:
        whole = name == "joined"
        config = config_of(layers, 12, layers) if whole else config_of(1, 1, 32)
        blip2 = new_blip2(config, torch.float32 if whole else torch.bfloat16)
        training = Blip2Training(targets=TARGETS[2] if whole else TARGETS[0])
        loaded = CaptionNetwork("blip-2", blip2, None, None, ())
        objective = Blip2Objective(begin(loaded, training, Blip2Machine())).train()
        learning = [value for value in objective.parameters() if value.requires_grad]
        numbers["learning"], numbers["parameters"] = count_parameters(objective)
        optimizer = torch.optim.AdamW(learning, lr=training.learning_rate, weight_decay=0.0, fused=True)
        ids = torch.tensor([[IMAGE_TOKEN] * 32 + [START] + [100 + word for word in range(WORDS)]] * batch)
        labels = ids.masked_fill(torch.arange(ids.shape[1]) < 33, NOT_LEARNT)
        shown = torch.randn(batch, 3, 224, 224) if whole else torch.randn(batch, 32, 2560)
        losses = []
        start = time.perf_counter(), time.process_time()
        for _ in range(2):
            loss = objective(shown, ids, labels, torch.ones_like(ids))[0]
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses.append(round(float(loss.detach()), 4))
        numbers["losses"] = losses
    numbers["seconds"], numbers["cpu_seconds"] = (
        round(time.perf_counter() - start[0], 1),
        round(time.process_time() - start[1], 1),
    )
    numbers["peak_gib"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, 2)
    answer.send(numbers)


def main() -> None:
    """Run the drills that were asked for, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drills", nargs="+", choices=DRILLS, default=DRILLS)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument(
        "--layers", type=int, default=4, help="of vision and language in joined (%(default)s)"
    )
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    run_drills(drill, options.drills, options.batch, options.layers, options.threads)


if __name__ == "__main__":
    main()
