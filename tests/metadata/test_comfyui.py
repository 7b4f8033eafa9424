"""ComfyUI's graphs: the text that is wired to the sampler whose picture was saved, whatever lies between."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.marked_pictures import graph, node
from unprompt.metadata.comfyui import Node, find_sampler, read_comfyui
from unprompt.metadata.generation import Generation


def read(content: Any, workflow: Any = None) -> Generation:
    found = read_comfyui(json.dumps(content), workflow and json.dumps(workflow))
    assert found is not None
    return found


def prompt_of(**nodes: Any) -> str:
    """The prompt where the sampler's positive comes from the node `start`."""
    sampler = {**graph()["n3"]["inputs"], "positive": ["start", 0]}
    found = read(graph("WRONG", n3=node("KSampler", **sampler), **nodes))
    assert found.negative == "blurry"
    return found.prompt


def test_the_default_graph() -> None:
    assert read(graph()) == Generation(
        prompt="a lighthouse at dusk",
        negative="blurry",
        seed=7,
        size=(512, 768),
        sampler="euler",
        steps=20,
        cfg=7.0,
        model="demo.safetensors",
        tool="ComfyUI",
        others={"scheduler": "normal", "denoise": "1.0"},
    )


def text(words: str) -> dict[str, Any]:
    return node("CLIPTextEncode", text=words, clip=["n4", 1])


BOTH = {"a": text("a fox"), "b": text("in snow")}
LONG = {f"r{n}": node("Reroute", **{"": [f"r{n + 1}", 0]}) for n in range(60)}
BETWEEN: dict[str, tuple[dict[str, Any], str]] = {
    "reroutes": ({"start": node("Reroute", **{"": ["r0", 0]}), **LONG, "r60": text("a fox")}, "a fox"),
    "combine": (
        {"start": node("ConditioningCombine", conditioning_1=["a", 0], conditioning_2=["b", 0]), **BOTH},
        "a fox, in snow",
    ),
    "concat": (
        {"start": node("ConditioningConcat", conditioning_from=["b", 0], conditioning_to=["a", 0]), **BOTH},
        "a fox, in snow",
    ),
    "average": (
        {
            "start": node(
                "ConditioningAverage", conditioning_to=["a", 0], conditioning_from=["b", 0],
                conditioning_to_strength=0.5,
            ),
            **BOTH,
        },
        "a fox, in snow",
    ),
    "average of one": (
        {
            "start": node(
                "ConditioningAverage", conditioning_to=["a", 0], conditioning_from=["b", 0],
                conditioning_to_strength=0.0,
            ),
            **BOTH,
        },
        "in snow",
    ),
    "an area": ({"start": node("ConditioningSetArea", conditioning=["a", 0], width=64), **BOTH}, "a fox"),
    "ControlNet": (
        {"start": node("ControlNetApply", conditioning=["a", 0], control_net=["n4", 0]), **BOTH},
        "a fox",
    ),
    "ControlNet for both": (
        {
            "start": node("ControlNetApplyAdvanced", positive=["a", 0], negative=["n7", 0], strength=1.0),
            **BOTH,
        },
        "a fox",
    ),
    "guidance": ({"start": node("FluxGuidance", conditioning=["a", 0], guidance=3.5), **BOTH}, "a fox"),
    "a primitive": (
        {"start": text(["p", 0]), "p": node("PrimitiveStringMultiline", value="a fox\nin snow")},
        "a fox\nin snow",
    ),
    "texts put together": (
        {
            "start": text(["j", 0]),
            "j": node("StringConcatenate", string_a="a fox", string_b=["p", 0], delimiter=" and "),
            "p": node("PrimitiveString", value="snow"),
        },
        "a fox and snow",
    ),
    "eleven texts": (
        {
            "start": text(["j", 0]),
            "j": node("JoinStringMulti", delimiter=" ", **{f"string_{n}": str(n) for n in range(1, 12)}),
        },
        "1 2 3 4 5 6 7 8 9 10 11",
    ),
    "texts shown": (
        {"start": text(["s", 0]), "s": node("ShowText|pysssss", text=["p", 0], text_0="old"),
         "p": node("Text Multiline", text="a fox")},
        "a fox",
    ),
    "wildcards": (
        {"start": node("ImpactWildcardEncode", wildcard_text="a {fox|dog}", populated_text="a fox", seed=1)},
        "a fox",
    ),
    "SDXL": ({"start": node("CLIPTextEncodeSDXL", text_g="a fox", text_l="snow", width=1024)}, "a fox, snow"),
    "SDXL, the same twice": (
        {"start": node("CLIPTextEncodeSDXL", text_g="a fox", text_l="a fox", width=1024)}, "a fox",
    ),
    "Flux": (
        {"start": node("CLIPTextEncodeFlux", clip_l="a fox", t5xxl="a fox in snow", guidance=3.5)},
        "a fox in snow",
    ),
    "a styler": (
        {"start": text(["s", 0]), "s": node("SDXLPromptStyler", text_positive="a fox", text_negative="dog")},
        "a fox",
    ),
    "a switch": (
        {"start": node("ConditioningSwitch", select=2, input1=["a", 0], input2=["b", 0]), **BOTH}, "in snow",
    ),
    "an unknown node": (
        {"start": node("SomebodysNode", stuff=["a", 0], model=["n4", 0]), **BOTH}, "a fox",
    ),
    "a circle": (
        {
            "start": node("ConditioningCombine", conditioning_1=["c", 0], conditioning_2=["a", 0]),
            "c": node("Reroute", **{"": ["start", 0]}),
            **BOTH,
        },
        "a fox",
    ),
    "a link to nothing": (
        {"start": node("ConditioningCombine", conditioning_1=["gone", 0], conditioning_2=["a", 0]), **BOTH},
        "a fox",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BETWEEN)
def test_what_lies_between(name: str) -> None:
    nodes, prompt = BETWEEN[name]
    assert prompt_of(**nodes) == prompt


def test_the_negative_is_never_taken_for_it() -> None:
    control = node("ControlNetApplyAdvanced", positive=["n6", 0], negative=["n7", 0], strength=1.0)
    sampler = {**graph()["n3"]["inputs"], "positive": ["c", 0], "negative": ["c", 1]}
    found = read(graph(c=control, n3=node("KSampler", **sampler)))
    assert (found.prompt, found.negative) == ("a lighthouse at dusk", "blurry")
    found = read(graph(n6=node("ConditioningZeroOut", conditioning=["n7", 0])))
    assert (found.prompt, found.negative) == ("", "blurry")
    loader = node("Efficient Loader", ckpt_name="x", positive="a fox", negative="dog")
    sampler = {**graph()["n3"]["inputs"], "positive": ["l", 1], "negative": ["l", 2]}
    found = read(graph(l=loader, n3=node("KSampler (Efficient)", **sampler)))
    assert (found.prompt, found.negative) == ("a fox", "dog")


def test_a_flux_graph_has_no_positive() -> None:
    flux = {
        "1": node("UNETLoader", unet_name="flux.safetensors"),
        "2": node("CLIPTextEncode", text="a fox", clip=["9", 0]),
        "3": node("FluxGuidance", conditioning=["2", 0], guidance=3.5),
        "4": node("BasicGuider", model=["1", 0], conditioning=["3", 0]),
        "5": node("RandomNoise", noise_seed=11),
        "6": node("KSamplerSelect", sampler_name="euler"),
        "7": node("BasicScheduler", scheduler="simple", steps=4, denoise=1, model=["1", 0]),
        "8": node("EmptySD3LatentImage", width=1024, height=768),
        "10": node(
            "SamplerCustomAdvanced", noise=["5", 0], guider=["4", 0], sampler=["6", 0], sigmas=["7", 0],
            latent_image=["8", 0],
        ),
        "11": node("VAEDecode", samples=["10", 0]),
        "12": node("SaveImage", images=["11", 0]),
    }  # fmt: skip
    found = read(flux)
    assert (found.prompt, found.negative, found.seed, found.steps) == ("a fox", "", 11, 4)
    assert (found.size, found.sampler, found.model) == ((1024, 768), "euler", "flux.safetensors")
    flux["4"] = node("CFGGuider", model=["1", 0], positive=["3", 0], negative=["n"], cfg=2.5)
    flux["4"]["inputs"]["negative"] = ["13", 0]
    flux["13"] = node("CLIPTextEncode", text="dog")
    found = read(flux)
    assert (found.prompt, found.negative, found.cfg) == ("a fox", "dog", 2.5)


def test_of_several_samplers_the_one_that_was_saved() -> None:
    other = {**graph()["n3"]["inputs"], "positive": ["x", 0], "seed": 99}
    more = {"s": node("KSampler", **other), "x": text("WRONG"), "d": node("VAEDecode", samples=["s", 0])}
    assert read(graph(**more, p=node("PreviewImage", images=["d", 0]))).prompt == "a lighthouse at dusk"
    first = {"a0": node("PreviewImage", images=["d", 0])}
    assert read({**first, **more, **graph()}).seed == 7
    detailer = node(
        "FaceDetailer", image=["n8", 0], positive=["x", 0], negative=["n7", 0], seed=5, steps=9, cfg=1.0
    )
    saved = node("SaveImage", images=["f", 0])
    assert read(graph(x=text("a face"), f=detailer, n9=saved)).prompt == "a lighthouse at dusk"


def test_a_seed_that_comes_from_a_node() -> None:
    sampler = {**graph()["n3"]["inputs"], "seed": ["q", 0]}
    assert read(graph(q=node("Seed (rgthree)", seed=123), n3=node("KSampler", **sampler))).seed == 123


def test_nan_and_what_is_no_node() -> None:
    content = json.dumps(graph()).replace('"cfg": 7.0', '"cfg": NaN')
    found = read_comfyui(content[:-1] + ', "x": 3, "y": {"class_type": 4}, "is_changed": [NaN]}', None)
    assert found is not None
    assert (found.prompt, found.cfg) == ("a lighthouse at dusk", None)
    assert read_comfyui("{}", None) is read_comfyui("[", "]") is read_comfyui(None, None) is None
    assert read_comfyui("[" * 100_000, '{"a":' * 100_000) is None


@pytest.mark.parametrize("output", ["1.0", "1.", " 1 ", "1e0", True, 1.0, 1.5, -1, "x", None, [0], 10**30])
def test_outputs_that_are_no_whole_numbers(output: object) -> None:
    """A link is a node's name and the number of its output; other programs write what they like."""
    content = graph()
    content["n3"]["inputs"]["odd"] = ["n4", output]
    assert read_comfyui(json.dumps(content), None) is not None


# --- the editor's form


def edited(**changes: Any) -> dict[str, Any]:
    """The editor's form of a small graph: text -> control net -> sampler -> save."""

    def one(number: int, kind: str, values: Any = None, mode: int = 0, **sockets: int) -> dict[str, Any]:
        types = {"positive": "CONDITIONING", "negative": "CONDITIONING", "conditioning": "CONDITIONING"}
        return {
            "id": number,
            "type": kind,
            "mode": changes.get(f"mode{number}", mode),
            "inputs": [
                {"name": name, "type": types.get(name, name.upper()), "link": link}
                for name, link in sockets.items()
            ],
            "outputs": [{"name": "out", "type": "CONDITIONING", "links": []}],
            "widgets_values": values,
        }

    return {
        "nodes": [
            one(1, "CLIPTextEncode", ["a fox"], clip=90),
            one(2, "CLIPTextEncode", ["dog"], clip=91),
            one(3, "ControlNetApply", [0.5], conditioning=10, control_net=92),
            one(4, "KSampler", [5, "randomize", 20, 8, "euler", "normal", 1],
                positive=11, negative=12, latent_image=13),
            one(5, "EmptyLatentImage", [64, 32, 1]),
            one(6, "VAEDecode", [], samples=14),
            one(7, "SaveImage", ["name"], images=15),
            one(8, "Note", ["WRONG"]),
            one(9, "KSampler", [6, "fixed", 1, 1, "ddim", "normal", 1], mode=2, positive=16),
        ],
        "links": [
            [10, 1, 0, 3, 0, "CONDITIONING"], [11, 3, 0, 4, 0, "CONDITIONING"],
            [12, 2, 0, 4, 1, "CONDITIONING"], [13, 5, 0, 4, 2, "LATENT"], [14, 4, 0, 6, 0, "LATENT"],
            {"id": 15, "origin_id": 6, "origin_slot": 0, "target_id": 7, "target_slot": 0, "type": "IMAGE"},
            [16, 2, 0, 9, 0, "CONDITIONING"],
        ],
    }  # fmt: skip


def test_the_editors_form() -> None:
    found = read_comfyui(None, json.dumps(edited()))
    assert found is not None
    assert (found.prompt, found.negative, found.seed, found.size) == ("a fox", "dog", 5, (64, 32))
    assert (found.steps, found.cfg, found.sampler) == (20, 8, "euler")


def test_bypassed_nodes_give_on_and_muted_ones_are_gone() -> None:
    bypassed = read_comfyui(None, json.dumps(edited(mode3=4)))
    assert bypassed is not None
    assert bypassed.prompt == "a fox"
    muted = read_comfyui(None, json.dumps(edited(mode3=2)))
    assert muted is not None
    assert (muted.prompt, muted.negative) == ("", "dog")


def test_the_form_that_ran_comes_first() -> None:
    assert read(graph(), edited()).prompt == "a lighthouse at dusk"
    assert read(graph(""), edited()).prompt == "a fox"
    assert read({"error": 1}, edited()).prompt == "a fox"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
NAMES = st.sampled_from([str(n) for n in range(6)])
INPUTS = st.sampled_from(
    ["positive", "negative", "text", "conditioning", "conditioning_to", "conditioning_from", "latent_image",
     "seed", "samples", "images", "guider", "string_a", "string_b", "delimiter", "input1", "select", "",
     "text_positive"]
)  # fmt: skip
KINDS = st.sampled_from(
    ["KSampler", "SaveImage", "ConditioningCombine", "StringConcatenate", "Switch", "CFGGuider", "Reroute"]
)
GRAPHS = st.dictionaries(
    NAMES,
    st.fixed_dictionaries(
        {
            "class_type": KINDS,
            "inputs": st.dictionaries(INPUTS, st.tuples(NAMES, st.integers(0, 3) | JSON).map(list) | JSON),
        }
    ),
)


@settings(deadline=None, max_examples=60)
@given(GRAPHS, st.fixed_dictionaries({"nodes": JSON, "links": JSON}))
def test_any_graph_ends(content: dict[str, Any], workflow: dict[str, Any]) -> None:
    read_comfyui(json.dumps(content), json.dumps(workflow))


def test_a_graph_made_to_take_long_ends() -> None:
    wide = {
        str(n): node("ConditioningCombine", **{f"conditioning_{k}": [str(n + 1), 0] for k in range(50)})
        for n in range(300)
    }
    assert prompt_of(start=node("Reroute", x=["0", 0]), **wide) == ""


class Counted(dict[str, Node]):
    """A graph that counts how often its nodes are looked at."""

    looks = 0

    def __getitem__(self, name: str) -> Node:
        self.looks += 1
        return super().__getitem__(name)


@pytest.mark.parametrize("kind", ["samplers behind each other", "many ends of one long way"])
def test_a_sampler_is_found_by_looking_at_each_node_a_few_times(kind: str) -> None:
    count = 2000
    if kind.startswith("samplers"):
        nodes = {
            str(n): Node("KSampler", {"steps": 1}, {"positive": ("t", 0), "latent_image": (str(n - 1), 0)})
            for n in range(count)
        }
        found = str(count - 1)
    else:
        nodes = {str(n): Node("Reroute", {}, {"x": (str(n - 1), 0)}) for n in range(count)}
        nodes |= {f"end {n}": Node("SaveImage", {}, {"images": (str(count - 1), 0)}) for n in range(count)}
        found = None
    graph = Counted(nodes)
    assert find_sampler(graph) == found
    assert graph.looks < 10 * len(graph)


def test_a_text_that_many_nodes_put_together_again_and_again_takes_little_memory() -> None:
    texts = {sign: node("CLIPTextEncode", text=sign * 90_000) for sign in "xy"}
    both = {
        str(n): node("ConditioningCombine", conditioning_1=["x", 0], conditioning_2=["y", 0])
        for n in range(1000)
    }
    every = node("ConditioningCombine", **{f"conditioning_{n}": [n, 0] for n in both})
    tracemalloc.start()
    prompt = prompt_of(start=every, **texts, **both)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert prompt.startswith("x" * 90_000 + ", y")
    assert most < 20e6
