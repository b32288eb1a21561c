"""Files that survive a power cut: what a committed row rests on has to be on the disk before it."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


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


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content for good, in one step: nobody ever sees half of it under the name.

    Raises:
        OSError: If it can't be copied; the target is as it was then.
    """
    handle, name = tempfile.mkstemp(prefix=".", dir=target.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(handle, "wb") as copy, source.open("rb") as original:
            shutil.copyfileobj(original, copy)
            copy.flush()
            os.fsync(copy.fileno())
        unfinished.replace(target)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)
