from __future__ import annotations

import hashlib
import os

import pytest

from fakes import draw_blank, draw_signature
from sigvault.domain.errors import UnreadableFile, UnsupportedImage
from sigvault.imaging.decode import DEFAULT_LIMITS
from sigvault.imaging.preprocessing import DEFAULT_PREPROCESSING
from sigvault.services.acquisition import acquire, describe, digest_of, read_source


def test_bytes_are_taken_as_they_are_and_files_are_read(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert read_source(b"content") == read_source(tmp_path / "file") == b"content"


def test_no_more_is_read_than_may_be_decoded(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(2 * DEFAULT_LIMITS.max_bytes)
    assert len(read_source(tmp_path / "huge")) == DEFAULT_LIMITS.max_bytes + 1


def test_what_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere.png"):
        with pytest.raises(UnreadableFile, match=path.name):
            read_source(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_instead_of_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnreadableFile, match="no regular file"):
        read_source(tmp_path / "pipe")


def test_a_picture_comes_with_its_digest_and_ink():
    data = draw_signature(1)
    acquired = acquire(data, DEFAULT_PREPROCESSING)
    assert acquired.data == data
    assert acquired.digest == digest_of(data) == hashlib.sha256(data).hexdigest()
    assert acquired.prepared.ink.ink.any()
    assert acquired.severe == ()


def test_severe_findings_are_told_apart_and_put_into_words():
    acquired = acquire(draw_blank(), DEFAULT_PREPROCESSING)
    assert acquired.severe
    assert set(acquired.severe) <= set(acquired.findings)
    assert describe(acquired.severe) == " ".join(each.message for each in acquired.severe)


def test_what_is_no_picture_is_refused():
    with pytest.raises(UnsupportedImage):
        acquire(b"text", DEFAULT_PREPROCESSING)
