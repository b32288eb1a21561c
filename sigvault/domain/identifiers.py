"""The names of things, as distinct types so that one can't be handed in for another."""

from __future__ import annotations

from typing import NewType

SignerId = NewType("SignerId", str)
"""The signer's identifier outside sigvault, such as ``"53"``: personal data."""

SignerKey = NewType("SignerKey", str)
"""The signer inside sigvault, 32 hex digits: when it was enrolled, and nothing of the person."""

ReferenceId = NewType("ReferenceId", str)
"""An enrolled reference, 32 hex digits that sort by when it was enrolled."""

ModelId = NewType("ModelId", str)
"""A model: its name, a hyphen and the first 12 hex digits of its weights' SHA-256."""

GenerationId = NewType("GenerationId", int)
"""A generation: model, preprocessing, vectors, index and thresholds bound together."""

EventNumber = NewType("EventNumber", int)
"""The place of an event in the audit log; the first is 1."""
