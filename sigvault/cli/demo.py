"""``demo``: the main job from end to end, in a vault that can be thrown away."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sigvault.cli.exit_codes import ExitCode
from sigvault.cli.options import JsonOption, LayoutOption, SeedOption
from sigvault.cli.output import Output
from sigvault.domain.errors import StorageFailed

if TYPE_CHECKING:
    from sigvault.cli.demo_plan import DemoPlan
    from sigvault.cli.session import Session
    from sigvault.datasets import Dataset
    from sigvault.datasets.layouts import Layout
    from sigvault.reporting import Case, IdentificationCase
    from sigvault.vault import Identification, Vault, Verification

_SYNTHETIC = "signatures"
_VAULT = "vault"
_REPORT = "report.html"


def demo(
    context: typer.Context,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]", help="A folder of real signatures; synthetic ones if left out."
        ),
    ] = None,
    layout: LayoutOption = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to put everything; a new folder if left out."),
    ] = None,
    seed: SeedOption = 0,
    as_json: JsonOption = False,
) -> ExitCode:
    """Enroll ten signers, verify four signatures, identify one, and write a report of it."""
    session: Session = context.obj
    output = Output(as_json=as_json)
    folder = _make_folder(out)
    dataset = _read(path, layout, output) if path else _synthesise(folder, seed, output)
    with session.create_throwaway(folder / _VAULT) as vault:
        plan = _plan(vault, dataset, output)
        _enroll(vault, plan, output)
        output.say("Verifying and identifying ...")
        cases = _verify(vault, plan)
        identified = _identify(vault, plan)
    report = folder / _REPORT
    _write_report(report, _introduce(dataset, plan, synthetic=path is None), cases, identified)
    _print(output, plan, cases, identified, report)
    return ExitCode.DONE


def _make_folder(out: Path | None) -> Path:
    try:
        if out is None:
            return Path(tempfile.mkdtemp(prefix="sigvault-demo-"))
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(
            f"the folder {out or tempfile.gettempdir()} can't be made ({error.strerror}): "
            "choose another with --out"
        ) from error
    return out.resolve()


def _read(path: Path, layout: Layout | None, output: Output) -> Dataset:
    from sigvault.datasets import read_layout

    dataset = read_layout(path, layout)
    output.say(
        f"{path}: layout {dataset.layout}, {len(dataset.signers)} signers, "
        f"{len(dataset.specimens)} signatures, {len(dataset.skipped)} files that don't fit"
    )
    return dataset


def _synthesise(folder: Path, seed: int, output: Output) -> Dataset:
    from sigvault.cli.demo_plan import REFERENCES, SIGNERS
    from sigvault.datasets import Layout, read_layout
    from sigvault.synthesis import SynthesisSettings, write_dataset

    output.say(f"Writing signatures of {SIGNERS} synthetic signers ...")
    settings = SynthesisSettings(signers=SIGNERS, genuine=REFERENCES + 1, forged=1, seed=seed)
    with output.progress("Writing signatures") as advance:
        write_dataset(folder / _SYNTHETIC, settings, advance)
    return read_layout(folder / _SYNTHETIC, Layout.FOLDERS)


def _plan(vault: Vault, dataset: Dataset, output: Output) -> DemoPlan:
    from sigvault.cli.demo_plan import plan_demo

    plan = plan_demo(dataset, vault.embedder.card.training_digests)
    if plan.unseen < len(plan.signers):
        output.say(
            f"The model was trained on {len(plan.signers) - plan.unseen} of the "
            f"{len(plan.signers)} signers: their results flatter it."
        )
    return plan


def _enroll(vault: Vault, plan: DemoPlan, output: Output) -> None:
    from sigvault.vault import EnrollmentItem

    items = [EnrollmentItem(specimen.signer, specimen.path) for specimen in plan.references]
    output.say(f"Enrolling {len(items)} references of {len(plan.signers)} signers ...")
    with output.progress("Enrolling") as advance:
        report = vault.enroll(items, progress=lambda done: advance(done, len(items)))
    for result in report.results:
        if result.error is not None:
            output.say(f"  not enrolled: {result.item}: {result.message}")


def _verify(vault: Vault, plan: DemoPlan) -> list[tuple[Verification, Case]]:
    from sigvault.cli.reports import picture_verification

    cases = []
    for question in plan.questions:
        probe = question.specimen.path
        verification = vault.verify(plan.shown, probe)
        case = picture_verification(vault, verification, probe, question.title, question.note)
        cases.append((verification, case))
    return cases


def _identify(vault: Vault, plan: DemoPlan) -> tuple[Identification, IdentificationCase] | None:
    from sigvault.cli.reports import picture_identification

    question = plan.unclaimed
    if question is None:
        return None
    probe = question.specimen.path
    identification = vault.identify(probe)
    case = picture_identification(vault, identification, probe, question.title, question.note)
    return identification, case


def _introduce(dataset: Dataset, plan: DemoPlan, *, synthetic: bool) -> str:
    from sigvault.cli.demo_plan import REFERENCES, RULE

    signers = len(plan.signers)
    kind = "synthetic signers" if synthetic else f"signers of {dataset.root.name}"
    seen = (
        "none of whom the model was trained on"
        if plan.unseen == signers
        else f"{signers - plan.unseen} of whom the model was trained on"
    )
    return f"{signers} {kind}, {seen}, with {REFERENCES} references each. {RULE}"


def _write_report(
    report: Path,
    introduction: str,
    cases: list[tuple[Verification, Case]],
    identified: tuple[Identification, IdentificationCase] | None,
) -> None:
    from sigvault.reporting import render_collection, write_page

    html = render_collection(
        "sigvault demonstration",
        introduction,
        [case for _, case in cases],
        [] if identified is None else [identified[1]],
    )
    write_page(report, html)


def _print(
    output: Output,
    plan: DemoPlan,
    cases: list[tuple[Verification, Case]],
    identified: tuple[Identification, IdentificationCase] | None,
    report: Path,
) -> None:
    from sigvault.cli.documents import identification_document, verification_document
    from sigvault.cli.tables import demo_tables

    document: dict[str, Any] = {
        "folder": str(report.parent),
        "report": str(report),
        "signers": list(plan.signers),
        "unseen_signers": plan.unseen,
        "cases": [
            {"title": case.title, "note": case.note} | verification_document(verification, report)
            for verification, case in cases
        ],
        "identification": None
        if identified is None
        else {"note": identified[1].note} | identification_document(identified[0]),
    }
    shown = None if identified is None else identified[1]
    output.result(document, *demo_tables([case for _, case in cases], shown, report))
