"""Sheets as a PDF: ink as a bilevel picture in CCITT group 4, coloured pictures under it as what they are.

Pillow writes a page as one picture, so that a small original in colour would make its line art a JPEG: here
each page has its ink apart. The file has no times in it: the same sheets give the same bytes.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import STRIPBYTECOUNTS, STRIPOFFSETS, TiffImageFile

from unprompt import __version__
from unprompt.colouring_pages.sheet import INCH, JPEG_QUALITY, Picture, Sheet
from unprompt.errors import InputError
from unprompt.storage.files import writing

POINT = INCH / 72  # mm


def write_pdf(path: Path, sheets: Iterable[Sheet], dpi: float, title: str = "") -> int:
    """Write sheets as the pages of a PDF, whole or not at all, and return how many there are.

    One sheet is held at a time. Raises InputError where there is none.
    """
    with writing(path) as stream:
        return _Writer(stream).write(sheets, dpi, title)


def pdf_bytes(sheets: Iterable[Sheet], dpi: float, title: str = "") -> bytes:
    """The same as bytes."""
    stream = io.BytesIO()
    _Writer(stream).write(sheets, dpi, title)
    return stream.getvalue()


class _Writer:
    """Numbered objects one after the other, and where each begins (ISO 32000-1, section 7.5)."""

    CATALOG, PAGES, INFO = 1, 2, 3

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.position = 0
        self.starts = dict.fromkeys((self.CATALOG, self.PAGES, self.INFO), 0)  # written last

    def write(self, sheets: Iterable[Sheet], dpi: float, title: str) -> int:
        self._put(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")  # four high bytes: to be copied as binary
        pages = [self._page(sheet, dpi) for sheet in sheets]
        if not pages:
            raise InputError("a PDF needs at least one page, got none")
        self._object(f"<< /Type /Catalog /Pages {self.PAGES} 0 R >>", number=self.CATALOG)
        kids = " ".join(f"{page} 0 R" for page in pages)
        self._object(f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>", number=self.PAGES)
        named = f"/Title {_text(title)} " if title else ""
        self._object(f"<< {named}/Producer {_text(f'unprompt {__version__}')} >>", number=self.INFO)
        table = self.position
        rows = "".join(f"{start:010d} 00000 n \n" for _, start in sorted(self.starts.items()))
        count = len(self.starts) + 1
        self._put(f"xref\n0 {count}\n0000000000 65535 f \n{rows}".encode())
        self._put(
            f"trailer\n<< /Size {count} /Root {self.CATALOG} 0 R /Info {self.INFO} 0 R >>\n"
            f"startxref\n{table}\n%%EOF\n".encode()
        )
        return len(pages)

    def _page(self, sheet: Sheet, dpi: float) -> int:
        width, height = (side / POINT for side in sheet.size)
        names, commands = [], []
        for number, picture in enumerate(sheet.pictures):
            x, y = picture.box.x / POINT, height - picture.box.bottom / POINT  # PDF's y goes up
            names.append(f"/P{number} {self._picture(picture)} 0 R")
            commands.append(
                f"q {picture.box.width / POINT:.3f} 0 0 {picture.box.height / POINT:.3f} {x:.3f} {y:.3f} cm "
                f"/P{number} Do Q\n"
            )
        names.append(f"/Ink {self._ink(sheet.render_ink(dpi), over=bool(sheet.pictures))} 0 R")
        commands.append(f"0 g q {width:.3f} 0 0 {height:.3f} 0 0 cm /Ink Do Q\n")
        contents = self._object("<< /Length {length} >>", "".join(commands).encode())
        return self._object(
            f"<< /Type /Page /Parent {self.PAGES} 0 R /MediaBox [0 0 {width:.3f} {height:.3f}] "
            f"/Contents {contents} 0 R /Resources << /XObject << {' '.join(names)} >> >> >>"
        )

    def _ink(self, image: Image.Image, over: bool) -> int:
        """Bilevel pixels; `over` pictures only the black ones are painted."""
        form = "/ImageMask true" if over else "/ColorSpace /DeviceGray"
        filters = (
            "/Filter /CCITTFaxDecode "
            f"/DecodeParms << /K -1 /BlackIs1 true /Columns {image.width} /Rows {image.height} >>"
        )
        return self._image(image.size, f"{form} /BitsPerComponent 1 {filters}", _group4(image))

    def _picture(self, picture: Picture) -> int:
        image = picture.image
        if picture.flat:
            pixels = np.asarray(image, np.uint32) @ np.array([65536, 256, 1], np.uint32)  # (H, W)
            colours, places = np.unique(pixels, return_inverse=True)
            palette = "".join(f"{colour:06x}" for colour in colours)
            form = f"/ColorSpace [/Indexed /DeviceRGB {len(colours) - 1} <{palette}>]"
            content = zlib.compress(places.astype(np.uint8).tobytes(), 9)
            return self._image(image.size, f"{form} /BitsPerComponent 8 /Filter /FlateDecode", content)
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=JPEG_QUALITY)
        space = "/DeviceGray" if image.mode == "L" else "/DeviceRGB"
        form = f"/ColorSpace {space} /BitsPerComponent 8 /Filter /DCTDecode"
        return self._image(image.size, form, stream.getvalue())

    def _image(self, size: tuple[int, int], form: str, content: bytes) -> int:
        width, height = size
        head = (
            f"<< /Type /XObject /Subtype /Image /Width {width} /Height {height} {form} /Length {{length}} >>"
        )
        return self._object(head, content)

    def _object(self, head: str, content: bytes | None = None, number: int = 0) -> int:
        number = number or len(self.starts) + 1
        self.starts[number] = self.position
        if content is None:
            self._put(f"{number} 0 obj\n{head}\nendobj\n".encode())
        else:
            head = head.replace("{length}", str(len(content)))
            self._put(f"{number} 0 obj\n{head}\nstream\n".encode() + content + b"\nendstream\nendobj\n")
        return number

    def _put(self, content: bytes) -> None:
        self.stream.write(content)
        self.position += len(content)


def _group4(image: Image.Image) -> bytes:
    """A bilevel picture in CCITT group 4: the only strip of a TIFF file that Pillow writes."""
    stream = io.BytesIO()
    image.save(stream, "TIFF", compression="group4", strip_size=(image.width + 7) // 8 * image.height)
    stream.seek(0)
    with TiffImageFile(stream) as tiff:
        (start,), (length,) = (tiff.tag_v2[tag] for tag in (STRIPOFFSETS, STRIPBYTECOUNTS))
    return stream.getvalue()[start : start + length]


def _text(text: str) -> str:
    """A text of PDF: UTF-16 with its mark, in hexadecimal digits."""
    return f"<FEFF{text.encode('utf-16-be').hex()}>"
