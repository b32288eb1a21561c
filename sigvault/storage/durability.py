"""Files that survive a power cut: what a committed row rests on has to be on the disk before it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut; Windows can't and needn't.

    Raises:
        OSError: If the folder can't be opened or written.
    """
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path) -> None:
    """Make a folder that is its owner's alone, for good; one that is there is left alone.

    Raises:
        OSError: If it can't be made.
    """
    if folder.is_dir():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    sync_folder(folder.parent)


def write_through(path: Path, content: bytes) -> None:
    """Fill a file that is there already, for good.

    Raises:
        OSError: If it can't be written; it may hold a part then.
    """
    with path.open("r+b") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content for good; see `write_whole`.

    Raises:
        OSError: If it can't be copied; the target is as it was then.
    """
    with source.open("rb") as original:
        write_whole(target.parent, lambda copy: shutil.copyfileobj(original, copy), lambda: target)


def write_whole(
    folder: Path,
    write: Callable[[IO[bytes]], object],
    name: Callable[[], Path],
    *,
    prefix: str = ".",
    suffix: str = "",
) -> None:
    """Write a file for good, in one step: nobody ever sees half of it under its name.

    Args:
        folder: where it is written under another name first.
        write: given the open file.
        name: asked for the file's name once all is on the disk; what it raises ends this.
        prefix: how the other name begins.
        suffix: how it ends.

    Raises:
        OSError: If it can't be written; what had the name is as it was then.
    """
    handle, other = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=folder)
    unfinished = Path(other)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(name())
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(folder)
