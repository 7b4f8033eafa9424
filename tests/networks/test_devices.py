"""Errors of memory are told from others, whoever raises them."""

from __future__ import annotations

import errno

import pytest
import torch

from unprompt.errors import CheckpointError, RunError
from unprompt.networks.devices import is_out_of_memory, within_memory
from unprompt.networks.extent import Extent, made_within

OF_MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes"),
    RuntimeError("unable to mmap 8 bytes from file <a.safetensors>: Cannot allocate memory (12)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    RuntimeError("can't start new thread"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]
OTHERS = [
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    RuntimeError("the tensor has a memory format that is not supported"),
    OSError(errno.ENOENT, "No such file or directory"),
    ValueError("out of memory"),
]


@pytest.mark.parametrize("error", OF_MEMORY, ids=str)
def test_errors_of_memory(error: Exception) -> None:
    assert is_out_of_memory(error)
    with pytest.raises(RunError, match="it does not fit into the memory"), made_within(Extent(1, 1), "it"):
        raise error


@pytest.mark.parametrize("error", OTHERS, ids=str)
def test_other_errors(error: Exception) -> None:
    assert not is_out_of_memory(error)
    with pytest.raises(CheckpointError, match="it cannot be built"), made_within(Extent(1, 1), "it"):
        raise error
    with pytest.raises(type(error)), within_memory("3 texts", "cuda", "fewer"):
        raise error


def test_what_does_not_fit_is_told_with_what_to_do() -> None:
    words = "^3 texts at once do not fit into the memory of cpu; give a smaller --batch$"
    with pytest.raises(RunError, match=words), within_memory("3 texts", "cpu", "a smaller --batch"):
        torch.empty(2**58)
