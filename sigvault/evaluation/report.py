"""What an evaluation found, as values and as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sigvault.domain.fusion import FusionRule
from sigvault.domain.identifiers import ModelId, SignerId
from sigvault.domain.protocol import Protocol
from sigvault.evaluation.gates import GateReport
from sigvault.evaluation.results import ReferencesResult


@dataclass(frozen=True)
class Subject:
    """What was measured, with what, and what must be said about it.

    Attributes:
        protocol: by which protocol.
        data: the data set's name.
        model: the model.
        preprocessing: what it was fed with.
        images: how many images were embedded.
        seed: of the draws and the intervals.
        choices: where the fusion rule and the thresholds come from, in words.
        rules: the fusion rules that scores were fused by; one, or one a fold.
        left_out: signers left out because the model was trained on an image of theirs.
        warnings: why the figures are not what they seem, each a sentence to be shown first: gates
            that failed, signers that the model or its thresholds had a part in, a demonstration.
        unusable: images that could not serve, with the reason, a line each.
    """

    protocol: Protocol
    data: str
    model: ModelId
    preprocessing: str
    images: int
    seed: int
    choices: str
    rules: tuple[FusionRule, ...]
    left_out: tuple[SignerId, ...]
    warnings: tuple[str, ...]
    unusable: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """How well a frozen system does on signers that had no part in it.

    Attributes:
        subject: what was measured, with what, and what must be said about it.
        gates: what else but the writing tells genuine from forged.
        results: one for each number of references; none by protocol P0.
        replica: what a replica of somebody else's protocol found (P2, P3 and the notebook's), or
            the stress table (P5), as plain data; None by the others.
    """

    subject: Subject
    gates: GateReport
    results: tuple[ReferencesResult, ...] = ()
    replica: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data; rates are shares in [0, 1]."""
        return asdict(self)
