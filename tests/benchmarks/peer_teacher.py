"""The run's own teacher, undistilled: in PyTorch, as an fp32 graph, and in Optimum's own int8."""

from pathlib import Path

import numpy as np
import torch

from distill.quality import read_logits_file
from export.graph import export_fused, export_onnx
from export.runtime.bench import cpu_info
from export.session import GraphRunner
from teachers.classifier import load_classifier
from tests.benchmarks.peer import Made, Peer, PlainTokenizer, size_of


def teacher_peers(made: Made) -> list[Peer]:
    """PyTorch and fused fp32 share the logits that the run has; int8 has its own."""
    folder, known = made.job.teacher, read_logits_file(made.job.teacher)
    model = load_classifier(folder, made.corpus.task).eval()
    tokenizer = PlainTokenizer(folder, made.job.recipe.corpus.max_tokens)
    with_tokenizer = size_of(folder / "tokenizer.json")

    def in_pytorch(texts: list[str]) -> np.ndarray:
        ids, mask = tokenizer(texts)
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy())

    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    found = [Peer("teacher", "PyTorch", weights + with_tokenizer, in_pytorch, known)]
    fused, plain = made.folder / "teacher-fused.onnx", made.folder / "teacher" / "model.onnx"
    export_fused(model, model.config, fused)
    plain.parent.mkdir()
    export_onnx(model, model.config, plain)
    model.config.save_pretrained(plain.parent)
    graphs = (("fused fp32", fused, known), ("Optimum's int8, dynamic", optimum_int8(plain), {}))
    for name, path, logits in graphs:
        runner = GraphRunner(path)
        found.append(
            Peer(
                f"teacher, {name}",
                "ONNX Runtime",
                size_of(path) + with_tokenizer,
                lambda texts, runner=runner: runner(*tokenizer(texts)),
                logits,
            )
        )
    return found


def optimum_int8(plain: Path) -> Path:
    """What `optimum-cli onnxruntime quantize` makes for this CPU; gives the file."""
    from optimum.onnxruntime import ORTQuantizer
    from optimum.onnxruntime.configuration import AutoQuantizationConfig

    quantizer = ORTQuantizer.from_pretrained(str(plain.parent), file_name=plain.name)
    flags = cpu_info()["flags"]
    kinds = (("avx512_vnni", "avx512_vnni"), ("avx512f", "avx512"), ("asimddp", "arm64"))
    kind = next((kind for flag, kind in kinds if flag in flags), "avx2")
    chosen = getattr(AutoQuantizationConfig, kind)(is_static=False, per_channel=False)
    target = plain.parent / "int8"
    quantizer.quantize(save_dir=str(target), quantization_config=chosen)
    return target / "model_quantized.onnx"
