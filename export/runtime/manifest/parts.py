"""The objects inside a manifest, each with a constructor that checks it."""

from dataclasses import dataclass

from distill.export.runtime.deciding.tasks import TASKS
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.reading.inputs import PAIR, Row, Turn, Window
from distill.export.runtime.reading.turns import MAX_TURNS, TURNS
from distill.export.runtime.untrusted.fields import Fields

CONFIDENCES = tuple(dict.fromkeys(kind.confidence_rule for kind in TASKS.values()))

MAX_SELF_TEST_TEXTS = 1000

MAX_TOLERANCE = 1.0  # a self-test that any logits pass would be useless


@dataclass(frozen=True)
class SelfTest:
    """The project's sentences, or pairs or windows of them, with ids and logits of the bundle when it was made."""

    texts: tuple[Row, ...]
    input_ids: tuple[tuple[int, ...], ...]
    logits: tuple[tuple[float, ...], ...]
    tolerance: float

    @classmethod
    def from_dict(cls, data: object, where: str, *, kind: str, labels: int, max_tokens: int) -> "SelfTest":
        """Check and build; `kind` is the input's. Ids and logits have one row for each text."""
        fields = Fields(data, where, names_of(cls))
        texts: tuple[Row, ...]
        if kind == TURNS:
            texts = _windows(fields, "texts")
        else:
            texts = (fields.pairs if kind == PAIR else fields.texts)("texts", MAX_SELF_TEST_TEXTS)
        return cls(
            texts=texts,
            input_ids=fields.id_rows("input_ids", len(texts), max_tokens),
            logits=fields.number_rows("logits", len(texts), labels),
            tolerance=fields.number("tolerance", 0.0, MAX_TOLERANCE),
        )


@dataclass(frozen=True)
class Calibration:
    """The scale and bias per label that the graph's last nodes apply; kept for the record."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]

    @classmethod
    def from_dict(cls, data: object, where: str, *, labels: int) -> "Calibration":
        """Check and build; a scale of zero or less would erase or reverse a label."""
        fields = Fields(data, where, names_of(cls))
        return cls(scale=fields.numbers("scale", labels, low=0.0), bias=fields.numbers("bias", labels))


@dataclass(frozen=True)
class Abstain:
    """The rule to hand a text over to a person: where confidence, of this kind, is lower than `below`.

    Every kind of confidence is the probability that the decision is exactly right.
    """

    confidence: str
    below: float

    @classmethod
    def from_dict(cls, data: object, where: str) -> "Abstain":
        """Check and build."""
        fields = Fields(data, where, names_of(cls))
        return cls(
            confidence=fields.choice("confidence", CONFIDENCES),
            below=fields.number("below", 0.0, 1.0),
        )


def _windows(fields: Fields, key: str) -> tuple[Window, ...]:
    """Return a list of conversations as windows, each a list of speakers and texts whose last is decided."""
    windows = []
    for item in fields.items(key):
        turns = item.get("context") if isinstance(item, dict) else None
        inner = Fields(item, f"{fields.where}: {key}", ("target", "context"))
        if not isinstance(turns, list) or len(turns) > MAX_TURNS or not isinstance(inner.raw("target"), list):
            raise fields.error(
                key, f"a list of windows, each with 'target' and at most {MAX_TURNS} turns of 'context'"
            )
        pairs = Fields({"turns": [*turns, inner.raw("target")]}, inner.where, ("turns",)).pairs(
            "turns", MAX_TURNS + 1
        )
        *context, target = (Turn(*pair) for pair in pairs)
        windows.append(Window(target, tuple(context)))
    if not 0 < len(windows) <= MAX_SELF_TEST_TEXTS:
        raise fields.error(key, f"a list of 1 to {MAX_SELF_TEST_TEXTS} windows, has {len(windows)}")
    return tuple(windows)
