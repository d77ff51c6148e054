"""The run's own teacher, undistilled: in PyTorch, as an fp32 graph, and in Optimum's own int8."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from distill.artifacts.logits import read_logits_file
from distill.evaluation.decision import Logits
from distill.export.graph.from_torch import export_onnx, fuse
from distill.export.graph.session import GraphRunner
from distill.export.measure.cpu import cpu_info
from distill.export.runtime.manifest.records import file_record
from distill.teachers.checkpoints import load_classifier
from tests.benchmarks.peer import Made, Peer, PlainTokenizer, size_of


def teacher_in_pytorch(made: Made) -> list[Peer]:
    """As it was trained."""
    model, tokenizer = _model(made), _tokenizer(made)

    def logits(texts: list[str]) -> np.ndarray:
        ids, mask = tokenizer(texts)
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(ids), torch.from_numpy(mask)).numpy())

    weights = sum(parameter.numel() * parameter.element_size() for parameter in model.parameters())
    known = read_logits_file(made.shipped.layout.teacher())
    return [Peer("teacher", "PyTorch", weights + _tokenizer_bytes(made), logits, known)]


def teacher_as_graph(made: Made) -> list[Peer]:
    """Optimum's export with ONNX Runtime's fusions, and with ours on top; the logits of both are PyTorch's."""
    by_theirs, by_ours = _folder(made) / "fused-by-onnxruntime.onnx", _folder(made) / "fused-by-us.onnx"
    config, known = _model(made).config, read_logits_file(made.shipped.layout.teacher())
    sizes = {"num_heads": config.num_attention_heads, "hidden_size": config.hidden_size}
    if not by_theirs.is_file():
        from onnxruntime.transformers.optimizer import optimize_model

        optimize_model(str(_plain_graph(made)), model_type="bert", **sizes).save_model_to_file(str(by_theirs))
    if not by_ours.is_file():
        fuse(_plain_graph(made), by_ours, heads=config.num_attention_heads, width=config.hidden_size)
    return [
        _of_graph(made, "teacher, fused by ONNX Runtime", by_theirs, known),
        _of_graph(made, "teacher, fused as our students are", by_ours, known),
    ]


def teacher_in_int8(made: Made) -> list[Peer]:
    """What `optimum-cli onnxruntime quantize` makes for this CPU, dynamic."""
    target = optimum_int8(_plain_graph(made), _model(made).config)
    return [_of_graph(made, "teacher, Optimum's int8, dynamic", target, {})]


def optimum_int8(plain: Path, config: Any) -> Path:
    """The int8 form of a graph beside it, made unless it is there."""
    flags = cpu_info()["flags"]
    kinds = (("avx512_vnni", "avx512_vnni"), ("avx512f", "avx512"), ("asimddp", "arm64"))
    kind = next((kind for flag, kind in kinds if flag in flags), "avx2")
    target = plain.parent / f"int8-{kind}" / "model_quantized.onnx"
    if not target.is_file():
        from optimum.onnxruntime import ORTQuantizer
        from optimum.onnxruntime.configuration import AutoQuantizationConfig

        config.save_pretrained(plain.parent)
        chosen = getattr(AutoQuantizationConfig, kind)(is_static=False, per_channel=False)
        quantizer = ORTQuantizer.from_pretrained(str(plain.parent), file_name=plain.name)
        quantizer.quantize(save_dir=str(target.parent), quantization_config=chosen)
    return target


def _folder(made: Made) -> Path:
    """Where the graphs of this very teacher are, of an earlier call or of another environment too."""
    folder = (
        made.folder / f"teacher-{file_record(made.shipped.layout.teacher() / 'model.safetensors').sha256[:16]}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _plain_graph(made: Made) -> Path:
    target = _folder(made) / "model.onnx"
    if not target.is_file():
        model = _model(made)
        export_onnx(model, model.config, target)
    return target


def _of_graph(made: Made, name: str, path: Path, known: Mapping[str, Logits]) -> Peer:
    return graph_peer(name, path, _tokenizer(made), _tokenizer_bytes(made), known)


def graph_peer(
    name: str, path: Path, tokenizer: PlainTokenizer, beside: int, known: Mapping[str, Logits] | None = None
) -> Peer:
    """A graph with its tokenizer, whose file has `beside` bytes."""
    runner = GraphRunner(path)
    return Peer(name, "ONNX Runtime", size_of(path) + beside, lambda texts: runner(*tokenizer(texts)), known or {})


def _model(made: Made) -> Any:
    return load_classifier(made.shipped.layout.teacher(), made.corpus.task).eval()


def _tokenizer(made: Made) -> PlainTokenizer:
    return PlainTokenizer(made.shipped.layout.teacher(), made.shipped.recipe.corpus.max_tokens)


def _tokenizer_bytes(made: Made) -> int:
    return size_of(made.shipped.layout.teacher() / "tokenizer.json")
