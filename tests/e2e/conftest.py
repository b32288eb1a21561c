"""The fixtures of `command_line`."""

from __future__ import annotations

from command_line import draw, enrolled, run, templates, use_vault, vault

__all__ = ["draw", "enrolled", "run", "templates", "use_vault", "vault"]
