"""What each byte of a bundle is for: tables, layers, head, scales, the graph itself, tokenizer, and the rest."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from distill.export.runtime.errors import BundleError
from distill.export.runtime.untrusted.graph_file import (
    GRAPH_INITIALIZER,
    GRAPH_NODE,
    MODEL_GRAPH,
    NODE_INPUT,
    NODE_NAME,
    TENSOR_NAME,
)
from distill.export.runtime.untrusted.protobuf import Broken, Field, Reader, Refused

# what a constant of a graph is for, by its name, or else by the name of the node that reads it: the first that
# fits; a BERT-like body's names are of transformers' modules, a static student's are those of its graph
WEIGHTS = {
    "scales": r"\.(scales?|channels|middle|zero_points?|smoothing|shift)$|^(step_|min_scale$|zero_point_)",
    "head_and_calibration": r"^calibration_|(^|[./])head[._/]",
    "token_table": r"word_embeddings|^vectors(\.|$)|^token_weights",
    "ngram_tables": r"^table_\d+(\.|$)",
    "position_and_type_tables": r"position_embeddings|token_type_embeddings",
    "window": r"^window_|_at_\d+\.",
    "attention": r"[Aa]ttention|sa_layer_norm",
    "ffn": r"[./]intermediate[./]|[./]ffn[./]|[./]layer\.\d+[./]output[._/]|^(norm|normed|up|wide|hidden)([._]|$)",
}

OTHER_WEIGHTS, GRAPH, OTHER_FILES = "other_weights", "graph", "other_files"

FILES = {
    "tokenizer.json": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "manifest.json": "manifest",
    "config.json": "config",
    "README.md": "model_card",
}

# in the order in which people read them
COMPONENTS = (
    *("token_table", "ngram_tables", "position_and_type_tables", "window", "attention", "ffn"),
    *("head_and_calibration", "scales", OTHER_WEIGHTS, GRAPH),
    *("tokenizer", "manifest", "config", "model_card", OTHER_FILES),
)


def weigh_files(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Bytes by component of some files of a bundle, whose sum they are; what weighs nothing is left out.

    Raises:
        BundleError: a graph is no ONNX file.
    """
    found: Counter[str] = Counter()
    for name in names:
        path = folder / name
        if path.suffix == ".onnx":
            found.update(weigh_graph(path))
        else:
            found[FILES.get(name, OTHER_FILES)] += path.stat().st_size
    return in_order(found)


def weigh_bundle(folder: Path) -> dict[str, int]:
    """Bytes by component of all files of a bundle; arguments as `weigh_files`."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return weigh_files(folder, names)


def weigh_graph(path: Path) -> dict[str, int]:
    """Bytes by component of an ONNX file: its weights by what they are for, and all else as the graph.

    Raises:
        BundleError: it is no ONNX file.
    """
    content = path.read_bytes()
    reader = Reader(content)
    tensors: list[tuple[str, int]] = []
    readers: dict[str, str] = {}
    try:
        for part in reader.fields(0, len(content)):
            for field in reader.fields(*part.inside()) if part.number == MODEL_GRAPH else ():
                if field.number == GRAPH_INITIALIZER:
                    tensors.append((_texts(reader, field, TENSOR_NAME)[0], field.end - field.start))
                elif field.number == GRAPH_NODE:
                    name = _texts(reader, field, NODE_NAME)[0]
                    readers |= {fed: name for fed in _texts(reader, field, NODE_INPUT) if fed not in readers}
    except (Broken, Refused) as error:
        raise BundleError(f"{path}: is not a whole ONNX file; copy it again") from error
    found: Counter[str] = Counter()
    for name, size in tensors:
        found[_purpose(name, readers.get(name, ""))] += size
    found[GRAPH] = len(content) - found.total()
    return in_order(found)


def in_order(sizes: Mapping[str, int]) -> dict[str, int]:
    """Components that weigh something, as people read them."""
    return {name: sizes[name] for name in COMPONENTS if sizes.get(name)}


def _purpose(name: str, reader: str) -> str:
    for said in (name, reader):
        for purpose, pattern in WEIGHTS.items():
            if re.search(pattern, said):
                return purpose
    return OTHER_WEIGHTS


def _texts(reader: Reader, message: Field, number: int) -> list[str]:
    """The texts in a field of a message; one that is empty where there is none."""
    found = [reader.text(field) for field in reader.fields(*message.inside()) if field.number == number]
    return found or [""]
