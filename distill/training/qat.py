"""Quantization-aware distillation: a short last phase in which the student computes as its int8 variant will.

The finished student keeps learning with the same objective while its weights, tables and activations are rounded
at the scales, granularity and bit widths that are exported (Jacob et al., "Quantization and Training of Neural
Networks for Efficient Integer-Arithmetic-Only Inference", arXiv 1712.05877). Fixed activation scales are fitted
once, as plain quantization of the student fits them, and are stored beside the weights for the export.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from distill.artifacts.logits import write_logits_file
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
from distill.export.int8.ranges import RangeMethod
from distill.export.precision import Precision
from distill.export.runtime.deciding.task import Task
from distill.recipe.student import QatRecipe
from distill.teachers.bodies import products_of
from distill.teachers.checkpoints import load_classifier, save_classifier
from distill.teachers.device import device_of
from distill.teachers.encoder import EncoderClassifier
from distill.teachers.tokenizers import load_tokenizer
from distill.training.session import (
    TrainingControls,
    evaluated_logits,
    open_session,
    save_results,
    schedule_of,
    train,
)
from distill.training.student import StudentInputs

# raw logits of validation and test as the integer graph will compute them
FAKE_LOGITS_FILE = "logits_fake_quantized.safetensors"


def train_quantized(
    folder: Path,
    student: Path,
    precision: Precision,
    recipe: QatRecipe,
    calibrator: RangeMethod,
    inputs: StudentInputs,
    controls: TrainingControls,
) -> None:
    """Train the finished student as its variant of one int8 precision computes.

    Writes the files of every training, with the logits of the fp32 weights; in addition the scales, and the
    logits of the fake-quantized model.

    Args:
        folder: folder to write to.
        student: folder of the finished student.
        precision: int8-static, int8-dynamic or int8-weights.
        recipe: epochs and rates of this phase.
        calibrator: method of choosing the range of fixed activation scales.
        inputs: inputs of the student's training.
        controls: progress, stopping and saving.
    """
    phase = inputs.student.model_copy(update=recipe.model_dump())
    tokenizer = load_tokenizer(student)
    model = _load(student, inputs.corpus.task)
    model.dropout.p = phase.dropout  # it is not stored with the weights
    name = f"student as {precision}"
    session = open_session(name, model, tokenizer, inputs.corpus, inputs.tokens, splits=("train",))
    matmuls, scales = _fit(
        model, folder / "fused.onnx", precision, calibrator, session.tokens["train"], inputs.seed
    )
    fake_quantize(model, rounding_of(model, matmuls, precision, scales))
    examples, objective = inputs.examples(session), inputs.build_objective()
    result = train(
        session,
        examples,
        objective,
        schedule_of(phase, len(examples.tokens), inputs.seed, controls),
        phase.family.parameter_groups(model, **phase.rates()),
        folder,
        controls,
        wrapper_learning_rate=phase.head_learning_rate,
    )
    write_logits_file(evaluated_logits(session, controls.reporter), folder / FAKE_LOGITS_FILE)
    save_classifier(model, tokenizer, folder)
    save_input_scales(scales, folder / SCALES_FILE)
    plain = replace(session, model=_load(folder, inputs.corpus.task).to(device_of(model)))
    save_results(folder, plain, controls.reporter, result)


def rounding_of(
    model: EncoderClassifier, matmuls: Sequence[LayerMatMul], precision: Precision, scales: InputScales
) -> FakeQuantization:
    """Return the modules that are rounded in a student whose fused graph has these matmuls."""
    modules = products_of(model.encoder)

    def rounding(matmul: LayerMatMul) -> InputRounding:
        if precision.has_fixed_scales:
            return scales[matmul.layer, matmul.role]
        return TokenScale(matmul.after_exact_gelu) if precision.multiplies_in_int8 else None

    return FakeQuantization(
        matmuls={f"encoder.{modules[matmul.layer, matmul.role]}": rounding(matmul) for matmul in matmuls},
        tables=table_names(model),
    )


def _load(folder: Path, task: Task) -> EncoderClassifier:
    model = load_classifier(folder, task)
    if not isinstance(model, EncoderClassifier):
        raise TypeError("Only an EncoderClassifier can be trained as int8.")
    return model


def _fit(
    model: EncoderClassifier,
    fused: Path,
    precision: Precision,
    calibrator: RangeMethod,
    train_rows: TokenRows,
    seed: int,
) -> tuple[tuple[LayerMatMul, ...], InputScales]:
    """Return the matmuls of the student's fused graph, and the scales that the precision fixes for them."""
    export_fused(copy.deepcopy(model).cpu(), model.config, fused)
    matmuls = find_matmuls(GraphBuilder.load(fused))
    scales: InputScales = {}
    if precision.has_fixed_scales:
        scales = fit_input_scales(fused, calibration_feeds(seed, GraphRunner(fused), train_rows), calibrator)
    fused.unlink()
    return matmuls, scales
