"""A teacher as a fused graph: the same float32 logits, faster than PyTorch on a CPU."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from distill.evaluation.decision import Logits
from distill.export.runtime.errors import DistillError
from distill.runs.progress import Reporter
from distill.teachers.encoder import Teacher
from distill.teachers.encoding import Batch
from distill.teachers.inference import Forward, torch_forward
from distill.teachers.layer_places import is_causal

# the export takes seconds; fewer texts are labelled faster without it
WORTH_ROWS = 4096

# the weights are in memory three times while they are exported, and a graph in one file has no room for 2 GB
MOST_BYTES = 1_000_000_000

TOLERANCE = 1e-3


def in_onnxruntime(teacher: Teacher, sample: Batch, reporter: Reporter) -> Forward | None:
    """Build a function for the teacher's float32 logits in ONNX Runtime, with as many threads as PyTorch.

    Args:
        teacher: on the CPU, in eval mode.
        sample: a batch of some texts, whose logits must equal PyTorch's.
        reporter: shows that it takes a while.

    Returns:
        None if PyTorch has to compute them: the export extra is not installed, the body is a decoder, of another
        kind that cannot be exported, or too large, or its graph gives other logits.
    """
    if is_causal(teacher.config):  # the fusions are those of encoders
        return None
    if sum(weight.numel() * weight.element_size() for weight in teacher.parameters()) > MOST_BYTES:
        return None
    try:
        from distill.export.graph.from_torch import export_fused
        from distill.export.graph.session import GraphRunner
    except ModuleNotFoundError:
        return None
    with reporter.status("export the teacher"), tempfile.TemporaryDirectory(prefix="distill-teacher-") as place:
        graph = Path(place) / "teacher.onnx"
        try:
            export_fused(teacher, teacher.config, graph)
        except (DistillError, ModuleNotFoundError):
            return None
        runner = GraphRunner(graph, threads=torch.get_num_threads())

    def forward(*batch: Tensor) -> Logits:
        return runner(*(part.numpy() for part in batch))

    near = np.allclose(forward(*sample), torch_forward(teacher)(*sample), rtol=0, atol=TOLERANCE)
    return forward if near else None
