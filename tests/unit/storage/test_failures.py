from __future__ import annotations

import errno
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from sigvault.domain.errors import StorageFailed, VaultDamaged
from sigvault.storage.failures import translate, translate_os

URL = make_url("postgresql+psycopg://clerk:hush@host/vault")


class ServerError(Exception):
    """What psycopg raises, as far as it matters here."""

    def __init__(self, message, sqlstate):
        super().__init__(message)
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("state", "kind", "words"),
    [
        ("53100", StorageFailed, "disk is full"),
        ("28P01", StorageFailed, "user or the password"),
        ("3D000", StorageFailed, "no such database"),
        ("55P03", StorageFailed, "another process"),
        ("57P01", StorageFailed, "server stopped"),
        ("25006", StorageFailed, "only reading"),
        ("42P01", VaultDamaged, "tables are missing"),
        ("XX001", VaultDamaged, "damaged"),
        ("99999", StorageFailed, "it failed; nothing was written"),
        (None, StorageFailed, "can't be reached"),
    ],
)
def test_server_states_get_words_and_advice(state, kind, words):
    error = OperationalError("SELECT 1", {}, ServerError("the server's words\nsecond line", state))

    translated = translate(error, URL)

    assert type(translated) is kind
    assert words in str(translated)
    assert "(the server's words)" in str(translated)
    assert "hush" not in str(translated)


def test_an_error_without_words_is_named():
    assert "(ServerError)" in str(translate(ServerError("", "53100"), URL))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "disk is full"),
        (errno.EACCES, "permissions"),
        (errno.EIO, "can't be used"),
    ],
)
def test_file_system_errors_get_words_and_advice(number, words):
    translated = translate_os(OSError(number, "the system's words"), Path("images/ab"))

    assert isinstance(translated, StorageFailed)
    assert str(translated).startswith("images/ab: ")
    assert words in str(translated)
    assert "(the system's words)" in str(translated)


def test_an_os_error_without_a_number_still_says_what_happened():
    assert "(odd)" in str(translate_os(OSError("odd"), Path("x")))
