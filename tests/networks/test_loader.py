"""What members share is loaded once, and small networks by one thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from unprompt.networks import minilm  # noqa: E402
from unprompt.networks.bert import Bert  # noqa: E402
from unprompt.networks.detector import Detector  # noqa: E402
from unprompt.networks.imagenet import ImageNetClassifier  # noqa: E402


@pytest.mark.parametrize("load", [minilm.PromptEncoder.load, ImageNetClassifier.load, Detector.load])
def test_small_networks_are_filled_by_one_thread(
    load: Callable[[str], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Several wait for each other over each tensor, for seconds where other work has the cores."""
    threads: list[int] = []

    def watch(owner: type, name: str) -> None:
        plain = getattr(owner, name)

        def watched(*given: Any, **named: Any) -> Any:
            threads.append(torch.get_num_threads())
            return plain(*given, **named)

        monkeypatch.setattr(owner, name, watched)

    watch(torch.nn.Module, "load_state_dict")
    watch(Bert, "__init__")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        load("cpu")
        assert threads == [1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
