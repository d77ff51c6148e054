"""The template of a tokenizer, which puts special tokens around a text, with further pieces before the text."""

from collections.abc import Mapping
from typing import Any

from distill.export.runtime.errors import InputError

Step = dict[str, Any]


def with_prompt(processor: Step | None, ids: Mapping[str, int]) -> Step:
    """Return a post-processor that puts pieces behind the first special token of a row, or at its beginning.

    Args:
        processor: of a tokenizer file; stays as it is.
        ids: the pieces in their order, with their ids.

    Raises:
        InputError: it is of a kind that is not known.
    """
    if processor is None:
        return _prompted(_template([], [], [], {}), ids)
    kind = processor["type"]
    if kind == "ByteLevel":  # offsets alone
        return {"type": "Sequence", "processors": [processor, with_prompt(None, ids)]}
    if kind == "Sequence":
        *before, last = processor["processors"]
        inner = with_prompt(last, ids)
        added = inner["processors"] if inner["type"] == "Sequence" else [inner]
        return {**processor, "processors": [*before, *added]}
    if kind in ("BertProcessing", "RobertaProcessing"):
        (cls, cls_id), (sep, sep_id) = processor["cls"], processor["sep"]
        between, second = ([sep], 1) if kind == "BertProcessing" else ([sep, sep], 0)
        template = _template([cls], between, [sep], {cls: cls_id, sep: sep_id}, second)
        return _prompted(template, ids)
    if kind == "TemplateProcessing":
        return _prompted(processor, ids)
    raise InputError(f"`method` is 'prompt', and a {kind} template is not known. Use 'lora'.")


def _prompted(template: Step, ids: Mapping[str, int]) -> Step:
    pieces = [_special(piece) for piece in ids]

    def put(parts: list[Step]) -> list[Step]:
        first = 1 if parts and "SpecialToken" in parts[0] else 0
        return [*parts[:first], *pieces, *parts[first:]]

    entries = {piece: {"id": piece, "ids": [number], "tokens": [piece]} for piece, number in ids.items()}
    return {
        **template,
        "single": put(template["single"]),
        "pair": put(template["pair"]),
        "special_tokens": {**template["special_tokens"], **entries},
    }


def _template(
    before: list[str], between: list[str], behind: list[str], ids: Mapping[str, int], second: int = 0
) -> Step:
    """Return a template of the tokenizers package; `second` is the token type of a pair's second segment."""
    first = [*map(_special, before), {"Sequence": {"id": "A", "type_id": 0}}]
    rest = [{"Sequence": {"id": "B", "type_id": second}}, *(_special(piece, second) for piece in behind)]
    return {
        "type": "TemplateProcessing",
        "single": [*first, *map(_special, behind)],
        "pair": [*first, *map(_special, between), *rest],
        "special_tokens": {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in ids.items()},
    }


def _special(piece: str, type_id: int = 0) -> Step:
    return {"SpecialToken": {"id": piece, "type_id": type_id}}
