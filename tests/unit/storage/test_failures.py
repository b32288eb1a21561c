from __future__ import annotations

import errno
from pathlib import Path

import pytest
import sqlalchemy.exc
from sqlalchemy import make_url
from sqlalchemy.exc import OperationalError

from sigvault.domain.errors import ConfigurationError, StorageFailed, VaultDamaged
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
        ("42703", VaultDamaged, "tables are missing"),
        ("42501", StorageFailed, "GRANT it all rights"),
        ("42601", StorageFailed, "it failed; nothing was written"),
        ("53300", StorageFailed, "as many connections as it takes"),
        ("53200", StorageFailed, "short of what it needs"),
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


class DataError(Exception):
    """By PEP 249 what a driver raises about values; psycopg's has no state where it never asked."""


@pytest.mark.parametrize(
    "error",
    [
        DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes"),
        sqlalchemy.exc.DataError("SELECT 1", {}, DataError("integer out of range")),
        UnicodeEncodeError("utf-8", "\udc80", 0, 1, "surrogates not allowed"),
        OverflowError("Python int too large to convert to SQLite INTEGER"),
    ],
)
def test_values_that_no_database_holds_are_told_from_a_database_that_fails(error):
    translated = translate(error, URL)

    assert type(translated) is ConfigurationError
    assert "leave out NUL" in str(translated)
    str(translated).encode()  # can be printed, whatever was given


def test_whoever_a_server_turns_away_is_told_why():
    error = ServerError("FATAL:  sorry, too many clients already", None)

    assert "as many connections as it takes" in str(translate(error, URL))


def test_a_pool_without_a_free_connection_says_what_to_do():
    error = sqlalchemy.exc.TimeoutError("QueuePool limit reached", code="3o7r")
    translated = translate(error, URL)

    assert type(translated) is StorageFailed
    assert "SIGVAULT_CONNECTIONS (QueuePool limit reached)" in str(translated)


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
