"""The export stages: every variant with its gate, then the bundle of the chosen one."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.export.measure.cpu import cpu_info
from distill.export.precision import FP32, Variant, exported
from distill.export.runtime.reading.turns import THIS
from distill.files.atomic import discard, partial_of
from distill.pipeline.choice import choose
from distill.pipeline.choices import precision_choice
from distill.pipeline.folds import out_of_fold
from distill.pipeline.shipment import shipment, shipping
from distill.pipeline.state import Run, StudentRun
from distill.recipe.ensemble import reference_name
from distill.runs.fingerprints import calibrated_by, cut_inputs, recipe_hash, words_inputs
from distill.runs.layout import RunLayout
from distill.runs.stage import EXPORT_PACKAGES, package_versions

if TYPE_CHECKING:
    from distill.variants.export import ExportInputs


def export_stages(run: Run) -> None:
    """Export every variant of every seed, and bundle the best.

    Raises:
        CheckFailedError: no variant may ship.
    """
    variant_stages(run)
    choose(run, precision_choice(run))
    student, variant = shipping(run)
    layout = student.layout
    reference = reference_name(run.recipe)
    inputs = {
        **run.digest(
            "corpus",
            "teacher",
            f"quality/{reference}",
            *(f"{layout.prefix}{name}" for name in ("student", f"export/{variant.name}")),
        ),
        "recipe": recipe_hash(run.recipe),
        "chosen": variant.name,
        **words_inputs(run.recipe.decisions.hand_over_words),
    }
    context = run.recipe.corpus.context
    if context is not None and context.predict != THIS:  # before, the last turn alone was looked at
        inputs["unreadable"] = "all turns"

    def work(_folder: Path) -> None:
        from distill.corpora.corpus import label_matrix
        from distill.export.bundle import write_bundle
        from distill.teachers.tokenizers import load_tokenizer
        from distill.variants.bundle import check_bundle
        from distill.variants.reference import reference_of

        gold = label_matrix(run.corpus.validation, run.corpus.task)
        texts = run.corpus.validation.texts
        rows = run.tokens.rows(load_tokenizer(layout.student_of(variant)), "validation", texts)
        folder = layout.variant(variant.name)
        write_bundle(
            layout.bundle,
            shipment(student, variant),
            lambda bundle: check_bundle(bundle, folder, texts, rows),
            lambda bundle: reference_of(bundle, texts, gold, student.seed),
        )

    card = layout.bundle / "README.md"
    run.stage("bundle", layout.bundle_record, inputs, work, extra_outputs=(layout.bundle,), editable=(card,))


def variant_stages(run: Run) -> None:
    """Export every variant of every seed's student."""
    for student in run.students:
        export_variants(student)


def export_variants(student: StudentRun) -> None:
    """Export every variant of one student."""
    run, layout = student.run, student.layout
    recipe = run.recipe
    prefix = layout.prefix
    shared = {
        **run.digest("corpus", f"{prefix}student"),
        "bounds": recipe.export.bounds,
        "decisions": recipe.decisions.fitted,
        **cut_inputs(recipe.corpus),
        # int8 answers depend on the CPU's instructions, graphs on the packages that made them
        "cpu": cpu_info()["flags"],
        "versions": package_versions(EXPORT_PACKAGES),
    }
    for variant in exported(recipe.export.shippable):
        inputs = dict(shared)
        if variant.qat:
            inputs |= run.digest(f"{prefix}quality/student", f"{prefix}qat/{variant.precision}")
        elif variant != FP32:
            inputs |= run.digest(f"{prefix}export/{FP32.name}")
            inputs |= calibrated_by(recipe, variant.precision)
        if variant != FP32:
            inputs |= recipe.export.unusual("table_bits")
        inputs |= run.fold_digest(f"{prefix}export/{variant.name}")

        def work(folder: Path, variant: Variant = variant) -> None:
            from distill.variants.export import export_variant

            export_variant(folder, export_inputs(student, variant))

        run.stage(f"{prefix}export/{variant.name}", layout.variant(variant.name), inputs, work)


def export_inputs(student: StudentRun, variant: Variant) -> "ExportInputs":
    """Return everything that the export of one variant of a student depends on."""
    from distill.artifacts.logits import read_logits_file
    from distill.artifacts.quality import read_quality
    from distill.export.gate import Bounds
    from distill.export.graph.from_torch import torch_logits
    from distill.teachers.tokenizers import load_tokenizer
    from distill.variants.export import FUSED_FILE, ExportInputs
    from distill.variants.gate import Gate

    run, layout = student.run, student.layout
    recipe, corpus = run.recipe, run.corpus
    source = layout.student_of(variant)
    tokenizer, family = load_tokenizer(source), recipe.student.family
    texts = {split: rows.texts for split, rows in corpus.splits()}

    def plain() -> Any:
        decision = read_quality(layout.quality("student")).decision
        return decision.decide(read_logits_file(layout.student)["validation"], corpus.task)

    place = layout.variant(variant.name)

    def load_model() -> Any:
        model = family.load(source, corpus.task).eval()
        return partial(torch_logits, model)

    gate = Gate(
        variant=variant,
        student=source,
        load_model=load_model,
        corpus=corpus,
        validation=run.tokens.rows(tokenizer, "validation", texts["validation"]),
        policy=recipe.decisions,
        bounds=Bounds(**recipe.export.bounds),
        fallback=lambda: read_quality(layout.variant(FP32.name)).decision,
        plain=plain if variant.qat else None,
        max_tokens=recipe.corpus.max_tokens,
        seed=student.seed,
        reporter=run.reporter,
    )
    return ExportInputs(
        gate=gate,
        write_fused=lambda path: family.export(family.load(source, corpus.task), path, recipe.corpus.max_tokens),
        # a student that was trained as int8 has weights of its own; the other variants share the plain student's
        fused=None if variant.qat or variant == FP32 else layout.variant(FP32.name) / FUSED_FILE,
        rows=lambda split: run.tokens.rows(tokenizer, split, texts[split]),
        calibrator=recipe.export.calibrator,
        table_bits=recipe.export.table_bits,
        out_of_fold=lambda: out_of_fold(run.layout.folder, run.fold_corpora, place, place),
    )


def withdraw(layout: RunLayout) -> None:
    """Remove what an earlier recipe left: beside a failed check it would look like a result of this recipe."""
    # the records first: a bundle without one is made again, whatever remains of it
    earlier = layout.bundle.with_name("bundle.earlier")
    for folder in (layout.report, layout.bundle_record, layout.bundle, partial_of(layout.bundle), earlier):
        discard(folder)
    for path in layout.report_files:
        path.unlink(missing_ok=True)
