"""Measuring a frozen model on signers that had no part in it, by the protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sigvault.datasets import Dataset
from sigvault.domain.comparison import select_threshold
from sigvault.domain.errors import DatasetError
from sigvault.domain.identifiers import SignerId
from sigvault.domain.ports import Embedder
from sigvault.domain.protocol import Protocol, Seen
from sigvault.evaluation.acquisition_rates import measure_acquisition
from sigvault.evaluation.answers import Answers, Choice, answer, choose_by_folds
from sigvault.evaluation.calibration import Provenance, calibrate
from sigvault.evaluation.fusion_choice import choose_fusion
from sigvault.evaluation.gate_statistics import FINENESS, PEN
from sigvault.evaluation.gates import GateCollector, GateReport
from sigvault.evaluation.hardest_errors import find_hardest
from sigvault.evaluation.identification_rates import measure_identification
from sigvault.evaluation.literature_pairs import last_tenth, run_literature_pairs
from sigvault.evaluation.notebook_protocol import notebook_split, run_notebook_protocol
from sigvault.evaluation.protocols import (
    DRAWS,
    ComparisonScores,
    EvaluationSigner,
    SignerPairs,
    compare_pairs,
    draw_comparisons,
    trace_probes,
)
from sigvault.evaluation.report import EvaluationReport, Subject
from sigvault.evaluation.results import Extras, ReferencesResult, measure
from sigvault.evaluation.session_test import run_session_test
from sigvault.evaluation.writer_dependent import Gamma, WriterDependent, run_writer_dependent
from sigvault.imaging.preprocessing import finer_canvas, pen_of, read_preprocessing
from sigvault.services.stress import run_stress
from sigvault.services.stress_result import StressSample
from sigvault.services.unseen_signers import UnseenSigners, embed_unseen_signers

BY_CARD = "the model's card, frozen before these signers were scored"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class EvaluationPlan:
    """What to measure, and how.

    Attributes:
        protocol: by which protocol.
        references: the numbers of references to report.
        draws: how often references are drawn.
        seed: of the draws, the folds and the intervals.
        folds: how many folds over signers choose the fusion rule and the thresholds, each for
            the signers of one fold on those of the others; 0 takes them from the model's card.
        seen: what to do with signers that the model was trained on.
        identify: also measure searches among all galleries.
    """

    protocol: Protocol = Protocol.P1
    references: tuple[int, ...] = (1, 3, 5, 10)
    draws: int = DRAWS
    seed: int = 0
    folds: int = 0
    seen: Seen = Seen.REFUSE
    identify: bool = True

    @property
    def numbers(self) -> tuple[int, ...]:
        """The numbers of references, rising, each once."""
        return tuple(sorted(set(self.references)))


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What was found, and the embeddings to draw pictures from.

    Attributes:
        report: the figures.
        signers: the signers that were measured.
    """

    report: EvaluationReport
    signers: tuple[EvaluationSigner, ...]


def evaluate(
    dataset: Dataset,
    embedder: Embedder,
    plan: EvaluationPlan | None = None,
    *,
    other: Dataset | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Run the gates, then a protocol. Nothing is chosen on the signers that are reported on.

    Args:
        dataset: the images.
        embedder: the model.
        plan: what to measure; the defaults if None.
        other: another data set, on which protocol P4 chooses the fusion rule and the thresholds.
        progress: called with the number of images done, those of ``other`` first.

    Raises:
        DatasetError: If the model was trained on some signers and they are to be refused, if
            fewer than five are left, if too few have enough genuine signatures, or if P4 has no
            other data set.
    """
    plan = plan or EvaluationPlan()
    if (plan.protocol is Protocol.P4) != (other is not None):
        raise DatasetError(
            "protocol p4 takes another data set to choose the thresholds on (--choose-on PATH), "
            "and no other protocol does"
        )
    transferred = None
    if other is not None:
        transferred = _learn_elsewhere(other, embedder, plan, progress)
    done = 0 if other is None else len(other.specimens)
    recipe = read_preprocessing(embedder.card.preprocessing)
    tracing = finer_canvas(recipe, FINENESS)
    collector = GateCollector(pen_of(recipe) or PEN)
    unseen = embed_unseen_signers(
        dataset,
        embedder,
        seen=plan.seen,
        observe=lambda specimen, acquired: collector.add(
            specimen.signer,
            specimen.genuine,
            specimen.path.relative_to(dataset.root).as_posix(),
            acquired.prepared.ink.ink,
            file_bytes=len(acquired.data),
            grey=acquired.image.pixels,
            fine=tracing.prepare(acquired.image).ink.ink,
        ),
        progress=None if progress is None else lambda count: progress(done + count),
    )
    gates = _finish_gates(collector, unseen, plan)
    measured = _Measurement(dataset, embedder, plan, unseen, transferred)
    results, replica = measured.run()
    subject = measured.describe(gates)
    return Evaluation(EvaluationReport(subject, gates, results, replica), unseen.signers)


def _finish_gates(
    collector: GateCollector, unseen: UnseenSigners, plan: EvaluationPlan
) -> GateReport:
    session = None
    if sum(bool(own.genuine and own.forged) for own in unseen.signers) > 1:
        session = run_session_test(unseen.signers, seed=plan.seed)
    return collector.finish(session, seed=plan.seed)


@dataclass(frozen=True, eq=False)
class _Transferred:
    """Choices from another data set: its name, its files' digests, and by R the choice."""

    data: str
    digests: frozenset[str]
    choices: dict[int, Choice]

    def take(self, references: int) -> Choice:
        """The choice for a number of references, as verification chooses; the least below all."""
        thresholds = tuple(each.threshold for each in self.choices.values() if each.threshold)
        chosen = select_threshold(thresholds, references)
        return self.choices[chosen.references if chosen else min(self.choices)]


def _learn_elsewhere(
    other: Dataset, embedder: Embedder, plan: EvaluationPlan, progress: Progress | None
) -> _Transferred:
    unseen = embed_unseen_signers(other, embedder, seen=plan.seen, progress=progress)
    name = other.root.resolve().name
    by_number, _ = _draw(compare_pairs(unseen.signers, seed=plan.seed), plan)
    rule = choose_fusion(by_number).rule
    provenance = Provenance(name, embedder.model, embedder.preprocessing, plan.seed)
    choices = {
        number: Choice(None, rule, calibrate(scores, rule, provenance, bootstraps=1))
        for number, scores in by_number.items()
    }
    return _Transferred(name, frozenset().union(*unseen.digests.values()), choices)


def _draw(
    pairs: Sequence[SignerPairs], plan: EvaluationPlan
) -> tuple[dict[int, ComparisonScores], tuple[str, ...]]:
    """(comparisons by number of references, why some numbers are missing).

    Raises:
        DatasetError: If no number has enough signers.
    """
    least = max(2, 2 * plan.folds)
    fitting = {number: sum(own.genuine > number for own in pairs) for number in plan.numbers}
    missing = tuple(
        f"Not measured with {number} references: {count} signers have the {number + 1} genuine "
        f"signatures that it takes, and {least} are needed"
        for number, count in fitting.items()
        if count < least
    )
    if len(missing) == len(fitting):
        raise DatasetError("; ".join(missing) + ": ask for fewer --references or --folds")
    drawn = {
        number: draw_comparisons(pairs, number, draws=plan.draws, seed=plan.seed)
        for number, count in fitting.items()
        if count >= least
    }
    return drawn, missing


class _Measurement:
    """One protocol on embedded signers."""

    def __init__(
        self,
        dataset: Dataset,
        embedder: Embedder,
        plan: EvaluationPlan,
        unseen: UnseenSigners,
        transferred: _Transferred | None,
    ) -> None:
        """Take what to measure."""
        self._dataset, self._embedder, self._plan = dataset, embedder, plan
        self._unseen, self._transferred = unseen, transferred
        self._choices: tuple[Choice, ...] = ()
        self._missing: tuple[str, ...] = ()

    def run(self) -> tuple[tuple[ReferencesResult, ...], dict[str, Any] | None]:
        """(results by number of references, what a replica found)."""
        match self._plan.protocol:
            case Protocol.P0:
                return (), None
            case Protocol.P1 | Protocol.P4:
                return self._writer_independent(), None
            case Protocol.P2:
                return (), self._literature()
            case Protocol.NOTEBOOK:
                return (), self._notebook()
            case Protocol.P3:
                return (), self._writer_dependent()
            case Protocol.P5:
                return (), self._stress()

    def describe(self, gates: GateReport) -> Subject:
        """What was measured, once it has been."""
        rules = tuple(dict.fromkeys(choice.rule for choice in self._choices))
        return Subject(
            protocol=self._plan.protocol,
            data=self._dataset.root.resolve().name,
            model=self._embedder.model,
            preprocessing=self._embedder.preprocessing,
            images=self._unseen.images,
            seed=self._plan.seed,
            choices=self._where_from(),
            rules=rules or (self._embedder.card.fusion,),
            left_out=self._unseen.left_out,
            warnings=tuple(self._warnings(gates)),
            unusable=self._unseen.unusable,
        )

    def _writer_independent(self) -> tuple[ReferencesResult, ...]:
        plan = self._plan
        pairs = compare_pairs(self._unseen.signers, seed=plan.seed)
        by_number, self._missing = _draw(pairs, plan)
        choices = self._choose(by_number)
        results = []
        for number, scores in by_number.items():
            answers = answer(scores, choices[number])
            extras = self._beside(answers, pairs, choices[number])
            results.append(measure(answers, extras, seed=plan.seed))
        return tuple(results)

    def _choose(self, by_number: dict[int, ComparisonScores]) -> dict[int, tuple[Choice, ...]]:
        """By number of references, what was frozen beforehand."""
        card, plan = self._embedder.card, self._plan
        choices: dict[int, tuple[Choice, ...]]
        if self._transferred is not None:
            choices = {number: (self._transferred.take(number),) for number in by_number}
        elif plan.folds:
            model, recipe = self._embedder.model, self._embedder.preprocessing
            provenance = Provenance("other signers of the set", model, recipe, plan.seed)
            choices = choose_by_folds(by_number, provenance, folds=plan.folds, seed=plan.seed)
        else:
            choices = {
                number: (Choice(None, card.fusion, select_threshold(card.thresholds, number)),)
                for number in by_number
            }
        self._choices = tuple(choice for own in choices.values() for choice in own)
        return choices

    def _beside(
        self, answers: Answers, pairs: Sequence[SignerPairs], choices: tuple[Choice, ...]
    ) -> Extras:
        plan, number = self._plan, answers.comparisons.references
        thresholds = [choice.threshold for choice in choices if choice.threshold is not None]
        single = thresholds[0] if len(choices) == 1 and thresholds else None
        identification = None
        if plan.identify:
            # Folds have no rule in common; the card's serves a search among all.
            rule = choices[0].rule if len(choices) == 1 else self._embedder.card.fusion
            identification = measure_identification(
                self._unseen.signers,
                rule,
                number,
                draws=plan.draws,
                seed=plan.seed,
                threshold=None if single is None else single.accept,
            )
        return Extras(
            acquisition=measure_acquisition(self._unseen.counts, number, seed=plan.seed),
            identification=identification,
            hardest=find_hardest(
                answers, pairs, trace_probes(pairs, number, draws=plan.draws, seed=plan.seed)
            ),
            calibrated_with=tuple(sorted({threshold.references for threshold in thresholds})),
            points=None if single is None else (single.accept, single.refuse),
        )

    def _literature(self) -> dict[str, Any]:
        card, signers, seed = self._embedder.card, self._unseen.signers, self._plan.seed
        threshold = select_threshold(card.thresholds, 1)
        accept = None if threshold is None else threshold.accept
        some = last_tenth([own for own in signers if len(own.genuine) > 1 and own.forged])
        return {
            "all signers": asdict(run_literature_pairs(signers, card.fusion, accept, seed=seed)),
            "last tenth": asdict(run_literature_pairs(some, card.fusion, accept, seed=seed)),
        }

    def _notebook(self) -> dict[str, Any]:
        _, test = notebook_split([own.signer for own in self._unseen.signers])
        chosen = [own for own in self._unseen.signers if own.signer in set(test)]
        return asdict(run_notebook_protocol(chosen, seed=self._plan.seed))

    def _writer_dependent(self) -> dict[str, Any]:
        plan = self._plan
        return {
            f"gamma {gamma.value}": asdict(
                run_writer_dependent(
                    self._unseen.signers,
                    WriterDependent(draws=plan.draws, seed=plan.seed, gamma=gamma),
                )
            )
            for gamma in Gamma
        }

    def _stress(self) -> dict[str, Any]:
        plan = self._plan
        found = run_stress(
            self._dataset,
            self._embedder,
            references=max(plan.numbers),
            seed=plan.seed,
            sample=StressSample(seen=plan.seen),
        )
        return asdict(found)

    def _where_from(self) -> str:
        plan = self._plan
        match plan.protocol:
            case Protocol.P0 | Protocol.P3 | Protocol.NOTEBOOK:
                return "nothing of the model's card is used"
            case Protocol.P4 if self._transferred is not None:
                return f"chosen on {self._transferred.data} and carried over"
            case Protocol.P1 if plan.folds:
                searches = "; searches among all galleries by the card's rule"
                return (
                    f"{plan.folds} folds over these signers: rule and thresholds chosen on the "
                    f"others, frozen, then applied to the fold{searches if plan.identify else ''}"
                )
        return BY_CARD

    def _warnings(self, gates: GateReport) -> list[str]:
        found = [f"A gate failed: {failure}" for failure in gates.failures]
        found += self._unseen.remarks
        card = self._embedder.card
        if read_preprocessing(card.preprocessing).demonstration:
            found.append(
                f"DEMONSTRATION: the model was fed by {self._embedder.preprocessing}, which keeps "
                "the scanner's and the pen's traces on purpose; the rates are worth nothing"
            )
        touched = self._touched(card.calibration_digests)
        if touched and self._where_from() == BY_CARD:
            folds = ": --folds 5 chooses on others" if self._plan.protocol is Protocol.P1 else ""
            found.append(
                f"NOT INDEPENDENT: the model's fusion rule and thresholds were chosen on "
                f"{len(touched)} of these signers, so the rates, above all those of decisions, "
                f"look better than they are{folds}"
            )
        if touched and self._searches_by_card():
            found.append(
                "NOT INDEPENDENT: searches among all galleries go by the card's fusion rule, which "
                f"was chosen on {len(touched)} of these signers, so their rates look better than "
                "they are; everything else was chosen by folds"
            )
        if self._transferred is not None and self._touched(self._transferred.digests):
            found.append("NOT INDEPENDENT: the two data sets share images")
        return [*found, *self._missing]

    def _searches_by_card(self) -> bool:
        """Whether folds choose for verification, and the card for searches; see `_beside`."""
        plan = self._plan
        return plan.protocol is Protocol.P1 and bool(plan.folds) and plan.identify

    def _touched(self, digests: frozenset[str]) -> tuple[SignerId, ...]:
        """The signers who have an image among some digests."""
        return tuple(signer for signer, own in self._unseen.digests.items() if own & digests)
