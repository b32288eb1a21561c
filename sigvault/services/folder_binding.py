"""Whether the database and the folder of images belong together.

They may lie on two machines, and a folder that isn't mounted, or another vault's, looks like one
whose images are gone: an erasure would be done with nothing to remove, and the images would stay.
So both hold the same random id.
"""

from __future__ import annotations

import uuid

from sqlalchemy import Engine

from sigvault.domain.errors import FolderMismatch, StorageFailed
from sigvault.storage.blobs import ImageFolder
from sigvault.storage.driver import DriverTransaction, read_directly, write_directly
from sigvault.storage.vault_state import put_vault_id, read_state

_LOOKED_FOR = 5
"""Images, to tell a folder that lost some from one that never had them."""


def bind(engine: Engine, images: ImageFolder) -> None:
    """Make sure that the folder is the database's; both get an id if they have none.

    A vault of an earlier version gets it once some of its images are there.

    Raises:
        FolderMismatch: If the folder is another vault's.
        StorageFailed: If the folder is not there or lacks all images, or can't be written.
    """
    with read_directly(engine) as transaction:
        known = read_state(transaction).vault_id
    if known is None or images.owner() != known:
        with write_directly(engine) as transaction:
            known = _settle(transaction, images)
    if known is not None:
        images.give_to(known)


def _settle(transaction: DriverTransaction, images: ImageFolder) -> str | None:
    """The id that both are to have; None if it is too early to tell."""
    known, marked = read_state(transaction).vault_id, images.owner()
    there = _are_there(transaction, images)
    if marked is not None and (known not in (None, marked) or not (known or there)):
        raise FolderMismatch(
            f"the images beside {images.mark} belong to another vault than the database: give the "
            "folder and the database URL that belong together"
        )
    if marked is None and not there:
        if known is None:
            return None
        raise StorageFailed(
            f"the images of this vault are not there, and {images.mark} is missing: mount the "
            "folder, or give the right one. If the images are lost for good, write "
            f"{known} into that file, and restore from a backup what `sigvault doctor` misses"
        )
    vault_id = known or marked or uuid.uuid4().hex
    images.give_to(vault_id)  # before the commit: a folder alone with an id is taken up later
    put_vault_id(transaction, vault_id)
    return vault_id


def _are_there(transaction: DriverTransaction, images: ImageFolder) -> bool:
    """Whether some of the images that the database knows are in the folder, or it knows none."""
    known = [
        digest
        for table in ('"references"', "kept_probes")
        for (digest,) in transaction.rows(
            f"SELECT image_digest FROM {table} ORDER BY image_digest LIMIT {_LOOKED_FOR}"  # noqa: S608
        )
    ]
    return not known or any(images.has(digest) for digest in known)
