"""Whether a vault can answer at once, and getting it there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sigvault.domain.generation import BoundGeneration
from sigvault.domain.image import InkImage
from sigvault.services.gallery_index import GalleryIndex
from sigvault.services.resources import Resources, load_active, recipe_of
from sigvault.storage.engine import read_session


@dataclass(frozen=True)
class Readiness:
    """What a vault decides by at this moment.

    Attributes:
        generation: the generation that decides, with its thresholds.
        index_lag: by how many changes the open index is behind the database; the next search
            applies them. None before it is opened.
    """

    generation: BoundGeneration
    index_lag: int | None


def read_readiness(resources: Resources, index: GalleryIndex[Any]) -> Readiness:
    """What the vault decides by.

    Raises:
        StorageFailed: If the database can't be read.
        VaultDamaged: If no generation decides.
    """
    with read_session(resources.engine) as session:
        active = load_active(session)
        return Readiness(active, index.lag(session, active.id))


def warm_up(resources: Resources, index: GalleryIndex[Any]) -> None:
    """Load the model and open the index, so that the first request doesn't wait for either.

    Raises:
        ModelError: If the model can't be loaded.
        IndexFailed: If the index can't be made.
    """
    with read_session(resources.engine) as session:
        active = load_active(session)
    embedder = resources.embedder_for(active)
    recipe = recipe_of(embedder)
    blank = np.zeros((recipe.height, recipe.width), np.float32)
    embedder.embed([InkImage(blank, "0" * 64, embedder.preprocessing, 1.0)])
    index.current()
