"""Bytes of a bundle by component: tables, layers, head, scales, the graph itself, tokenizer, and the rest."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from distill.export.graph.names import COMPONENT_PATTERNS
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

OTHER_WEIGHTS, GRAPH, OTHER_FILES = "other_weights", "graph", "other_files"

FILES = {
    "tokenizer.json": "tokenizer",
    "tokenizer_config.json": "tokenizer",
    "manifest.json": "manifest",
    "config.json": "config",
    "README.md": "model_card",
}

# in the order of tables and reports
COMPONENTS = (
    *("token_table", "ngram_tables", "position_and_type_tables", "window", "attention", "ffn"),
    *("head_and_calibration", "scales", OTHER_WEIGHTS, GRAPH),
    *("tokenizer", "manifest", "config", "model_card", OTHER_FILES),
)


def weigh_files(folder: Path, names: Iterable[str]) -> dict[str, int]:
    """Return the bytes per component of some files of a bundle; they add up to the files' size.

    Components without bytes are left out.

    Raises:
        BundleError: a graph is not an ONNX file.
    """
    sizes: Counter[str] = Counter()
    for name in names:
        path = folder / name
        if path.suffix == ".onnx":
            sizes.update(weigh_graph(path))
        else:
            sizes[FILES.get(name, OTHER_FILES)] += path.stat().st_size
    return in_order(sizes)


def weigh_bundle(folder: Path) -> dict[str, int]:
    """Return the bytes per component of all files of a bundle; raises as `weigh_files`."""
    names = (path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file())
    return weigh_files(folder, names)


def weigh_graph(path: Path) -> dict[str, int]:
    """Return the bytes per component of an ONNX file: its weights by purpose, everything else as the graph.

    Raises:
        BundleError: it is not an ONNX file.
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
        raise BundleError(f"{path}: The file is not a whole ONNX file. Copy it again.") from error
    sizes: Counter[str] = Counter()
    for name, size in tensors:
        sizes[component_of(name, readers.get(name, ""))] += size
    sizes[GRAPH] = len(content) - sizes.total()
    return in_order(sizes)


def in_order(sizes: Mapping[str, int]) -> dict[str, int]:
    """Return the components that have bytes, in the order of COMPONENTS."""
    return {name: sizes[name] for name in COMPONENTS if sizes.get(name)}


def component_of(constant: str, reader: str) -> str:
    """Return the component of a constant, by its name or else by the name of the node that reads it."""
    for name in (constant, reader):
        for component, pattern in COMPONENT_PATTERNS.items():
            if re.search(pattern, name):
                return component
    return OTHER_WEIGHTS


def _texts(reader: Reader, message: Field, number: int) -> list[str]:
    """Return the texts in a field of a message; one empty text if there is none."""
    texts = [reader.text(field) for field in reader.fields(*message.inside()) if field.number == number]
    return texts or [""]
