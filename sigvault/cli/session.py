"""What all commands of one invocation share: which vault, and how it is opened."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sigvault.domain.ports import Embedder
    from sigvault.settings import Settings
    from sigvault.vault import Vault


@dataclass(frozen=True)
class Session:
    """One invocation of the command line.

    Attributes:
        vault: the vault's folder as given by option or variable, or None for the default.
        embedder: what embeds instead of the model that the settings name, or None.
    """

    vault: Path | None = None
    embedder: Embedder | None = None

    def at(self, vault: Path | None) -> Session:
        """The same session with another vault."""
        return replace(self, vault=vault)

    def settings(self) -> Settings:
        """The settings of this invocation.

        Raises:
            ConfigurationError: If the environment or the settings file can't be used.
        """
        from sigvault.settings import load_settings

        return load_settings(vault=self.vault)

    def open_vault(self) -> Vault:
        """Open the vault; the caller closes it.

        Raises:
            VaultError: If it isn't there or can't be used.
        """
        from sigvault.bootstrap import open_vault

        return open_vault(self.settings(), embedder=self.embedder)

    def create_vault(self) -> Vault:
        """Set up a new vault; the caller closes it.

        Raises:
            VaultExists: If there is one already.
            VaultError: If it can't be made.
        """
        from sigvault.bootstrap import create_vault

        return create_vault(self.settings(), embedder=self.embedder)

    def load_embedder(self, model: Path | None = None) -> Embedder:
        """A model's folder or a bundled one's name, else what the settings name; no vault.

        Raises:
            ModelError: If it can't be read.
        """
        from sigvault.embedding.card import bundled_model, find_model
        from sigvault.embedding.torch_embedder import TorchEmbedder

        settings = self.settings()
        named = None if model is None else find_model(model)
        folder = named or settings.model or bundled_model()
        return self.embedder or TorchEmbedder(folder, settings.device, settings.threads)

    def create_throwaway(self, folder: Path) -> Vault:
        """Set up a vault of files alone, whatever database the settings name.

        Raises:
            VaultExists: If there is one already.
            VaultError: If it can't be made.
        """
        from sigvault.bootstrap import create_vault

        settings = replace(self.at(folder).settings(), database_url=None)
        return create_vault(settings, embedder=self.embedder)
