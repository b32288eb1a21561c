"""The models that a command line can show: what is bundled, and what the vault has used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sigvault.domain.errors import VaultNotFound
from sigvault.domain.model_card import ModelCard

if TYPE_CHECKING:
    from sigvault.cli.session import Session


@dataclass(frozen=True)
class KnownModel:
    """A model that can be shown.

    Attributes:
        card: its card; the vault's own, where the vault has used it.
        bundled_as: its name among the bundled models, or None.
        in_use: whether it embeds the vault's active generation.
        in_vault: whether the vault has ever used it.
    """

    card: ModelCard
    bundled_as: str | None
    in_use: bool
    in_vault: bool

    def answers_to(self, asked: str | None) -> bool:
        """Whether it is what a person asks for; None asks for the one in use."""
        return self.in_use if asked is None else asked in {self.card.id, self.bundled_as}


def known_models(session: Session, *, vault_needed: bool = False) -> list[KnownModel]:
    """What is bundled and, where there is a vault, what it has used.

    Raises:
        VaultNotFound: If there is no vault, and one is needed.
        VaultError: If the vault can't be used.
    """
    from sigvault.embedding.card import bundled_models, read_card

    bundled = {name: read_card(folder) for name, folder in bundled_models().items()}
    used: tuple[ModelCard, ...] = ()
    active: str | None = None
    try:
        with session.open_vault() as vault:
            used, active = vault.models(), vault.status().model
    except VaultNotFound:
        if vault_needed:
            raise
    names = {card.id: name for name, card in bundled.items()}
    cards = {card.id: card for card in (*bundled.values(), *used)}
    kept = {card.id for card in used}
    return [
        KnownModel(card, bundled_as=names.get(each), in_use=each == active, in_vault=each in kept)
        for each, card in cards.items()
    ]
