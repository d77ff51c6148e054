"""onnxruntime sessions on checked bytes, whose inputs and output must be those of the manifest."""

from pathlib import Path

import onnxruntime

from distill.export.runtime.errors import BundleError
from distill.export.runtime.manifest.manifest import INPUTS, Manifest
from distill.export.runtime.untrusted.fields import MAX_SHOWN
from distill.export.runtime.untrusted.graph_file import check_graph_file

# onnxruntime takes a 32-bit number; no machine has as many cores
MAX_THREADS = 1024

OUTPUT = "logits"

RANK = 2  # (batch, sequence) and (batch, C)

# bounds in bytes of one tensor that is computed while a graph opens: for the smallest graphs, and onnxruntime's
# own. Between them the bound is FOLDED_FACTOR times the file: a table of 8 bits times a weight that makes its rows
# four times as wide, in floats.
MIN_FOLDED_BYTES, MAX_FOLDED_BYTES = 2**24, 2**30

FOLDED_FACTOR = 16


def open_session(content: bytes, manifest: Manifest, where: Path, *, threads: int) -> onnxruntime.InferenceSession:
    """Open a session on the bytes of a model file.

    Args:
        content: the file's bytes, whose hash was checked.
        manifest: names the inputs and the labels.
        where: the file's path, which begins every message.
        threads: number of threads per run.

    Raises:
        BundleError: the graph has parts that no bundle needs, does not open, or does not match the manifest.
    """
    check_graph_file(content, where)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # spinning workers would take cores from whatever else runs on this machine
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # the format that was checked; by default onnxruntime also guesses another one
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # constants, such as weights of 8 bits as floats, are computed while it opens, but never gigabytes from a few
    # bytes
    options.add_session_config_entry(
        "optimization.constant_folding_max_output_size_in_bytes",
        str(min(MAX_FOLDED_BYTES, max(MIN_FOLDED_BYTES, FOLDED_FACTOR * len(content)))),
    )
    options.log_severity_level = 4  # errors arrive as exceptions; nothing is printed
    try:
        # its fallback to another device, which does not exist here, would print errors and try again
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:
        raise BundleError(
            f"{where}: The file cannot be opened by onnxruntime {onnxruntime.__version__} "
            f"({type(error).__name__}). Copy it again, or upgrade onnxruntime."
        ) from error
    _forget_bytes(session)
    try:
        _check_inputs(session, manifest, where)
        _check_output(session, manifest, where)
    except UnicodeDecodeError:
        raise BundleError(f"{where}: The graph has a name that is not UTF-8. Export it again.") from None
    return session


def _forget_bytes(session: onnxruntime.InferenceSession) -> None:
    """Free the file's bytes, which the session keeps to open the graph on another device; there is none."""
    session.disable_fallback()
    if hasattr(session, "_model_bytes"):
        session._model_bytes = b""


def _check_inputs(session: onnxruntime.InferenceSession, manifest: Manifest, where: Path) -> None:
    inputs = {value.name: value for value in session.get_inputs()}
    if set(inputs) != set(manifest.inputs):
        # as a list, which escapes the names, because the file may come from anyone
        shown = [name[:MAX_SHOWN] for name in list(inputs)[: len(INPUTS) + 1]]
        raise BundleError(
            f"{where}: The graph's inputs are {shown}, but the manifest's are {list(manifest.inputs)}."
        )
    for name, value in inputs.items():
        if value.type != "tensor(int64)":
            raise BundleError(
                f"{where}: Input {name!r} is {value.type}, but must be tensor(int64). Export it again."
            )
        # a number instead of a name is a fixed size
        if len(value.shape) != RANK or any(isinstance(size, int) for size in value.shape):
            raise BundleError(
                f"{where}: Input {name!r} has shape {value.shape}, but must accept any batch and any length. "
                "Export it again."
            )


def _check_output(session: onnxruntime.InferenceSession, manifest: Manifest, where: Path) -> None:
    output = next((value for value in session.get_outputs() if value.name == OUTPUT), None)
    if output is None:
        raise BundleError(f"{where}: The graph has no output {OUTPUT!r}. Export it again.")
    if output.type != "tensor(float)":
        raise BundleError(
            f"{where}: Output {OUTPUT!r} is {output.type}, but must be tensor(float). Export it again."
        )
    width = output.shape[-1] if len(output.shape) == RANK else None
    # a graph may leave out its output's shape; the output of each run is checked in any case
    if (output.shape and len(output.shape) != RANK) or (isinstance(width, int) and width != len(manifest.labels)):
        raise BundleError(
            f"{where}: Output {OUTPUT!r} has shape {output.shape}, but the manifest has {len(manifest.labels)} "
            "labels."
        )
