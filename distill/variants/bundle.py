"""The content of a variant's bundle, and the check that the bundle gives the variant's answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import QualityRecord, read_quality
from distill.artifacts.records import to_dict
from distill.artifacts.report import Headline
from distill.artifacts.variant import MODEL_FILE, read_gate
from distill.corpora.corpus import Corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.evaluation.evaluator import Evaluator
from distill.evaluation.evaluators import evaluator_of
from distill.export.bundle import Shipment
from distill.export.graph.session import GraphRunner
from distill.export.precision import Variant
from distill.export.runtime.classifier import Classifier
from distill.export.runtime.errors import CheckFailedError
from distill.export.runtime.reading.inputs import Input, Row
from distill.recipe.sources import CorpusRecipe
from distill.students.families import StudentFamily
from distill.variants.hand_over import HandOverRules
from distill.variants.model_card import CardFacts, model_card

# validation texts on which the finished bundle is compared with what the gate saw, and by how much it may differ
COMPARED_TEXTS = 500
BUNDLE_TOLERANCE = 1e-3

METRICS = ("macro_f1", "macro_f1_at_half", "micro_f1", "accuracy", "brier", "brier_skill", "ece")


@dataclass(frozen=True)
class VariantSource:
    """A variant and where it comes from.

    Attributes:
        variant: the variant.
        folder: of its export.
        student: folder of the student that it is made of.
        family: of that student.
    """

    variant: Variant
    folder: Path
    student: Path
    family: StudentFamily


def shipment_of(
    source: VariantSource,
    reads: Input,
    name: str,
    recipe: CorpusRecipe,
    corpus: Corpus,
    teacher: QualityRecord,
    provenance: Mapping[str, Any],
    rules: HandOverRules,
    cautions: Sequence[str] = (),
    contact: str | None = None,
) -> Shipment:
    """Return everything that a bundle of a variant holds.

    Args:
        source: the variant.
        reads: what one row is.
        name: of the bundle.
        recipe: of the corpus, for its licence, the meanings of its labels and the length at which texts are cut.
        corpus: the task, and headline of what ships.
        teacher: the quality of the model that the student is measured against.
        provenance: hashes, versions and licence, for the manifest.
        rules: by which texts are handed over whatever their scores are.
        cautions: sentences that the card begins its quality with.
        contact: for questions and errors, for the card.
    """
    quality, gate = read_quality(source.folder), read_gate(source.folder)
    decision, evaluator = quality.decision, evaluator_of(corpus.task)
    return Shipment(
        name=name,
        task=corpus.task,
        scale=decision.scale,
        bias=decision.bias,
        policy=decision.policy,
        max_tokens=recipe.max_tokens,
        max_batch=None if gate.batch_invariant else 1,
        precision=source.variant.precision.value,
        inputs=tuple(GraphRunner(source.folder / MODEL_FILE).inputs),
        graph=source.folder / MODEL_FILE,
        tokenizer_folder=source.student,
        config=source.family.published_config(source.student),
        provenance=dict(provenance),
        metrics=_metrics(quality, teacher, evaluator, recipe.folds) | rules.metrics,
        model_card=model_card(
            CardFacts(
                name=name,
                variant=source.variant.name,
                kind=corpus.task.kind,
                test=quality.test,
                teacher=teacher.test,
                source=recipe.source,
                base_model=str(provenance.get("student_base", provenance["teacher"])),
                licence=recipe.licence,
                language=recipe.language,
                max_tokens=recipe.max_tokens,
                headline=Headline(evaluator.headline, evaluator.title),
                folds=recipe.folds,
                version=version("distill-text"),
                reads=reads,
                floors=quality.floors,
                answers=decision.answers,
                sets=decision.sets,
                cautions=cautions,
                meanings=recipe.label_meanings or {},
                contact=contact,
            )
        ),
        reads=reads,
        objects=decision.objects_beside(rules.objects),
    )


def check_bundle(bundle: Classifier, folder: Path, texts: Sequence[Row], rows: TokenRows) -> None:
    """Compare a finished bundle with what the gate saw: the student's tokenizer, a graph without calibration.

    Args:
        bundle: as it will ship.
        folder: of its variant.
        texts: of validation.
        rows: token ids of those texts by the student's tokenizer.

    Raises:
        CheckFailedError: its tokenizer or its logits differ.
    """
    differing = sum(ids != expected for ids, expected in zip(bundle.token_ids(texts), rows, strict=True))
    if differing:
        raise CheckFailedError(
            f"bundle: The tokenizer reads {differing} of {len(texts)} validation texts differently from the "
            "student's. Check the tokenizer's files in student/."
        )
    decision = read_quality(folder).decision
    raw_logits = read_logits_file(folder)["validation"][:COMPARED_TEXTS]
    expected_logits = decision.finished(raw_logits, bundle.task)
    difference = float(np.abs(bundle.logits(texts[:COMPARED_TEXTS]) - expected_logits).max())
    if not difference <= BUNDLE_TOLERANCE:
        raise CheckFailedError(
            f"bundle: The logits differ by {difference:.3g} from what the gate saw, above {BUNDLE_TOLERANCE}."
        )


def _metrics(
    quality: QualityRecord, teacher: QualityRecord, evaluator: Evaluator, folds: int | None
) -> dict[str, object]:
    """Return the quality of what ships beside its teacher's; `test` is out of fold where there are folds."""
    splits = {split: to_dict(metrics) for split, metrics in quality.splits.items()}
    headline = evaluator.headline
    best = teacher.test.metric(headline)
    return {
        **{
            split: {key: metrics[key] for key in (*METRICS, *evaluator.further)}
            for split, metrics in splits.items()
        },
        f"teacher_test_{headline}": best,
        "retention": quality.test.metric(headline) / best if best else None,
        **({} if folds is None else {"folds": folds}),
    }
