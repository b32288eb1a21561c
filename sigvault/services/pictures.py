"""Pictures for people: an enrolled or handed-in signature, decoded and as the model sees it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from sigvault.domain.comparison import Score
from sigvault.domain.errors import VaultDamaged
from sigvault.domain.identifiers import ReferenceId
from sigvault.domain.image import SignatureImage
from sigvault.imaging.preprocessing import PreparedSignature, Recipe, read_preprocessing
from sigvault.imaging.turning import as_compared
from sigvault.services.acquisition import acquire
from sigvault.services.resources import Resources, load_active
from sigvault.services.signers import read_reference_image
from sigvault.storage.engine import read_session
from sigvault.storage.tables import ModelRow


@dataclass(frozen=True, eq=False)
class SignaturePicture:
    """A signature as it was scanned and as the active generation's model sees it.

    Attributes:
        image: the decoded picture.
        prepared: its ink on the canvas, where that lies in the picture, and the findings.
    """

    image: SignatureImage
    prepared: PreparedSignature


def read_picture(resources: Resources, data: bytes, score: Score | None = None) -> SignaturePicture:
    """Decode and harmonise bytes; nothing is recorded, and the model's weights are not needed.

    Args:
        resources: the vault's.
        data: of one picture.
        score: of a probe: its ink is turned as it was for that.

    Raises:
        ImageError: If the bytes are no usable picture.
        CheckpointMismatch: If the model's preprocessing is not known here.
    """
    acquired = acquire(data, _active_recipe(resources))
    prepared = acquired.prepared if score is None else as_compared(acquired.prepared, score)
    return SignaturePicture(acquired.image, prepared)


def read_reference_picture(resources: Resources, reference: ReferenceId) -> SignaturePicture:
    """An enrolled reference as a picture.

    Raises:
        UnknownReference: If there is no such reference.
        VaultDamaged: If its image is missing or changed.
        CheckpointMismatch: If the model's preprocessing is not known here.
    """
    return read_picture(resources, read_reference_image(resources, reference))


def _active_recipe(resources: Resources) -> Recipe:
    """The preprocessing of the active generation, from the card that the database keeps.

    The whole card takes long to read, and the rest of it isn't needed.
    """
    with read_session(resources.engine) as session:
        active = load_active(session)
        card = session.scalar(
            select(ModelRow.card["preprocessing"]).where(ModelRow.id == active.model)
        )
    if not isinstance(card, dict):
        raise VaultDamaged(f"the card of {active.model} can't be read: run `sigvault doctor`")
    return read_preprocessing(card)
