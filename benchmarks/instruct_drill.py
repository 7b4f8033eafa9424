"""InstructPix2Pix at full size with random weights: seconds and memory of one step on the CPU, in float32.

The U-Net is that of Stable Diffusion 1.5, 859.5 M parameters, widened to take a picture. Four drills, each a
process of its own, so that its peak memory is its own:

    step     forward and backward of one pair, with gradient checkpointing, no optimiser
    adamw    the same and AdamW's first step: 14 GB and more, so only where it is asked for
    lora     forward, backward and AdamW's step of low-rank updates and the first convolution
    paint    one denoising step of one picture, which are three passes: guided by words and by the picture

    python benchmarks/instruct_drill.py [--drills step lora paint] [--resolution 256] [--threads 2]

It also says whether the widened U-Net gives the bits that it gave before. Prints a table, and the numbers as
JSON.
"""

from __future__ import annotations

import argparse
import resource
import time
from multiprocessing.connection import Connection
from typing import Any

from drills import run_drills

DRILLS = ("step", "lora", "paint", "adamw")
TOKENS, WIDTH, TIMES = 77, 768, 1000
RANK = 8


def new_unet() -> Any:
    """The U-Net of Stable Diffusion 1.5 by its config.json, with random weights; the rest is default."""
    import torch
    from diffusers import UNet2DConditionModel

    torch.manual_seed(0)
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=WIDTH, attention_head_dim=8)


def drill(name: str, resolution: int, threads: int, answer: Connection) -> None:
    """One drill; sends its numbers."""
    import torch
    from diffusers import DDPMScheduler

    from unprompt.diffusion.instruct import add_lora, draw_chances, instruct_losses, widen

    torch.set_num_threads(threads)
    unet = new_unet().eval()
    side = resolution // 8
    latents, words = torch.randn(1, 4, side, side), torch.randn(1, TOKENS, WIDTH)
    numbers: dict[str, Any] = {}
    if name == "paint":
        unet.requires_grad_(False)
        with torch.no_grad():
            before = unet(latents, 500, words, return_dict=False)[0]
            widen(unet)
            joined = torch.cat([latents, torch.randn_like(latents)], dim=1)
            numbers["the bits as before"] = torch.equal(
                unet(joined, 500, words, return_dict=False)[0], before
            )
            start = time.perf_counter(), time.process_time()
            unet(joined.repeat(3, 1, 1, 1), 500, words.repeat(3, 1, 1), return_dict=False)
    else:
        widen(unet)
        unet.train().requires_grad_(True)
        if name == "lora":
            add_lora(unet, RANK)
        unet.enable_gradient_checkpointing()
        learning = [value for value in unet.parameters() if value.requires_grad]
        numbers["learning"] = sum(value.numel() for value in learning)
        optimizer = torch.optim.AdamW(learning, lr=5e-5, fused=True) if name != "step" else None
        start = time.perf_counter(), time.process_time()
        loss = instruct_losses(
            unet,
            DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012),
            latents,
            torch.randn_like(latents),
            words,
            torch.zeros_like(words),
            draw_chances([0], latents.shape[1:], TIMES),
            0.05,
        ).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learning, 1.0)
        if optimizer is not None:
            optimizer.step()
        numbers["loss"] = float(loss.detach())
    seconds, busy = time.perf_counter() - start[0], time.process_time() - start[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    parameters = sum(value.numel() for value in unet.parameters())
    answer.send(
        {"parameters": parameters, "seconds": seconds, "cpu_seconds": busy, "peak_gib": peak, **numbers}
    )


def main() -> None:
    """Run the drills that were asked for, one after the other."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--drills", nargs="+", choices=DRILLS, default=DRILLS[:3])
    parser.add_argument("--resolution", type=int, default=256, help="pixels, a multiple of 64 (%(default)s)")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    run_drills(drill, options.drills, options.resolution, options.threads)


if __name__ == "__main__":
    main()
