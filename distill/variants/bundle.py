"""The bundle of a variant: what it says of itself, and the check that it answers as the variant did."""

from pathlib import Path
from typing import Any

import numpy as np

from distill.artifacts.gate import read_gate
from distill.artifacts.logits import read_logits_file
from distill.artifacts.model_report import SplitQuality
from distill.artifacts.quality import read_quality
from distill.artifacts.records import from_dict
from distill.artifacts.report import Headline
from distill.corpora.corpus import Corpus
from distill.corpora.reading.provenance import SOURCE_FILE
from distill.corpora.storage.parquet import load_corpus
from distill.evaluation.decision import Decision
from distill.evaluation.evaluator import Evaluator, evaluator_of
from distill.export.bundle import Shipment, write_bundle
from distill.export.graph.session import GraphRunner
from distill.export.runtime.classifier import Classifier
from distill.export.runtime.errors import CheckFailedError
from distill.files.json_files import read_json
from distill.labelling.soft_labels import label_identity
from distill.recipe.ensemble import members_of
from distill.runs.context import Job
from distill.runs.fingerprints import recipe_hash
from distill.runs.stage import EXPORT_PACKAGES, package_versions, recorded_versions
from distill.teachers.encoding import encode
from distill.teachers.tokenizers import load_tokenizer
from distill.variants.model_card import model_card
from distill.variants.variant import MODEL_FILE, form_of, source_of

# validation texts on which the finished bundle is compared with what the gate saw, and by how much it may differ
COMPARED_TEXTS = 500

BUNDLE_TOLERANCE = 1e-3


def make_bundle(job: Job, chosen: str) -> None:
    """Write the bundle of the chosen variant, once it answers as the variant did in front of the gate.

    Raises:
        CheckFailedError: it does not.
    """
    corpus = load_corpus(job.corpus)
    write_bundle(job.bundle, shipment_of(job, chosen, corpus), lambda one: _check_bundle(job, chosen, corpus, one))


def shipment_of(job: Job, chosen: str, corpus: Corpus) -> Shipment:
    """All that a bundle of this variant holds."""
    folder = job.variant(chosen)
    decision = Decision.from_dict(read_quality(folder)["decision"])
    gate = read_gate(folder)
    student = source_of(job, chosen)
    return Shipment(
        name=job.recipe.name,
        task=corpus.task,
        scale=decision.scale,
        bias=decision.bias,
        policy=decision.policy,
        max_tokens=job.recipe.corpus.max_tokens,
        max_batch=None if gate["batch_invariant"] else 1,
        precision=form_of(chosen),
        inputs=tuple(GraphRunner(folder / MODEL_FILE).inputs),
        graph=folder / MODEL_FILE,
        tokenizer_folder=student,
        config=job.recipe.student.family.published_config(student),
        provenance=_provenance(job, corpus, student),
        metrics=_metrics(job, chosen, evaluator_of(corpus.task)),
        model_card=_model_card(job, chosen, evaluator_of(corpus.task)),
    )


def _model_card(job: Job, chosen: str, evaluator: Evaluator) -> str:
    corpus = job.recipe.corpus
    return model_card(
        name=job.recipe.name,
        variant=chosen,
        test=from_dict(SplitQuality, read_quality(job.variant(chosen))["test"]),
        teacher=from_dict(SplitQuality, read_quality(job.quality(job.reference))["test"]),
        is_sample=corpus.source == "sample",
        licence=corpus.licence,
        max_tokens=corpus.max_tokens,
        headline=Headline(evaluator.headline, evaluator.title),
    )


def _check_bundle(job: Job, chosen: str, corpus: Corpus, bundle: Classifier) -> None:
    """The gate saw ids of the student's own tokenizer and a graph without calibration; this is what ships."""
    texts = corpus.validation.texts
    ids = encode(load_tokenizer(source_of(job, chosen)), texts, job.recipe.corpus.max_tokens)
    differing = sum(own != theirs for own, theirs in zip(bundle.token_ids(texts), ids, strict=True))
    if differing:
        raise CheckFailedError(
            f"bundle: its tokenizer reads {differing} of {len(texts)} validation texts in another way than the "
            "student's does; check the tokenizer's files in student/"
        )
    decision = Decision.from_dict(read_quality(job.variant(chosen))["decision"])
    expected = decision.calibrated(read_logits_file(job.variant(chosen))["validation"][:COMPARED_TEXTS])
    difference = float(np.abs(bundle.logits(texts[:COMPARED_TEXTS]) - expected).max())
    if not difference <= BUNDLE_TOLERANCE:
        raise CheckFailedError(
            f"bundle: its logits differ by {difference:.3g} from what the gate saw, above {BUNDLE_TOLERANCE}"
        )


def _provenance(job: Job, corpus: Corpus, student: Path) -> dict[str, Any]:
    recipe = job.recipe
    identity = label_identity(job, corpus, "train")
    base = read_json(job.teacher / SOURCE_FILE)
    others = members_of(recipe)[1:]
    ensemble = [label_identity(job, corpus, "train", member.index).teacher_hash for member in others]
    return {
        "recipe_sha256": recipe_hash(recipe),
        "teacher": base["name"],
        "teacher_sha256": identity.teacher_hash,
        **({"further_teachers_sha256": ensemble} if ensemble else {}),
        "base_model_sha256": base["sha256"],
        "corpus_fingerprint": corpus.fingerprint,
        "corpus_licence": recipe.corpus.licence,
        "seed": job.seed,
        # those that trained the student may be another machine's; those that exported it are inputs of that stage
        "versions": recorded_versions(student) | package_versions(EXPORT_PACKAGES),
    }


def _metrics(job: Job, chosen: str, evaluator: Evaluator) -> dict[str, Any]:
    """Quality of what ships beside its teacher's."""
    quality, teacher = read_quality(job.variant(chosen)), read_quality(job.quality(job.reference))
    keys = ("macro_f1", "macro_f1_at_half", "micro_f1", "accuracy", "brier", "brier_skill", "ece")
    found = {split: {key: quality[split][key] for key in keys} for split in ("validation", "test")}
    best = evaluator.headline_of(teacher["test"])
    return {
        **found,
        f"teacher_test_{evaluator.headline}": best,
        "retention": evaluator.headline_of(quality["test"]) / best if best else None,
    }
