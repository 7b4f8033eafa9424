"""How much Stable Diffusion takes of a device's memory, and what to do when it is too much."""

from __future__ import annotations

# Numbers alive at the worst moment of one step, per pixel of one guided picture (two passes of the UNet).
# Counted by adding up live tensors of Stable Diffusion 2's UNet at 512 to 1,024 pixels, batches 1 to 8, with
# attention that does not keep its scores: 614 MB in float32 for each more picture of 768 x 768.
UNET_NUMBERS_PER_PIXEL = 261
# What that count leaves out: the libraries' workspaces and the gaps between blocks of memory.
HEADROOM = 2
MOST_AT_ONCE = 16  # more only make a step longer


def batch_for(free_bytes: int, width: int, height: int, dtype: str) -> int:
    """How many guided pictures of `width` x `height` pixels to make at once in `free_bytes` of memory.

    At least 1, at most 16. An estimate on the safe side, from UNET_NUMBERS_PER_PIXEL; where it is still too
    much, the renderer halves it.
    """
    bytes_per_number = 4 if dtype == "float32" else 2
    picture = UNET_NUMBERS_PER_PIXEL * width * height * bytes_per_number * HEADROOM
    return max(1, min(MOST_AT_ONCE, free_bytes // picture))


def automatic_batch(device: str, width: int, height: int, dtype: str) -> int:
    """`batch_for` the memory that is free on a CUDA device now, after the model was loaded; elsewhere 1.

    Two reasons for 1 on a CPU: a picture's pixels are then the same to the last bit whatever is made beside
    it and however much memory is free, and from 512 pixels on, one picture keeps all cores busy.
    """
    if device.startswith("cuda"):
        import torch

        # torch keeps what it has freed; that is free for it, though not for the driver.
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + kept
        return batch_for(free, width, height, dtype)
    return 1


def empty_cache(device: str) -> None:
    """Give back the memory that torch keeps for later."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
