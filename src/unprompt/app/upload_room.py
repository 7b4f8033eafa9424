"""How much of visitors' files the app's server holds at a time, and how much of that is one visitor's.

Streamlit keeps each file in memory until its visitor leaves or takes it away, and a program can send file
after file for a visitor; it limits each of them, and not their sum. Files are kept longer here: those of
uploaders that were left, and on the page Colour by words those of the works that can be gone back to.

A visitor's first file is taken wherever there is room for it, a further one where all that the visitor then
has is no more than what stays free. So n visitors who send all they can have 1 / (n + 1) of the room each and
leave as much for the next: the dynamic threshold of shared buffers (Choudhury and Hahne, 1998).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from streamlit.runtime.uploaded_file_manager import UploadedFileManager

UPLOADS = "/_stcore/upload_file/"  # Streamlit's path for them
REFUSED = b"this server holds as many files as it can; take some away, or try again later"


class Keeper(Protocol):
    """What keeps files of a visitor."""

    @property
    def files(self) -> list[bytes]: ...


_KEEPERS: WeakValueDictionary[str, Keeper] = WeakValueDictionary()  # by visitor


class UploadRoom:
    """ASGI middleware that answers 503 to uploads for which there is no room of `most` bytes.

    What is held and what is on its way count alike.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        self.app = app
        self.most = most
        self._coming: Counter[str] = Counter()  # bytes by visitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on or refuse one request."""
        if scope["type"] != "http" or scope["method"] != "PUT" or UPLOADS not in scope["path"]:
            await self.app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"")
        size = int(announced) if announced.isdigit() else self.most  # who does not say comes alone
        visitor = scope["path"].rpartition(UPLOADS)[2].partition("/")[0]
        if size > room_for(visitor, held_bytes() + self._coming, self.most):
            headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"retry-after", b"60")]
            await send({"type": "http.response.start", "status": 503, "headers": headers})
            await send({"type": "http.response.body", "body": REFUSED})
            return
        self._coming[visitor] += size
        came, on_its_way = 0, size

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > size:  # more than was said
                return {"type": "http.disconnect"}
            return message

        def end() -> None:
            nonlocal on_its_way
            self._coming[visitor] -= on_its_way
            self._coming += Counter()  # forgets those who have nothing on its way
            on_its_way = 0

        async def answered(message: Message) -> None:
            end()  # Streamlit holds the file before it answers, and there it counts
            await send(message)

        try:
            await self.app(scope, counted, answered)
        finally:
            end()


def room_for(visitor: str, taken: Counter[str], most: int) -> int:
    """Bytes that a visitor's next file may have in a room of `most`, of which visitors have `taken`."""
    free = max(0, most - taken.total())
    return max(0, free - taken[visitor]) // 2 if taken[visitor] else free


def count_kept(visitor: str, keeper: Keeper) -> None:
    """Count the files that are kept of a visitor from now on, as long as the visitor is there."""
    _KEEPERS[visitor] = keeper


def drop_files(visitor: str, contents: Sequence[bytes]) -> None:
    """Have Streamlit forget files of a visitor, which it keeps though no uploader shows them."""
    from streamlit.runtime import Runtime
    from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

    keeper = Runtime.instance().uploaded_file_mgr if Runtime.exists() else None
    if isinstance(keeper, MemoryUploadedFileManager):
        dropped = set(map(id, contents))
        for file in list(keeper.file_storage.get(visitor, {}).values()):
            if id(file.data) in dropped:
                keeper.remove_file(visitor, file.file_id)


def held_bytes() -> Counter[str]:
    """Bytes of the files that are held, by visitor (Streamlit's session) who is there."""
    from streamlit.runtime import Runtime

    return bytes_in(Runtime.instance().uploaded_file_mgr) if Runtime.exists() else Counter()


def bytes_in(keeper: UploadedFileManager) -> Counter[str]:
    """Bytes by visitor in Streamlit's keeper of files, as long as that is the one in memory, and in others.

    It knows a visitor from the first file until the visitor leaves, also when all files were taken away.
    """
    stored = getattr(keeper, "file_storage", {})
    held: Counter[str] = Counter()
    for visitor, files in list(stored.items()):
        sent = [file.data for file in list(files.values())]
        keeping = _KEEPERS.get(visitor)
        kept = {id(content): content for content in (keeping.files if keeping else ())}
        for content in sent:
            kept.pop(id(content), None)
        held[visitor] = sum(map(len, [*sent, *kept.values()]))
    return held
