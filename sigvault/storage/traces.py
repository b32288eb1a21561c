"""What may be left in SQLite's file of rows that are gone, and getting rid of it.

SQLite overwrites what is deleted (``secure_delete``). But a page whose rows were spread over
several when it grew full keeps copies of those that moved in its unused part, where no deletion
finds them. So the file's bytes are searched, and where something is found it is written anew.

Rows are known by more than what they hold, since a short identifier occurs anywhere by chance: see
the record format, https://sqlite.org/fileformat2.html#record_format.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

import stringzilla
from sqlalchemy import Engine

from sigvault.domain.audit import canonical_json
from sigvault.domain.identifiers import ReferenceId, SignerId, SignerKey
from sigvault.storage.driver import DriverTransaction
from sigvault.storage.engine import checkpoint, driver_connection
from sigvault.storage.failures import translate_os

SEARCHED_AT_MOST = 2 * 2**30
"""Bytes of a database file that an erasure searches: about as much as a second or two read."""

REWRITTEN_AT_ONCE = 128 * 2**20
"""Bytes of a file that an erasure writes anew by itself: writers wait about a second meanwhile."""

_IMAGES = 4
"""Images whose digests are searched for: each costs as much as the identifier does."""

_VECTOR = 256
"""Bytes of a vector that are searched for: no row is so long that its first ones lie elsewhere."""

_CHUNK = 2**18
"""Bytes read at once: they stay in the processor's cache while each trace is looked for."""


def traces_of(engine: Engine, transaction: DriverTransaction, signer: SignerKey) -> list[bytes]:
    """By which bytes a signer's rows are known in the file, while they are there.

    Nothing with PostgreSQL, whose files are its own.
    """
    if engine.dialect.name != "sqlite":
        return []
    ((row, external_id),) = transaction.rows(
        "SELECT rowid, external_id FROM signers WHERE key = ?", (signer,)
    )
    in_json = canonical_json({"signer": external_id})[1:-1].encode()
    traces = [index_cell(external_id, row), in_json]
    if not "erased".startswith(external_id):  # the word that follows the key from now on
        traces.append(f"{signer}{external_id}".encode())
    return traces


def traces_of_images(digests: Sequence[str]) -> list[bytes]:
    """The same of images that are gone: a few tell of all, and each takes time."""
    return [digest.encode() for digest in digests[:_IMAGES]]


def traces_of_vectors(
    engine: Engine, transaction: DriverTransaction, reference: ReferenceId
) -> list[bytes]:
    """By which bytes a reference's vectors are known, while they are there; see `traces_of`."""
    if engine.dialect.name != "sqlite":
        return []
    rows = transaction.rows("SELECT vector FROM embeddings WHERE reference_id = ?", (reference,))
    return [bytes(vector[:_VECTOR]) for (vector,) in rows if any(vector[:_VECTOR])]


def index_cell(external_id: SignerId, row: int) -> bytes:
    """An entry of the index of identifiers: the types of text and row number, then both."""
    text = external_id.encode()
    kind, number = _integer(row)
    return _varint(13 + 2 * len(text)) + bytes([kind]) + text + number


def _integer(value: int) -> tuple[int, bytes]:
    """The type and the bytes of a number from 0 on: as few as hold it with a sign."""
    if value in (0, 1):
        return 8 + value, b""
    sizes = enumerate((1, 2, 3, 4, 6, 8), start=1)
    kind, size = next(each for each in sizes if value < 2 ** (8 * each[1] - 1))
    return kind, value.to_bytes(size, "big")


def _varint(number: int) -> bytes:
    """A number in sevens of bits, the first ones first; all but the last have the top bit."""
    low = [number & 0x7F]
    while number := number >> 7:
        low.append(number & 0x7F | 0x80)
    return bytes(reversed(low))


def file_size(engine: Engine) -> int:
    """How large SQLite's file is, in bytes.

    Raises:
        StorageFailed: If it can't be looked at.
    """
    path = Path(str(engine.url.database))
    try:
        return path.stat().st_size
    except OSError as error:
        raise translate_os(error, path) from error


def is_traced(engine: Engine, traces: Sequence[bytes]) -> bool:
    """Whether one of these lies anywhere in SQLite's file, once its log is emptied.

    Raises:
        StorageFailed: If the file can't be read.
    """
    path = Path(str(engine.url.database))
    overlap = max(map(len, traces), default=1) - 1
    content = memoryview(bytearray(overlap + _CHUNK))
    begin = overlap  # where what was read so far begins: nothing lies before the file's first byte
    try:
        with _reading:
            file = _reader(path)
            file.seek(0)
            while size := file.readinto(content[overlap:]):
                end = overlap + size
                if any(stringzilla.find(content[begin:end], trace) >= 0 for trace in traces):
                    return True
                content[:overlap] = content[end - overlap : end]
                begin = max(0, begin - size)
    except OSError as error:
        raise translate_os(error, path) from error
    return False


_reading = threading.Lock()
"""Held by whoever reads a file, which has one position."""

_readers: dict[tuple[int, int], FileIO] = {}
"""By device and number of the file."""


def _reader(path: Path) -> FileIO:
    """The file, open for reading, for as long as the process lives.

    Whoever closes any descriptor of a file takes all of the process's locks off it (fcntl(2)), and
    SQLite's own would go: https://sqlite.org/howtocorrupt.html, section 2.2.
    """
    there = path.stat()
    key = there.st_dev, there.st_ino
    if key not in _readers:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        _readers[key] = FileIO(descriptor, closefd=False)
    return _readers[key]


def rewrite(engine: Engine) -> bool:
    """Write SQLite's file anew, without the unused parts of its pages.

    It takes about a second for 100 MB on a fast disk, while writers wait and readers don't, and as
    much room again as twice the file: a copy in the folder for temporary files (``SQLITE_TMPDIR``),
    and one in the log.

    Returns:
        False if a reader kept the file as it was before from being overwritten: try again later.

    Raises:
        StorageFailed: If there isn't enough room, or writers take too long.
    """
    if engine.dialect.name != "sqlite":
        return True
    with driver_connection(engine) as connection:
        connection.execute("VACUUM")
    return checkpoint(engine)
