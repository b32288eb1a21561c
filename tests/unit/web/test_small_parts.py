"""Pictures that are kept for a moment, and who has seen what."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from fakes import draw_signature
from sigvault.imaging.decode import decode_bytes
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.vault import SignaturePicture
from sigvault.web import pictures, seen_cases
from sigvault.web.pictures import Pictures, Tone, data_uri, draw
from sigvault.web.seen_cases import SeenCases


def _picture(signer: int = 1) -> SignaturePicture:
    image = decode_bytes(draw_signature(signer))
    return SignaturePicture(image, DEFAULT_PREPROCESSING.prepare(image))


def test_a_picture_is_cropped_to_its_ink_and_coloured():
    drawn = draw(_picture())
    scan = np.asarray(Image.open(io.BytesIO(drawn.scan)))
    assert scan.shape == (drawn.height, drawn.width)
    assert scan.shape[0] < 200
    assert scan.min() < 60
    ink = np.asarray(Image.open(io.BytesIO(drawn.ink(Tone.PROBE))))
    assert ink.shape == (*drawn.coverage.shape, 4)
    assert (ink[..., 3] == drawn.coverage).all()
    assert tuple(ink[0, 0, :3]) != tuple(
        np.asarray(Image.open(io.BytesIO(drawn.ink(Tone.REFERENCE))))[0, 0, :3]
    )
    assert data_uri(b"x") == "data:image/png;base64,eA=="


def test_pictures_are_kept_for_two_minutes():
    now = [0.0]
    kept, made = Pictures(clock=lambda: now[0]), []

    def make() -> SignaturePicture:
        made.append(1)
        return _picture()

    first = kept.get("a", make)
    assert kept.get("a", make) is first
    now[0] = 121.0
    assert kept.get("a", make) is not first
    kept.forget()
    kept.get("a", make)
    assert len(made) == 3


def test_few_pictures_are_kept(monkeypatch):
    monkeypatch.setattr(pictures, "_MOST", 2)
    kept = Pictures(clock=lambda: 0.0)
    first = kept.get("a", _picture)
    kept.get("b", _picture)
    kept.get("c", _picture)
    assert kept.get("a", _picture) is not first


def test_the_oldest_sight_is_forgotten(monkeypatch):
    monkeypatch.setattr(seen_cases, "_MOST", 2)
    seen = SeenCases()
    for case in (1, 2, 1, 3):
        seen.note("anna", case)
    assert [seen.has_seen("anna", case) for case in (1, 2, 3)] == [True, False, True]
    assert not seen.has_seen("bela", 1)
