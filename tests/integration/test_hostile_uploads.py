"""Whatever is uploaded: no failure of the server's, and no word about the server.

``SIGVAULT_HOSTILE_UPLOADS`` says how many, from one seed.
"""

from __future__ import annotations

import base64
import io
import os
import random
import re
import struct
import zlib
from functools import cache

import pytest
from PIL import Image
from starlette.testclient import TestClient

from fakes import FakeEmbedder, draw_signature
from sigvault.api.app import create_api
from sigvault.bootstrap import Serving, create_vault, open_vault
from sigvault.embedding.batching import EmbeddingWorker
from sigvault.imaging.decode import DecodeLimits
from sigvault.vault import EnrollmentItem

UPLOADS = int(os.environ.get("SIGVAULT_HOSTILE_UPLOADS", "1000"))
LEAKS = re.compile(
    r"Traceback|File \"|site-packages|/tmp/|/usr/|/home/|/etc/|0x[0-9a-f]{6,}|\.py\b|sqlite|<script"
)
SCRIPT = b"<script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg">' + SCRIPT + b"</svg>"
NAMES = [
    "../../../../etc/passwd",
    "..\\..\\boot.ini",
    "/dev/zero",
    "C:\\x.png",
    "a" * 5000 + ".png",
    "x.png\r\nX-Evil: 1",
    'x".png',
    "<script>.png",
    "\u202egnp.exe",
    "x\x00.png",
    "",
]
KINDS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP")


@cache
def drawn(seed: int, kind: str) -> bytes:
    return draw_signature(seed, kind=kind)


def chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def png(width: int, height: int, *middle: bytes, data: bytes = b"") -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    tail = chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(middle) + tail


@cache
def bombs() -> list[bytes]:
    side = 5000
    zeros = bytes(4_000_000)
    text = chunk(b"zTXt", b"x\x00\x00" + zlib.compress(zeros, 9))
    profile = chunk(b"iCCP", b"x\x00\x00" + zlib.compress(zeros, 9))
    large = io.BytesIO()
    Image.new("1", (side, side), 1).save(large, "PNG")
    return [
        png(2**31 - 1, 2**31 - 1),
        png(60_000, 60_000, data=zeros),
        png(1, 2_000_000, data=zeros),
        png(0, 0),
        png(100, 100, text, data=zeros[:10_100]),
        png(100, 100, profile, data=zeros[:10_100]),
        large.getvalue(),
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 50_000, -50_000, 1, 24, *[0] * 6),
        b"II*\x00" + struct.pack("<I", 8) + struct.pack("<H", 65_535) + b"\xff" * 500,
    ]


def mutated(rng: random.Random) -> bytes:
    data = bytearray(drawn(rng.randrange(4), rng.choice(KINDS)))
    for _ in range(rng.randrange(1, 30)):
        place = rng.randrange(len(data))
        how = rng.randrange(4)
        if how == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif how == 1:
            del data[place : place + rng.randrange(1, 50)]
        elif how == 2:
            data[place:place] = rng.randbytes(rng.randrange(1, 50))
        else:
            data[place : place + 4] = b"\xff\xff\xff\xff"
        if not data:
            return b"\x89PNG"
    return bytes(data[: rng.randrange(1, len(data) + 1)]) if rng.random() < 0.3 else bytes(data)


def polyglot(rng: random.Random) -> bytes:
    picture = drawn(rng.randrange(4), rng.choice(KINDS))
    extra = rng.choice(
        [SCRIPT, SVG, b"PK\x03\x04" + b"\x00" * 100, b"%PDF-1.7\n", b"#!/bin/sh\nid"]
    )
    return rng.choice([picture + extra, extra + picture, picture[:60] + extra + picture[60:]])


def other(rng: random.Random) -> bytes:
    return rng.choice(
        [
            b"",
            SVG,
            b"<!DOCTYPE html>" + SCRIPT,
            b"GIF89a" + rng.randbytes(50),
            b"\x7fELF" + rng.randbytes(50),
            b"%PDF-1.4\n" + rng.randbytes(50),
            b"\x00\x00\x00\x18ftypheic" + rng.randbytes(50),
            rng.randbytes(rng.randrange(1, 3000)),
            "../../etc/passwd".encode("utf-16"),
        ]
    )


def upload(rng: random.Random) -> bytes:
    make = rng.choices([mutated, polyglot, other, None], [5, 3, 2, 1])[0]
    return rng.choice(bombs()) if make is None else make(rng)


def ask(client: TestClient, rng: random.Random, data: bytes):
    path, field = rng.choice(
        [
            ("/v1/signers/1/verify", "image"),
            ("/v1/signers/2/references", "images"),
            ("/v1/identify", "image"),
        ]
    )
    media = rng.choice(["image/png", "image/svg+xml", "text/html", "application/x-php", ""])
    if rng.random() < 0.6:
        return client.post(path, files={field: (rng.choice(NAMES), data, media)})
    text = base64.b64encode(data).decode()
    if rng.random() < 0.1:
        text = text[: len(text) // 2] + "=" + SCRIPT.decode()
    return client.post(path, json={field: [text] if field == "images" else text})


@pytest.fixture
def vault(tmp_path):
    with create_vault(tmp_path / "vault", embedder=FakeEmbedder()) as vault:
        items = [
            EnrollmentItem(str(signer), draw_signature(signer, number))
            for signer in (1, 2)
            for number in range(3)
        ]
        vault.enroll(items)
    worker = EmbeddingWorker()
    limits = DecodeLimits(max_pixels=4_000_000)
    serving = Serving(worker, 2, limits, lambda _stage, _seconds: None)
    with open_vault(tmp_path / "vault", embedder=FakeEmbedder(), serving=serving) as vault:
        yield vault
    worker.close()


@pytest.mark.slow
@pytest.mark.timeout(300 + UPLOADS)
def test_nothing_that_is_uploaded_breaks_the_service_or_makes_it_talk(vault):
    rng = random.Random(20)
    counts: dict[int, int] = {}
    app = create_api(vault, open_to_loopback=True)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        for number in range(UPLOADS):
            answer = ask(client, rng, upload(rng))
            counts[answer.status_code] = counts.get(answer.status_code, 0) + 1
            assert answer.status_code in (200, 201, 409, 413, 422), (number, answer.text)
            assert not LEAKS.search(answer.text), (number, answer.text)
            if answer.status_code >= 400:
                assert answer.headers["content-type"] == "application/problem+json"
                assert answer.json()["remedy"]
            assert "x-evil" not in answer.headers
        assert client.get("/health/ready").status_code == 200
        assert client.get("/v1/audit/check").json()["whole"]
    assert counts.get(422, 0) > UPLOADS // 4
    assert counts.get(200, 0) > 0, counts
