"""The shipment: the student and the variant that are chosen, and everything that their bundle holds."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from distill.export.precision import Variant
from distill.export.runtime.reading.inputs import Turns
from distill.export.runtime.reading.said import framing_of
from distill.pipeline.state import Run, StudentRun
from distill.recipe.ensemble import members_of, reference_name
from distill.runs.fingerprints import recipe_hash
from distill.runs.layout import numbered
from distill.runs.stage import EXPORT_PACKAGES, package_versions

if TYPE_CHECKING:
    from distill.export.bundle import Shipment


def shipping(run: Run) -> tuple[StudentRun, Variant]:
    """Return the student that ships, and its variant.

    Raises:
        CheckFailedError: a student has no variant that may ship.
    """
    from distill.variants.select import best_student, shipping_variant

    students = run.students
    student = students[best_student([each.layout for each in students], run.recipe.export, run.recipe.corpus.task)]
    return student, shipping_variant(student.layout, run.recipe.export)


def shipment(student: StudentRun, variant: Variant) -> "Shipment":
    """Return everything that a bundle of one variant of a student holds."""
    from distill.artifacts.logits import read_logits_file
    from distill.artifacts.quality import read_quality
    from distill.labelling.cautions import cautions_of
    from distill.teachers.tokenizers import load_tokenizer
    from distill.variants.bundle import VariantSource, shipment_of
    from distill.variants.hand_over import fit_domain, rules_of

    run, layout = student.run, student.layout
    recipe = run.recipe
    source = VariantSource(
        variant, layout.variant(variant.name), layout.student_of(variant), recipe.student.family
    )
    teacher = read_quality(layout.quality(reference_name(recipe)))
    tokenizer = load_tokenizer(source.student)
    framing = framing_of(run.reads, tokenizer.backend_tokenizer)
    if isinstance(run.reads, Turns) and not framing.is_whole:  # those before it do not make a turn readable
        alone = replace(run.tokens.of_part(), reads=run.reads.without_context())
        rows = alone.encode(tokenizer, run.corpus.validation.texts)
    else:
        rows = run.tokens.rows(tokenizer, "validation", run.corpus.validation.texts)
    rules = rules_of(recipe.decisions, tokenizer.backend_tokenizer, rows, framing)
    logits = read_logits_file(source.folder)["validation"]
    finished = read_quality(source.folder).decision.finished(logits, run.corpus.task)
    domain = fit_domain(finished, run.corpus.task, recipe.decisions.out_of_domain_share)
    rules = replace(rules, domain=domain)
    provenance = _provenance(student, variant)
    reads = run.reads
    if isinstance(reads, Turns):
        reads = reads.with_template(tokenizer.backend_tokenizer)
    cautions = cautions_of(recipe)
    return shipment_of(
        source,
        reads,
        recipe.name,
        recipe.corpus,
        run.corpus,
        teacher,
        provenance,
        rules,
        cautions,
        recipe.export.contact,
    )


def _provenance(student: StudentRun, variant: Variant) -> dict[str, object]:
    from distill.artifacts.variant import read_gate
    from distill.corpora.reading.places.provenance import SOURCE_FILE
    from distill.files.json_files import read_json
    from distill.labelling.soft_labels import teacher_hash
    from distill.runs.stage import recorded_versions

    run = student.run
    recipe = run.recipe
    base, teacher = (read_json(folder / SOURCE_FILE) for folder in (run.start, run.layout.teacher()))
    batches = read_gate(student.layout.variant(variant.name)).batches
    hashes = [
        teacher_hash(run.records[numbered("teacher", member.index)].outputs) for member in members_of(recipe)
    ]
    return {
        "recipe_sha256": recipe_hash(recipe),
        "teacher": teacher["name"],
        **({} if recipe.student.base is None else {"student_base": base["name"]}),
        "teacher_sha256": hashes[0],
        **({"further_teachers_sha256": hashes[1:]} if hashes[1:] else {}),
        "base_model_sha256": base["sha256"],
        "corpus_fingerprint": run.corpus.fingerprint,
        "corpus_licence": recipe.corpus.licence,
        "seed": student.seed,
        # proven for this CPU; another looks at its own, where it first decides a batch
        **({} if batches is None else {"same_bits_in_batches": asdict(batches)}),
        # the student may have been trained on another machine; the versions that exported it are inputs of that
        # stage
        "versions": recorded_versions(student.layout.student_of(variant)) | package_versions(EXPORT_PACKAGES),
    }
