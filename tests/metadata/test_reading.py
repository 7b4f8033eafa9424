"""Files of every program's form give their prompt; hostile and damaged ones give none, in bounded work."""

from __future__ import annotations

import json
import struct
import tracemalloc
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, features

from tests.marked_pictures import (
    PARAMETERS,
    SETTINGS,
    chunk,
    comfy_png,
    graph,
    hidden,
    international_chunk,
    packed_chunk,
    picture,
    png,
    png_with,
    saved,
    text_chunk,
    tiff,
    with_comment,
    xmp,
)
from unprompt.errors import UnreadableImageError
from unprompt.metadata import carriers
from unprompt.metadata.exif import read_exif
from unprompt.metadata.generation import MOST_CHARACTERS, Generation
from unprompt.metadata.reading import read_file_generation, read_generation_of
from unprompt.metadata.stealth import read_stealth
from unprompt.metadata.xmp import read_xmp
from unprompt.storage.images import ImageFile, decode_image, read_image, read_size

KINDS = ["JPEG", "WEBP", *(["AVIF"] if features.check("avif") else [])]
CJK = f"夕暮れの灯台、油絵\nNegative prompt: ぼやけ\n{SETTINGS}"
LIGHTHOUSE = "a lighthouse at dusk, (warm light:1.2)"


def read(content: bytes) -> Generation:
    found = read_generation_of(content)
    assert found is not None
    return found


# --- A1111 and its like


@pytest.mark.parametrize("make", [text_chunk, packed_chunk, international_chunk])
@pytest.mark.parametrize("after", [False, True])
def test_a_text_of_a_png(make: Any, after: bool) -> None:
    found = read(png(make("parameters", PARAMETERS), after_pixels=after))
    assert (found.prompt, found.negative, found.seed) == (LIGHTHOUSE, "blurry, lowres", 42)
    assert (found.place, found.tool) == ("PNG text parameters", "AUTOMATIC1111")


def test_letters_of_any_script_in_a_png() -> None:
    for content in (text_chunk("parameters", CJK), international_chunk("parameters", CJK, packed=True)):
        assert read(png(content)).prompt == "夕暮れの灯台、油絵"
    assert read(png(text_chunk("parameters", f"café\n{SETTINGS}"))).prompt == "café"  # Latin-1


CODES = {
    "big-endian": lambda text: b"UNICODE\0" + text.encode("utf-16-be"),
    "little-endian": lambda text: b"UNICODE\0" + text.encode("utf-16-le"),
    "marked": lambda text: b"UNICODE\0" + text.encode("utf-16"),
    "UTF-8 called UNICODE": lambda text: b"UNICODE\0" + text.encode(),
    "ASCII": lambda text: b"ASCII\0\0\0" + text.encode(),
    "undefined": lambda text: bytes(8) + text.encode(),
    "undefined, wide": lambda text: bytes(8) + text.encode("utf-16-le"),
    "no code": lambda text: text.encode(),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", CODES)
def test_a_comment_in_every_code(kind: str, code: str) -> None:
    for text, prompt in ((PARAMETERS, LIGHTHOUSE), (CJK, "夕暮れの灯台、油絵")):
        for order in "<>":
            found = read(with_comment(kind, CODES[code](text), order))
            assert (found.prompt, found.seed, found.place) == (prompt, 42, "EXIF UserComment")


def test_japanese_in_its_own_code() -> None:
    assert read(with_comment("JPEG", b"JIS\0\0\0\0\0" + CJK.encode("iso2022_jp"))).negative == "ぼやけ"


def test_pillow_itself_as_writer(tmp_path: Path) -> None:
    """Parity: what Pillow puts into EXIF, at the top level and in its directory, is found as it is put."""
    top, inner = Image.Exif(), Image.Exif()
    top[0x9286] = PARAMETERS
    inner.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + PARAMETERS.encode("utf-16-be")
    for exif in (top, inner):
        picture().save(tmp_path / "a.webp", exif=exif)
        found = read_file_generation(ImageFile("a", tmp_path / "a.webp"))
        assert found is not None
        assert found.prompt == LIGHTHOUSE


def test_exif_in_a_png_and_a_description() -> None:
    block = tiff({0x010E: (2, PARAMETERS.encode() + b"\0")}, {})[6:]
    assert read(png(chunk(b"eXIf", block))).place == "EXIF ImageDescription"
    assert read(saved("GIF", comment=PARAMETERS)).place == "GIF comment"
    assert read(with_comment("JPEG", f"x\n{SETTINGS}, App: SD.Next".encode())).tool == "SD.Next"


# --- ComfyUI


def test_a_graph_in_a_png_and_in_exif() -> None:
    assert read(comfy_png(graph())).place == "PNG text prompt"
    tags = {
        0x0110: (2, b"prompt:" + json.dumps(graph()).encode() + b"\0"),
        0x010F: (2, b"workflow:{}\0"),
    }
    for kind in KINDS:
        found = read(saved(kind, exif=tiff(tags, {})))
        assert (found.prompt, found.negative, found.tool) == ("a lighthouse at dusk", "blurry", "ComfyUI")
    described = {0x010E: (2, b'Workflow:{"nodes": []}\0'), 0x010F: (2, b"Prompt:" + tags[0x0110][1][7:])}
    assert read(saved("JPEG", exif=tiff(described, {}))).prompt == "a lighthouse at dusk"


# --- the others


def test_invokeai() -> None:
    newest = {
        "positive_prompt": "a fox [in] snow", "negative_prompt": "dog", "seed": 5, "steps": 30,
        "cfg_scale": 7.5, "width": 640, "height": 512, "scheduler": "dpmpp_2m",
        "model": {"name": "demo", "hash": "blake3:ab"}, "positive_style_prompt": "oil",
    }  # fmt: skip
    found = read(png_with(invokeai_metadata=json.dumps(newest)))
    assert (found.prompt, found.negative, found.seed) == ("a fox [in] snow, oil", "dog", 5)
    assert (found.size, found.cfg, found.model, found.model_hash) == ((640, 512), 7.5, "demo", "blake3:ab")
    image = {"prompt": [{"prompt": "a fox [dog, blurry]", "weight": 1.0}], "steps": 30, "seed": 5,
             "cfg_scale": 7.5, "width": 64, "height": 32, "sampler": "k_lms"}  # fmt: skip
    older = {
        "model": "stable diffusion",
        "model_weights": "sd-1.5",
        "app_id": "invoke-ai/InvokeAI",
        "image": image,
    }
    found = read(png(text_chunk("sd-metadata", json.dumps(older))))
    assert (found.prompt, found.negative) == ("a fox", "dog, blurry")
    assert (found.model, found.sampler, found.tool) == ("sd-1.5", "k_lms", "InvokeAI")
    found = read(png_with(Dream='"a \\"red\\" fox [dog]" -s 50 -S 42 -W 512 -H 256 -C 7.5 -A k_lms'))
    assert (found.prompt, found.negative, found.seed) == ('a "red" fox', "dog", 42)
    assert (found.size, found.steps, found.cfg, found.sampler) == ((512, 256), 50, 7.5, "k_lms")


NOVEL = {
    "Title": "AI generated image",
    "Description": "1girl, lighthouse",
    "Software": "NovelAI",
    "Source": "Stable Diffusion XL 7BCCAA2C",
    "Comment": json.dumps(
        {"prompt": "1girl, lighthouse", "uc": "lowres", "steps": 28, "scale": 5.0, "seed": 3, "width": 832,
         "height": 1216, "sampler": "k_euler_ancestral"}
    ),
}  # fmt: skip


def check_novel(found: Generation) -> None:
    assert (found.prompt, found.negative, found.seed) == ("1girl, lighthouse", "lowres", 3)
    assert (found.size, found.steps, found.cfg) == ((832, 1216), 28, 5.0)
    assert (found.tool, found.model) == ("NovelAI", "Stable Diffusion XL 7BCCAA2C")


def test_novelai() -> None:
    check_novel(read(png_with(**NOVEL)))
    old = json.dumps({"steps": 28, "sampler": "ddim", "seed": 3, "scale": 11.0, "uc": "lowres"})
    assert read(png_with(**{**NOVEL, "Comment": old})).prompt == "1girl, lighthouse"
    caption = {
        "base_caption": "two people",
        "char_captions": [{"char_caption": "a man"}, {"char_caption": ""}],
    }
    comment = {"prompt": "x", "uc": "y", "steps": 1, "v4_prompt": {"caption": caption}}
    found = read(png_with(**{**NOVEL, "Comment": json.dumps(comment)}))
    assert (found.prompt, found.negative) == ("two people | a man", "y")
    assert read_generation_of(png_with(Comment="Created with GIMP", Description="my holiday")) is None


@pytest.mark.parametrize("name", ["stealth_pngcomp", "stealth_pnginfo", "stealth_rgbcomp", "stealth_rgbinfo"])
def test_a_text_in_the_pixels(name: str) -> None:
    image = picture(120, 60, "RGBA" if "png" in name else "RGB")
    found = read(saved("PNG", hidden(PARAMETERS, name, image)))
    assert (found.prompt, found.seed, found.place) == (LIGHTHOUSE, 42, "pixels")
    novel = hidden(json.dumps(NOVEL), name, picture(120, 60, "RGBA" if "png" in name else "RGB"))
    check_novel(read(saved("PNG", novel)))
    if "rgb" in name:
        assert read_generation_of(saved("PNG", novel), thorough=False) is None


def test_a_text_in_pixels_that_lies() -> None:
    image = np.array(hidden("a fox", "stealth_pnginfo", picture(40, 30, "RGBA")))
    for x in range(120, 152):  # the length
        image[x % 30, x // 30, 3] |= 1
    assert read_stealth(image) is None
    assert read_stealth(np.zeros((4, 4, 4), np.uint8)) is None
    packed = np.array(hidden("a fox " * 9, "stealth_pngcomp", picture(40, 30, "RGBA")))
    packed[5:9, 8, 3] ^= 1
    read_stealth(packed)


def test_a_bomb_in_the_pixels_is_cut() -> None:
    text = read_stealth(
        np.array(hidden("a" * 3 * MOST_CHARACTERS, "stealth_pngcomp", picture(500, 400, "RGBA")))
    )
    assert text is not None
    assert len(text) == MOST_CHARACTERS


FOOOCUS = {
    "prompt": "a fox", "negative_prompt": "dog", "styles": "['Fooocus V2']", "steps": 30, "seed": "77",
    "resolution": "(1152, 896)", "guidance_scale": 4.0, "base_model": "juggernaut.safetensors",
    "base_model_hash": "aeb7e9e689", "sampler": "dpmpp_2m_sde_gpu", "metadata_scheme": "fooocus",
    "version": "Fooocus v2.5.0",
}  # fmt: skip


def test_fooocus() -> None:
    inner = {0x9286: (2, json.dumps(FOOOCUS).encode()), 0x927C: (2, b"fooocus\0")}
    software = {0x0131: (2, b"Fooocus v2.5.0\0")}
    files = [
        png_with(parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus"),
        png_with(parameters=json.dumps(FOOOCUS)),
        saved("WEBP", exif=tiff(software, inner)),
        saved("JPEG", exif=tiff({**software, **inner}, {})),
    ]
    for content in files:
        found = read(content)
        assert (found.prompt, found.negative, found.seed, found.size) == ("a fox", "dog", 77, (1152, 896))
        assert (found.model, found.model_hash) == ("juggernaut.safetensors", "aeb7e9e689")
        assert (found.tool, found.cfg) == ("Fooocus", 4.0)
    as_a1111 = png_with(parameters=PARAMETERS, fooocus_scheme="a1111")
    assert (read(as_a1111).tool, read(as_a1111).prompt) == ("Fooocus", LIGHTHOUSE)


DRAW = {"c": "a fox", "uc": "dog", "seed": 9, "steps": 8, "scale": 4.5, "size": "512x768", "model": "m.ckpt",
        "sampler": "DPM++ 2M Karras"}  # fmt: skip


def test_draw_things() -> None:
    block = xmp(f"a fox\n-dog\n{SETTINGS}", json.dumps(DRAW), "Draw Things")
    files = [png(international_chunk("XML:com.adobe.xmp", block.decode())), saved("JPEG", xmp=block)]
    for content in (*files, with_comment("WEBP", b"ASCII\0\0\0" + json.dumps(DRAW).encode())):
        found = read(content)
        assert (found.prompt, found.negative, found.seed, found.size) == ("a fox", "dog", 9, (512, 768))
        assert (found.tool, found.sampler, found.cfg) == ("Draw Things", "DPM++ 2M Karras", 4.5)


def test_swarmui() -> None:
    record = {"sui_image_params": {"prompt": "a fox", "negativeprompt": "dog", "cfgscale": 7, "seed": 1}}
    assert read(png_with(parameters=json.dumps(record))).negative == "dog"
    assert read(png_with(parameters=json.dumps(record))).tool == "SwarmUI"


def test_a_description_in_xmp_unless_it_is_a_photographers() -> None:
    assert read(saved("WEBP", xmp=xmp("a fox & a <dog>"))).prompt == "a fox & a <dog>"
    camera = tiff(
        {0x010F: (2, b"OLYMPUS\0"), 0x0110: (2, b"E-M10\0"), 0x010E: (2, b"OLYMPUS DIGITAL CAMERA\0")}, {}
    )
    assert read_generation_of(saved("JPEG", xmp=xmp("our holiday"), exif=camera)) is None
    assert read_generation_of(saved("JPEG", exif=camera)) is None


def test_a_description_in_several_languages_is_that_of_the_first() -> None:
    both = xmp("a fox").replace(b"</rdf:li>", b"</rdf:li><rdf:li xml:lang='de'>ein Fuchs</rdf:li>", 1)
    assert b"ein Fuchs" in both
    assert read_xmp(both)["dc:description"] == "a fox"


def test_zeros_behind_a_text_are_no_letters_of_two_bytes() -> None:
    short = tiff(
        {0x010F: (2, b"Canon\0"), 0x0110: (2, b"NIKON D70" + bytes(7)), 0x0131: (2, b"ab\0")},
        {0x9286: (7, b"ASCII\0\0\0a fox in snow" + bytes(50))},
    )
    assert read_exif(short) == {
        "Make": "Canon", "Model": "NIKON D70", "Software": "ab", "UserComment": "a fox in snow",
    }  # fmt: skip
    for code in ("utf-16-le", "utf-16-be"):
        wide = tiff({}, {0x9286: (7, b"UNICODE\0" + "a fox, 夕".encode(code) + bytes(8))})
        assert read_exif(wide) == {"UserComment": "a fox, 夕"}


# --- what says nothing, what is damaged, what is hostile


def test_pictures_without_any(tmp_path: Path) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000"):
        assert read_generation_of(saved(kind)) is None
    assert read_generation_of(saved("PNG", picture(mode="RGBA"))) is None
    assert read_generation_of(png_with(parameters="", prompt="{}", Comment="{}")) is None


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"hello", b"\x89PNG"])
def test_no_picture(content: bytes) -> None:
    with pytest.raises(UnreadableImageError):
        read_generation_of(content)


def test_a_record_without_a_prompt_comes_last() -> None:
    found = read(png(text_chunk("parameters", SETTINGS)))
    assert (found.prompt, found.seed) == ("", 42)
    assert read(png(text_chunk("parameters", SETTINGS), text_chunk("prompt", json.dumps(graph())))).seed == 7


def bomb(length: int = 1 << 28) -> bytes:
    """`length` letters a, packed."""
    packer = zlib.compressobj()
    block = b"a" * (1 << 20)
    return b"".join(packer.compress(block) for _ in range(length >> 20)) + packer.flush()


def test_texts_that_explode_are_passed_over_and_the_picture_stays() -> None:
    parts = [b"zTXt" + b"parameters\0\0", b"iTXt" + b"parameters\0\1\0\0\0"]
    plain = np.asarray(decode_image(saved("PNG")))
    for part in parts:
        content = png(chunk(part[:4], part[4:] + bomb()), text_chunk("Dream", '"a fox" -S 4'))
        tracemalloc.start()
        assert read(content).prompt == "a fox"
        assert tracemalloc.get_traced_memory()[1] < 40 * MOST_CHARACTERS
        tracemalloc.stop()
        np.testing.assert_array_equal(np.asarray(decode_image(content)), plain)


@pytest.mark.parametrize("after", [False, True])
def test_texts_of_any_size_do_not_damage_a_picture(tmp_path: Path, after: bool) -> None:
    plain = np.asarray(decode_image(saved("PNG")))
    many = [text_chunk(f"k{number}", "a" * (1 << 20)) for number in range(70)]
    wrong = bytearray(text_chunk("parameters", PARAMETERS))
    wrong[-1] ^= 1
    unknown = chunk(b"zTXt", b"parameters\0\7" + b"x")
    for chunks in ([packed_chunk("parameters", "a" * 3_000_000)], many, [bytes(wrong)], [unknown]):
        path = tmp_path / "a.png"
        path.write_bytes(png(*chunks, after_pixels=after))
        np.testing.assert_array_equal(np.asarray(read_image(path)), plain)
        assert read_size(path) == picture().size
        read_generation_of(path.read_bytes())


def test_a_wrong_checksum_does_not_hide_a_prompt() -> None:
    wrong = bytearray(text_chunk("parameters", PARAMETERS))
    wrong[-1] ^= 1
    assert read(png(bytes(wrong))).prompt == LIGHTHOUSE


def test_exif_whose_entries_all_point_at_one_block() -> None:
    block = b"a" * 1_000_000
    entries = 60_000
    head = b"MM\0*" + struct.pack(">IH", 8, entries)
    place = 8 + 2 + 12 * entries + 4
    listed = (struct.pack(">HHII", 0x0100 + n % 0x8000, 2, len(block), place) for n in range(entries))
    data = head + b"".join(listed) + bytes(4) + block
    tracemalloc.start()
    read_exif(data)
    assert tracemalloc.get_traced_memory()[1] < 50 * len(block)
    tracemalloc.stop()


def test_xml_with_entities_or_without_end() -> None:
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>' + xmp("&b;").replace(b"&amp;", b"&")
    assert read_xmp(laughs) == {}
    assert read_xmp(b"<a>" * 100_000) == {}
    assert read_xmp(xmp("a fox")[:-40]) == {"dc:description": "a fox"}


@pytest.mark.parametrize("encoding", ["foo", "hex", "mbcs", "utf-7", "punycode", ""])
def test_xml_in_a_code_that_nobody_knows(encoding: str) -> None:
    assert read_xmp(f'<?xml version="1.0" encoding="{encoding}"?>'.encode() + xmp("a fox")) == {}


def test_deep_json_everywhere() -> None:
    for text in ("[" * 200_000, '{"a":' * 200_000, '{"prompt": ' + "[" * 90_000, "9" * 100_000):
        texts = dict.fromkeys(("parameters", "prompt", "workflow", "Comment", "invokeai_metadata"), text)
        read_generation_of(png_with(**texts))
        read_generation_of(with_comment("JPEG", text.encode()[:60_000]))


FILES = [
    png(text_chunk("parameters", PARAMETERS)),
    comfy_png(graph()),
    with_comment("JPEG", b"UNICODE\0" + PARAMETERS.encode("utf-16-be")),
    saved("WEBP", xmp=xmp("a fox", json.dumps(DRAW))),
    saved("PNG", hidden(PARAMETERS, "stealth_pngcomp", picture(80, 40, "RGBA"))),
]


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(range(len(FILES))), st.integers(0, 10**6), st.integers(0, 255), st.booleans())
@example(0, 40, 255, False)
def test_a_damaged_file_is_none_a_part_or_unreadable(file: int, place: int, value: int, cut: bool) -> None:
    content = bytearray(FILES[file])
    content[place % len(content)] = value
    if cut:
        del content[place % len(content) :]
    try:
        found = read_generation_of(bytes(content))
    except UnreadableImageError:
        return
    if found is not None:
        json.dumps(found.as_dict(), allow_nan=False).encode()


def test_only_the_texts_of_a_png_are_read(tmp_path: Path) -> None:
    """The pixels of a picture that has its prompt in a text are passed over."""
    content = png(text_chunk("parameters", PARAMETERS), image=picture(400, 400))

    class Counting(BytesIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            content = super().read(size)
            self.count += len(content)
            return content

    stream = Counting(content)
    assert "parameters" in carriers.read_carried(stream).texts
    assert stream.count < 1000 < len(content)
