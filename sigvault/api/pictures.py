"""Pictures as answers: what the bytes are is read from them, and a browser is not to guess."""

from __future__ import annotations

from fastapi import Response

_KINDS = (
    (b"\x89PNG", "image/png", "png"),
    (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"BM", "image/bmp", "bmp"),
    (b"II*\x00", "image/tiff", "tif"),
    (b"MM\x00*", "image/tiff", "tif"),
    (b"RIFF", "image/webp", "webp"),
)


def picture_answer(content: bytes, name: str) -> Response:
    """A picture to be saved, not to be shown as a page.

    Args:
        content: its bytes, as they came.
        name: what to call the file, without an ending.
    """
    found = (kind for kind in _KINDS if content.startswith(kind[0]))
    _, media_type, ending = next(found, (b"", "application/octet-stream", "bin"))
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{ending}"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(content, media_type=media_type, headers=headers)
