"""Quantization-aware distillation: a short last phase in which the student computes as its int8 form will.

The finished student goes on learning with the same objective while its weights, tables and activations are rounded
at the scales, granularity and bit widths that are exported (Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", arXiv 1712.05877). Fixed activation scales are fitted
once, as plain quantization of the student fits them, and stand beside the weights for the export to take.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from distill.artifacts.logits import write_logits_file
from distill.corpora.storage.parquet import load_corpus
from distill.corpora.storage.token_rows import TokenRows
from distill.export.graph.builder import GraphBuilder
from distill.export.graph.from_torch import export_fused
from distill.export.graph.matmuls import LayerMatMul, find_matmuls
from distill.export.graph.session import GraphRunner
from distill.export.int8.fake_quantization import (
    FakeQuantization,
    InputRounding,
    TokenScale,
    fake_quantize,
    table_names,
)
from distill.export.int8.input_scales import (
    SCALES_FILE,
    InputScales,
    calibration_feeds,
    fit_input_scales,
    save_input_scales,
)
from distill.objectives.task_loss import LOSSES
from distill.recipe.student import StudentRecipe
from distill.runs.context import Job
from distill.teachers.bodies import products_of
from distill.teachers.checkpoints import load_classifier, save_classifier
from distill.teachers.device import device_of
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.tokenizers import load_tokenizer
from distill.training.session import judged_logits, new_learner, plan, save_results, train
from distill.training.student import student_examples, student_objective

# raw logits of validation and test as the integer graph will give them
FAKE_LOGITS_FILE = "logits_fake_quantized.safetensors"


def study_quantized(job: Job, folder: Path, form: str) -> None:
    """Train the finished student as what its `form` (int8-static, int8-dynamic, int8-weights) computes.

    Writes what a training writes, its logits being those of the weights in fp32; beside them the scales, and the
    logits of the fake-quantized model.
    """
    corpus = load_corpus(job.corpus)
    tokenizer, recipe = load_tokenizer(job.student), phase_recipe(job)
    model = _student(job, job.student)
    model.dropout.p = recipe.dropout  # no part of what is saved
    learner = new_learner(job, f"student as {form}", model, tokenizer, corpus, learns_from=("train",))
    products, scales = _fit(job, model, folder / "fused.onnx", form, learner.tokens["train"])
    fake_quantize(model, plan_of(model, products, form, scales))
    examples, objective = student_examples(job, learner), student_objective(job, LOSSES[corpus.task.kind])
    settings = plan(job, recipe, len(examples.tokens), job.seed)
    result = train(job, learner, examples, objective, settings, recipe, folder, recipe.family.parameter_groups)
    write_logits_file(judged_logits(job, learner), folder / FAKE_LOGITS_FILE)
    save_classifier(model, tokenizer, folder)
    save_input_scales(scales, folder / SCALES_FILE)
    plain = replace(learner, model=_student(job, folder).to(device_of(model)))
    save_results(job, folder, plain, {"best_step": result.best_step, "steps": result.steps})


def phase_recipe(job: Job) -> StudentRecipe:
    """The student's recipe with the epochs and learning rates of the phase."""
    return job.recipe.student.model_copy(update=job.recipe.qat.model_dump())


def plan_of(
    model: EncoderClassifier, products: Sequence[LayerMatMul], form: str, scales: InputScales
) -> FakeQuantization:
    """What is rounded in a student whose fused graph has these products."""
    modules = products_of(model.encoder)

    def rounding(product: LayerMatMul) -> InputRounding:
        if form == "int8-static":
            return scales[product.layer, product.role]
        return TokenScale(product.after_exact_gelu) if form == "int8-dynamic" else None

    return FakeQuantization(
        matmuls={f"encoder.{modules[one.layer, one.role]}": rounding(one) for one in products},
        tables=table_names(model),
    )


def _student(job: Job, folder: Path) -> EncoderClassifier:
    model = load_classifier(folder, load_corpus(job.corpus).task)
    if not isinstance(model, EncoderClassifier):
        raise TypeError("only an EncoderClassifier is trained")
    return model


def _fit(
    job: Job, model: EncoderClassifier, fused: Path, form: str, train: TokenRows
) -> tuple[tuple[LayerMatMul, ...], InputScales]:
    """The products of the student's fused graph, and the scales that `form` fixes for them."""
    export_fused(copy.deepcopy(model).cpu(), model.config, fused)
    products = find_matmuls(GraphBuilder.load(fused))
    scales: InputScales = {}
    if form == "int8-static":
        feeds = calibration_feeds(job.seed, GraphRunner(fused), train)
        scales = fit_input_scales(fused, feeds, job.recipe.export.calibrator)
    fused.unlink()
    return products, scales
