"""The OpenAPI document of the service."""

from collections.abc import Mapping

from distill.export.runtime.deciding.task import REASONS
from distill.serving.limits import Limits
from distill.serving.refusal import KINDS

_SCORES = {"type": "object", "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1}}

_TWO = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}

_TURN = {
    "description": "A turn: what the speaker is called in the manifest, and what was said.",
    "oneOf": [
        {
            "type": "object",
            "required": ["speaker", "text"],
            "properties": {"speaker": {"type": "string"}, "text": {"type": "string"}},
        },
        _TWO,
    ],
}

_TEXT = {
    "description": "A text; for a bundle of pairs a list of two, or an object with its two columns; for one of "
    "conversations a list of turns up to the one that is decided, or before it.",
    "oneOf": [
        {"type": "string"},
        _TWO,
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array", "items": _TURN, "minItems": 1},
    ],
}

_SEQUENCE = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}

_PREDICTION = {
    "type": "object",
    "required": ["labels", "scores", "confidence", "abstained", "truncated", "handed_over", "possible"],
    "properties": {
        "labels": {"type": "array", "items": {"type": "string"}, "description": "The decision."},
        "scores": {**_SCORES, "description": "Calibrated, by label."},
        "confidence": {"type": "number", "description": "Probability that the decision is exactly right."},
        "abstained": {
            "type": "boolean",
            "description": "Whether a person should decide; there are no labels then.",
        },
        "truncated": {"type": "boolean", "description": "Whether the text's end was cut off unread."},
        "handed_over": {
            "type": "array",
            "items": {"enum": list(REASONS)},
            "description": "Why a person should read the text.",
        },
        "possible": {
            "type": ["array", "null"],
            "items": {"type": "string"},
            "description": "Labels that cannot be excluded; null where the bundle has no prediction sets.",
        },
        "context": {
            "type": "integer",
            "description": "Number of turns before the decided one that were read; of conversations alone.",
        },
    },
}

_LABELS = {"type": "array", "items": {"type": "string"}}

_WORD = {
    "type": "object",
    "required": ["segment", "start", "end", "change", "masked_change", "gained", "lost"],
    "description": "A word, text[start:end] in code points, and what changes without it.",
    "properties": {
        "segment": {"type": "integer", "description": "1 for the second text of a pair, else 0."},
        "start": {"type": "integer"},
        "end": {"type": "integer"},
        "change": {"type": "number", "description": "The score minus the score without the word."},
        "masked_change": {
            "type": ["number", "null"],
            "description": "The same with a mask in its place; null where the vocabulary has none.",
        },
        "gained": {**_LABELS, "description": "Labels that are decided in addition without the word."},
        "lost": {**_LABELS, "description": "Labels that are no longer decided without it."},
    },
}

_EXPLANATION = {
    "type": "object",
    "required": ["model", "manifest_sha256", "label", "score", "decided", "prediction", "words", "deletion"],
    "properties": {
        "model": {"type": "string"},
        "manifest_sha256": {"type": "string"},
        "label": {"type": "string"},
        "score": {"type": "number"},
        "decided": {"type": "boolean", "description": "Whether the score decides for the label."},
        "prediction": _PREDICTION,
        "words": {"type": "array", "items": _WORD},
        "deletion": {
            "type": ["object", "null"],
            "description": "The fewest words without which the label is decided otherwise.",
            "properties": {
                "words": {"type": "array", "items": {"type": "integer"}, "description": "Indices of words."},
                "score": {"type": "number"},
                "smallest": {"type": "boolean", "description": "Whether every smaller deletion was tried."},
            },
        },
    },
}

_ASKED_TO_EXPLAIN = {
    "type": "object",
    "required": ["text"],
    "additionalProperties": False,
    "properties": {
        "text": _TEXT,
        "model": {"type": "string", "description": "Name of a bundle; the first by default."},
        "label": {"type": "string", "description": "By default the decided one with the highest score."},
        "minimal": {"type": "boolean", "default": False, "description": "Look for the smallest deletion."},
    },
}

_SCORE = {
    "type": "object",
    "required": ["score", "label"],
    "properties": {"score": {"type": "number"}, "label": {"type": "string"}},
}


def openapi(limits: Limits) -> dict[str, object]:
    """Return the document, with the bounds of a service in it."""
    asked = {
        "type": "object",
        "required": ["texts"],
        "additionalProperties": False,
        "properties": {
            "texts": {"type": "array", "items": _TEXT, "maxItems": limits.texts},
            "model": {"type": "string", "description": "Name of a bundle; the first by default."},
            "top_k": {"type": "integer", "minimum": 1, "description": "Number of scores to keep."},
            "thresholds": {
                "description": "Thresholds in place of the bundle's: for all labels, in their order, or by name.",
                "oneOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}, _SCORES],
            },
        },
    }
    answer = {
        "type": "object",
        "required": ["model", "manifest_sha256", "predictions"],
        "properties": {
            "model": {"type": "string"},
            "manifest_sha256": {"type": "string"},
            "predictions": {"type": "array", "items": _PREDICTION},
        },
    }
    tei = {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "inputs": {"oneOf": [{"type": "string"}, _SEQUENCE, {"type": "array", "items": _SEQUENCE}]},
            "raw_scores": {"type": "boolean", "default": False, "description": "Logits in place of scores."},
            "truncate": {
                "type": "boolean",
                "default": True,
                "description": "false refuses what would be cut.",
            },
        },
    }
    scores = {"type": "array", "items": _SCORE}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "distill",
            "version": "1",
            "description": "Decisions of distilled text classifiers. They do not replace a person's judgement.",
        },
        "paths": {
            "/v1/predict": {"post": _operation("Decide texts.", answer, asked)},
            "/v1/explain": {
                "post": _operation("What the model used of one text.", _EXPLANATION, _ASKED_TO_EXPLAIN)
            },
            "/predict": {
                "post": _operation(
                    "Scores in the form of text-embeddings-inference, by the first bundle.",
                    {"oneOf": [scores, {"type": "array", "items": scores}]},
                    tei,
                )
            },
            "/v1/manifest": {"get": _operation("The contracts of the bundles.", {"type": "object"})},
            "/v1/watch": {
                "get": {
                    **_operation(
                        "Counts of what a bundle has decided, of at least 200 texts a day; for distill drift.",
                        {"type": "object"},
                    ),
                    "parameters": [{"name": "model", "in": "query", "schema": {"type": "string"}}],
                }
            },
            "/healthz": {
                "get": {**_operation("Answers while the service does.", {"type": "object"}), "security": []}
            },
            "/metrics": {"get": _operation("Prometheus counters.", {"type": "string"}, media="text/plain")},
            "/openapi.json": {"get": _operation("This document.", {"type": "object"})},
        },
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
    }


def _operation(
    summary: str,
    answer: Mapping[str, object],
    body: Mapping[str, object] | None = None,
    media: str = "application/json",
) -> dict[str, object]:
    error = {
        "type": "object",
        "required": ["error", "error_type"],
        "properties": {"error": {"type": "string"}, "error_type": {"enum": sorted({kind.word for kind in KINDS})}},
    }
    refusals = {
        str(kind.status): {"description": kind.word, "content": {"application/json": {"schema": error}}}
        for kind in KINDS
    }
    operation: dict[str, object] = {
        "summary": summary,
        "responses": {"200": {"description": "Done.", "content": {media: {"schema": answer}}}, **refusals},
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation
