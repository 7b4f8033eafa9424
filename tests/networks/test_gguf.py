"""GGUF files, beside the `gguf` package's own reader and writer."""

from __future__ import annotations

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from tests.tiny_smollm2 import NAME, write_tiny_smollm2
from unprompt.errors import CheckpointError
from unprompt.networks.gguf import read_gguf

KINDS = ("F32", "F16", "Q4_0", "Q4_1", "Q8_0")


def write(path: Path, kind: str, values: np.ndarray) -> Path:
    writer = gguf.GGUFWriter(path, "llama")
    form = gguf.GGMLQuantizationType[kind]
    writer.add_tensor("a.weight", gguf.quants.quantize(values, form), raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_those_of_the_reference(tmp_path: Path, kind: str) -> None:
    values = np.random.default_rng(0).normal(0, 3, (5, 96)).astype(np.float32)
    path = write(tmp_path / "a.gguf", kind, values)
    (reference,) = gguf.GGUFReader(path).tensors
    _, tensors = read_gguf(path)
    assert tensors["a.weight"].dtype == torch.float32
    theirs = gguf.quants.dequantize(reference.data, reference.tensor_type).reshape(5, 96)
    assert np.array_equal(tensors["a.weight"].numpy(), theirs)
    assert np.abs(theirs - values).max() < 1.0


def test_a_block_by_hand(tmp_path: Path) -> None:
    """Q4_1: scale 0.5, least -1; byte j holds the codes of weight j (low half) and of weight j + 16."""
    path = write(tmp_path / "a.gguf", "Q4_1", np.zeros((1, 32), np.float32))
    content = path.read_bytes()
    block = struct.pack("<ee16B", 0.5, -1.0, *(j + (15 - j) * 16 for j in range(16)))
    assert content[-32:] == bytes(32)  # the block, and what fills up to the next 32 bytes
    path.write_bytes(content[:-32] + block + bytes(12))
    _, tensors = read_gguf(path)
    low = [j * 0.5 - 1 for j in range(16)]
    assert tensors["a.weight"].tolist() == [low + low[::-1]]


def test_metadata_is_that_of_the_reference(tmp_path: Path) -> None:
    path = write_tiny_smollm2(tmp_path) / NAME
    metadata, tensors = read_gguf(path)
    reference = gguf.GGUFReader(path)
    theirs = {key: field.contents() for key, field in reference.fields.items() if not key.startswith("GGUF.")}
    assert metadata == theirs
    assert {name: list(tensor.shape) for name, tensor in tensors.items()} == {
        tensor.name: tensor.shape.tolist()[::-1] for tensor in reference.tensors
    }


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path: Path) -> None:
    content = (write_tiny_smollm2(tmp_path) / NAME).read_bytes()
    path = tmp_path / "cut.gguf"
    lengths = (0, 3, 4, 7, 12, 30, 700, len(content) // 20, len(content) // 2, len(content) - 40)
    for length in lengths:
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r"cut\.gguf") as caught:
            read_gguf(path)
        assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    with pytest.raises(CheckpointError, match="No such file"):
        read_gguf(path)
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(CheckpointError, match="is no GGUF file; it begins with b'PK"):
        read_gguf(path)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 1, 0, 0))
    with pytest.raises(CheckpointError, match="is GGUF version 1; known: 2, 3"):
        read_gguf(path)
    path.write_bytes(b"GGUF" + struct.pack("<IQQQ1sI", 3, 0, 1, 1, b"k", 99))
    with pytest.raises(CheckpointError, match="a value of the unknown kind 99"):
        read_gguf(path)
    with pytest.raises(CheckpointError, match=r"a\.weight is of ggml's kind 6; read here are F32, F16, Q4_0"):
        read_gguf(write(path, "Q5_0", np.zeros((1, 32), np.float32)))
