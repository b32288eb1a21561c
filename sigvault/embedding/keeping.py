"""Models kept with a vault: copied so that a power cut doesn't lose them, and mended."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from tempfile import mkdtemp

from sigvault.domain.errors import ModelError
from sigvault.domain.model_card import ModelCard
from sigvault.embedding.card import CARD_FILE, WEIGHTS_FILE, read_card
from sigvault.storage.durability import copy_file, make_folder, sync_folder
from sigvault.storage.failures import translate_os


def copy_model(source: Path, target: Path) -> None:
    """Keep the model with the vault, so that a later version with another one still serves it.

    Once this returns, a power cut doesn't lose it: the vault's vectors belong to it.

    Raises:
        StorageFailed: If it can't be copied.
    """
    try:
        make_folder(target.parent)
        beside = Path(mkdtemp(prefix=".", dir=target.parent))
        try:
            for name in (WEIGHTS_FILE, CARD_FILE):
                copy_file(source / name, beside / name)
            beside.rename(target)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
        sync_folder(target.parent)
    except OSError as error:
        raise translate_os(error, target) from error


def renew_model(source: Path, target: Path, card: ModelCard) -> None:
    """Mend a kept model, and keep what its card says by now, such as thresholds.

    Raises:
        StorageFailed: If it can't be copied.
    """
    weights = target / WEIGHTS_FILE
    try:
        if not weights.is_file() or _digest(weights) != card.sha256:
            copy_file(source / WEIGHTS_FILE, weights)
        if _says_more(card, target):
            copy_file(source / CARD_FILE, target / CARD_FILE)
    except OSError as error:
        raise translate_os(error, target) from error


def _says_more(card: ModelCard, target: Path) -> bool:
    """Whether a card may take the place of the kept one, and is worth it."""
    try:
        kept = read_card(target)
    except ModelError:
        return True  # missing or damaged
    # The vault's vectors went through the kept one's preprocessing: with another, the model would
    # not serve them any more.
    return kept.preprocessing == card.preprocessing and bool(card.thresholds)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
