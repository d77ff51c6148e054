"""An onnxruntime session on checked bytes, held to what the manifest says of its inputs and its output."""

from pathlib import Path
from typing import Any

import onnxruntime

from distill.export.runtime.errors import BundleError
from distill.export.runtime.manifest import INPUTS, Manifest
from distill.export.runtime.untrusted.fields import MAX_SHOWN
from distill.export.runtime.untrusted.graph_file import check_graph_file

OUTPUT = "logits"

RANK = 2  # (batch, sequence) and (batch, C)

# bounds of one tensor that is made while a graph opens: of the smallest graphs, and onnxruntime's own; between
# them that of a table of 8 bits times a weight that makes its rows four times as wide, in floats
MIN_FOLDED_BYTES, MAX_FOLDED_BYTES = 2**24, 2**30

FOLDED_FACTOR = 16


def open_session(content: bytes, manifest: Manifest, where: Path, *, threads: int) -> Any:
    """A session on the bytes of a model file.

    Args:
        content: the file, whose hash was checked.
        manifest: names the inputs and the labels.
        where: its path, which opens each complaint.
        threads: of one run.

    Raises:
        BundleError: the graph holds what no bundle needs, does not open, or is not the manifest's.
    """
    check_graph_file(content, where)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # spinning workers burn the cores of whatever else runs beside this
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # the format that was checked; left to itself, onnxruntime also guesses at another
    options.add_session_config_entry("session.load_model_format", "ONNX")
    # what is constant is made while it opens, weights of 8 bits as floats, but no gigabytes out of a few bytes
    options.add_session_config_entry(
        "optimization.constant_folding_max_output_size_in_bytes",
        str(min(MAX_FOLDED_BYTES, max(MIN_FOLDED_BYTES, FOLDED_FACTOR * len(content)))),
    )
    options.log_severity_level = 4  # errors arrive as exceptions; nothing is printed
    try:
        # its fallback to another device, of which there is none here, would print errors and try again
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:
        raise BundleError(
            f"{where}: onnxruntime {onnxruntime.__version__} cannot open it ({type(error).__name__}); "
            "copy it again, or upgrade onnxruntime"
        ) from error
    _forget_bytes(session)
    try:
        _check_inputs(session, manifest, where)
        _check_output(session, manifest, where)
    except UnicodeDecodeError:
        raise BundleError(f"{where}: holds a name that is not UTF-8; export it again") from None
    return session


def _forget_bytes(session: Any) -> None:
    """The session keeps the file's bytes, to open it again on another device; there is none to change to."""
    session.disable_fallback()
    if hasattr(session, "_model_bytes"):
        session._model_bytes = b""


def _check_inputs(session: Any, manifest: Manifest, where: Path) -> None:
    found = {value.name: value for value in session.get_inputs()}
    if set(found) != set(manifest.inputs):
        # as a list, whose names are escaped: they are a stranger's
        shown = [name[:MAX_SHOWN] for name in list(found)[: len(INPUTS) + 1]]
        raise BundleError(f"{where}: the graph's inputs are {shown}, the manifest's {list(manifest.inputs)}")
    for name, value in found.items():
        if value.type != "tensor(int64)":
            raise BundleError(f"{where}: input {name!r} is {value.type}, must be tensor(int64); export it again")
        # a number in place of a name is a fixed size
        if len(value.shape) != RANK or any(isinstance(size, int) for size in value.shape):
            raise BundleError(
                f"{where}: input {name!r} has shape {value.shape}, must have any batch and any length; "
                "export it again"
            )


def _check_output(session: Any, manifest: Manifest, where: Path) -> None:
    found = next((value for value in session.get_outputs() if value.name == OUTPUT), None)
    if found is None:
        raise BundleError(f"{where}: the graph has no output {OUTPUT!r}; export it again")
    if found.type != "tensor(float)":
        raise BundleError(f"{where}: output {OUTPUT!r} is {found.type}, must be tensor(float); export it again")
    width = found.shape[-1] if len(found.shape) == RANK else None
    # a graph may leave its output's shape unsaid; each run is held to it all the same
    if (found.shape and len(found.shape) != RANK) or (isinstance(width, int) and width != len(manifest.labels)):
        raise BundleError(
            f"{where}: output {OUTPUT!r} has shape {found.shape}, the manifest has {len(manifest.labels)} labels"
        )
