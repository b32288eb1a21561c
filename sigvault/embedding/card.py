"""Reading and writing model cards. Free of torch, so that a card can be shown quickly."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sigvault.domain.errors import CheckpointMismatch, UnknownModel
from sigvault.domain.model_card import ModelCard
from sigvault.domain.serialisation import card_from_dict, card_to_dict

WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "card.json"


_BUNDLED = Path(__file__).parent.parent / "models"
_DEFAULT = "default"


def bundled_model() -> Path:
    """The folder of the bundled model that is used where none is named."""
    return _BUNDLED / _DEFAULT


def bundled_models() -> dict[str, Path]:
    """The folders of the models that come with the package, by name; the default one first."""
    names = sorted(card.parent.name for card in _BUNDLED.glob(f"*/{CARD_FILE}"))
    return {name: _BUNDLED / name for name in sorted(names, key=lambda name: name != _DEFAULT)}


def find_model(given: str | os.PathLike[str]) -> Path:
    """The folder of a model that a person names.

    Args:
        given: a model's folder, or the name of a bundled model; a folder of that name wins.

    Returns:
        The folder, absolute; whether it holds a model shows when it is read.
    """
    folder = Path(given).expanduser()
    bundled = None if folder.is_dir() else bundled_models().get(os.fspath(given))
    return bundled or folder.absolute()


def read_card(folder: Path) -> ModelCard:
    """The card of the model in a folder.

    Raises:
        UnknownModel: If the folder holds no model.
        CheckpointMismatch: If the card can't be understood.
    """
    for name in (CARD_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise UnknownModel(
                f"{folder} holds no model: {name} is missing; give the folder that "
                "`sigvault train` wrote, or leave the setting out to use the bundled model"
            )
    try:
        return card_from_dict(json.loads((folder / CARD_FILE).read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointMismatch(
            f"{folder / CARD_FILE} can't be understood ({error}): restore it, or use the sigvault "
            "that the model was made with"
        ) from error


def write_card(folder: Path, card: ModelCard) -> None:
    """Write a card, complete or not at all."""
    text = json.dumps(card_to_dict(card), indent=1, sort_keys=True, ensure_ascii=False)
    partial = folder / f"{CARD_FILE}.tmp"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / CARD_FILE)
