"""A report in code: every section of the page has something to show, and names may be anybody's."""

from collections.abc import Sequence
from typing import Any

from distill.artifacts.records import from_dict
from distill.artifacts.report import Report

LABELS = ("joy", "fear")

DIFFERENCE = {"difference": 0.1, "low": -0.05, "high": 0.2, "p_value": 0.1}

CPU = {"model": "AMD EPYC", "flags": ["avx2"]}


def report_data(labels: Sequence[str] = LABELS, **changed: Any) -> dict[str, Any]:
    """Return the plain data of a report with a teacher, a twin, a student, two variants and a baseline."""
    models = [
        model_data(name, kind, labels)
        for name, kind in (
            ("teacher", "teacher"),
            ("twin", "twin"),
            ("student", "student"),
            ("fp32", "variant"),
            ("int8-static", "variant"),
            ("tfidf", "baseline"),
        )
    ]
    compared = ("student", "twin", "int8-static")
    scores = {"validation": 0.5, "test": 0.4}
    data = {
        "format_version": 1,
        "recipe": {"name": "tiny", "export": {"precision": ["int8-static", "fp32"]}},
        "task": "multi_label",
        "labels": list(labels),
        "seed": 2,
        "environment": {
            "cpu_model": CPU["model"],
            "isa_flags": CPU["flags"],
            "cores": 2,
            "gpu": None,
            "packages": {},
        },
        "corpus": {"rows": {"test": 8}, "notes": {}},
        "warnings": ["test has 8 rows"],
        "seconds": {"corpus": 0.25, "teacher": 61.0},
        "chosen": "int8-static",
        "budget": budget_data(),
        "words": {
            "rates": dict.fromkeys(("corpus", "slang", "emoji", "crisis"), word_rates_data()),
            "crisis_words": [{"word": "harm", "field": "harm", "unknown": False, "pieces": 3, "teacher": 1}],
        },
        "audit": {
            "models": ["teacher", "bundle"],
            "reference": "teacher",
            "labels": list(labels),
            "axes": [
                {
                    "axis": "gender",
                    "templates": 24,
                    "texts": 144,
                    "gap": {"teacher": 0.01, "bundle": 0.02},
                    "flipped": {"teacher": 0.1, "bundle": 0.2},
                    "shown": {"teacher": 1, "bundle": 2},
                    "amplification": {"bundle": {"value": 0.01, "low": 0.005, "high": 0.02}},
                }
            ],
            "cells": [
                {
                    "axis": "gender",
                    "group": "woman",
                    "other": "man",
                    "label": "joy",
                    "gaps": {"teacher": 0.01, "bundle": 0.03},
                    "p_values": {"teacher": 1.0, "bundle": 0.01},
                    "flips": {"teacher": 0.0, "bundle": 0.1},
                    "amplification": {"bundle": {"value": 0.01, "low": 0.0, "high": 0.02}},
                }
            ],
        },
        "subgroups": subgroups_data(labels),
        "used_words": [{"label": "joy", "word": "glad", "change": 0.25, "texts": 9, "groups": 7}],
        "teacher_before_tuning": split_data(labels),
        "distillation_gain": DIFFERENCE,
        "attribution": {
            "reference": "teacher",
            "gain": {"student": DIFFERENCE, "int8-static": DIFFERENCE},
            "agreement": {name: {"rows": 0.5, "cells": 0.75} for name in compared},
            "copied_errors": {"student": 0.25, "twin": None, "int8-static": 0.5},
        },
        "verdict": {
            "failures": [],
            "line": "the bundle is first in nothing",
            "notes": ["never given, though test rows have them: sad"],
            "over_baseline": DIFFERENCE,
            "over_twin": None,
            "retention": 0.9,
            "never_given": ["sad"],
            "always_given": [],
        },
        "tested": {
            "rows": 8,
            "resampled": "groups",
            "headline": {
                name: {"value": 0.5, "low": 0.375, "high": 0.625} for name in ("teacher", "int8-static", "tfidf")
            },
            "label_f1": [{"value": 1 / 3, "low": 0.125, "high": 0.5} for _ in labels],
            "confusions": [
                {"missed": labels[0], "given": labels[1], "rows": 3},
                {"missed": None, "given": labels[0], "rows": 1},
            ],
        },
        "day": "2026-11-30",
        "folds": {
            "folds": 2,
            "rows": 16,
            "resampled": "groups",
            "models": {
                name: {"all_rows": {"value": 0.4, "low": 0.3, "high": 0.5}, "folds": [0.35, 0.45]}
                for name in ("student", "int8-static")
            },
        },
        "seeds": {
            "rows": [
                {"seed": seed, "variant": "int8-static", "student": scores, "ships": scores, "twin": scores}
                for seed in (1, 2)
            ],
            "mean": {"student": 0.41, "ships": 0.42, "twin": 0.3},
            "standard_deviation": {"student": None, "ships": 0.0314159, "twin": 0.01},
            "gain": {"student": DIFFERENCE, "ships": DIFFERENCE},
        },
        "layer_search": [{"layers": [0, 2], "divergence": 0.5, "macro_f1": 0.375}],
        "precision": precision_data(),
        "tuning": {
            "teacher": tuning_data("lora", 16, merged=True),
            "teacher-2": tuning_data("adapter", 48, merged=False),
        },
        "models": models,
        "training": [{"name": "teacher", "kind": "teacher", "loss": [[1, 0.5], [2, 0.4]], "score": [[2, 0.4]]}],
    }
    return {**data, **changed}


def subgroups_data(labels: Sequence[str]) -> dict[str, Any]:
    models = ("teacher", "int8-static")
    rates = dict.fromkeys(models, 0.75)
    cell = {
        "column": "age",
        "value": None,
        "label": labels[0],
        "rows": 31,
        "found": dict.fromkeys(models, 0.5),
        "others": rates,
    }
    return {
        "models": list(models),
        "ships": "int8-static",
        "min_rows": 30,
        "rows": [
            {
                "column": "age",
                "value": value,
                "rows": 31,
                "recall": rates,
                "false_positive_rate": dict.fromkeys(models),
                "calibration_error": rates,
            }
            for value in (None, "18-25")
        ],
        "cells": [
            {**cell, "metric": "recall", "p_values": dict.fromkeys(models, 0.25), "worse_by": 0.25},
            {**cell, "metric": "score minus rate", "p_values": {}, "worse_by": -0.25},
        ],
        "too_few": 3,
    }


def tiny_report(labels: Sequence[str] = LABELS, **changed: Any) -> Report:
    """Return such a report."""
    return from_dict(Report, report_data(labels, **changed))


def tuning_data(method: str, size: int, *, merged: bool) -> dict[str, Any]:
    compared = {"decisions": 24, "max_logit_difference": 2.5e-6, "decisions_changed": 0}
    return {
        "method": method,
        "size": size,
        "learning_rate": 5e-4,
        "base": "0f",
        "trained": 1500,
        "parameters": 60000,
        "merged": merged,
        "rows": 8,
        **(compared if merged else {"decisions": 0, "max_logit_difference": None, "decisions_changed": None}),
    }


def split_data(labels: Sequence[str] = LABELS) -> dict[str, Any]:
    row = {
        "precision": 0.5,
        "recall": 0.25,
        "f1": 1 / 3,
        "support": 3,
        "threshold": 0.5,
        "brier": 0.125,
        "brier_skill": None,
        "reliability": [[0.25, 0.125, 5]],
    }
    return {
        "macro_f1": 0.5,
        "labels_without_rows": 0,
        "macro_f1_of_labels_with_rows": 0.5625,
        "weighted_f1": 0.4375,
        "exact_match": 0.3125,
        "jaccard": 0.40625,
        "cohen_kappa": 0.28125,
        "macro_f1_at_half": 0.25,
        "micro_f1": 0.5,
        "accuracy": None,
        "brier": 0.125,
        "brier_skill": 0.5,
        "ece": 0.0625,
        "ece_above_tenth": 0.03125,
        "per_label": [{**row, "label": label} for label in labels],
        "selective": {
            "aurc": 0.25,
            "risk": 0.5,
            "below": 0.125,
            "coverage": 0.75,
            "selective_risk": 0.25,
            "selective_macro_f1": 0.625,
            "curve": [[0.5, 0.25], [1.0, 0.5]],
        },
    }


def model_data(name: str, kind: str, labels: Sequence[str] = LABELS) -> dict[str, Any]:
    latency = {
        "texts": "real",
        "threads": 1,
        "batch": 1,
        "rounds": 3,
        "runtime": "onnxruntime",
        "p50_ms": 0.5,
        "p95_ms": 0.75,
        "p99_ms": 1.0,
        "texts_per_second": 2000.0,
    }
    data = {
        "name": name,
        "kind": kind,
        "parameters": 1000,
        "bytes": {"weights": 3000, "tokenizer": 1000, "total": 4000},
        "components": None,
        "test": split_data(labels),
        "validation": split_data(labels),
        "retention": 1.0,
        "brier_skill_ratio": 1.0,
        "ece_above_tenth_difference": None if kind in ("teacher", "baseline") else DIFFERENCE,
        "bars": None,
        "floors": [
            {"label": labels[0], "metric": "recall", "floor": 0.9, "validation": 0.95, "test": 0.8, "kept": True}
        ],
        "gate": None,
        "latency": {"rows": [latency]},
    }
    if kind == "baseline":
        data["terms"] = "characters"
    return {**data, **variant_data(name)} if kind == "variant" else data


def variant_data(name: str) -> dict[str, Any]:
    fidelity = {"label_flip_rate": 0.01, "row_flip_rate": 0.02, "logit_noise": 0.125}
    cost = {"macro_f1_in_fp32": 0.5, "against_student": fidelity, "against_own_fp32": fidelity}
    return {
        "components": {"token_table": 1500, "ffn": 300, "tokenizer": 200},
        "bars": [
            {"name": "skill", "value": 0.0, "bound": 0.05, "passed": True},
            {"name": "error", "value": 0.25, "bound": 0.0, "passed": False},
        ],
        "gate": {
            "passed": True,
            "checks": [
                {"name": "macro-F1 drop", "value": None, "bound": 0.005, "passed": False},
                {
                    "name": "rows with a flip",
                    "value": 0.1,
                    "bound": 0.05,
                    "passed": False,
                    "allowed": 0.09,
                    "upper": 0.1638,
                    "rows": 100,
                    "reason": "10 of 100 rows differ, at most 9 allowed at this size",
                },
            ],
            "kept_fp32": ["first"] if name != "fp32" else [],
            "batch_invariant": True,
            "operators": {"MatMul": 2},
            "sensitivity": []
            if name == "fp32"
            else [{"product": product, "noise": 0.5, "multiply_adds": 1024} for product in ("first", "second")],
            "attempts": 2,
        },
        "quantization": {"aware": False, "validation": cost, "test": cost},
    }


def word_rates_data() -> dict[str, Any]:
    return {
        "words": 1000,
        "unknown": 0.5,
        "unknown_to_teacher": 0.25,
        "split_more": 0.125,
        "pieces": 2.5,
        "pieces_of_teacher": 1.5,
    }


def budget_data() -> dict[str, Any]:
    student = {
        "student": "2 layers",
        "precision": "int8-static",
        "predicted_retention": 0.9,
        "p50_ms": 1.0,
        "p95_ms": 1.25,
        "size_mb": 3.0,
        "rss_mb": None,
    }
    plan = {
        "budget": {"p95_ms": 2.0, "threads": 1},
        "cpu": CPU,
        "texts": 50,
        "vocabulary": 300,
        "fits": [student],
        "misses": [{**student, "student": "6 layers", "over": ["p95 is 3 ms"]}],
        "unmeasured": 3,
        "busy": True,
        "chosen": {"student.kind": "layers"},
    }
    return {
        "asked": {"p95_ms": 2.0, "threads": 1},
        "plan": plan,
        "predicted": student,
        "measured": {"p95_ms": 1.5, "size_mb": 3.25, "rss_mb": 80.0},
        "over_asked": {"p95_ms": -0.25},
        "over_predicted": {"p95_ms": 0.2, "size_mb": 0.0833},
    }


def precision_data() -> dict[str, Any]:
    form = {"name": "int8-static", "passed": True, "p50_ms": 0.5, "p95_ms": 0.75, "size_mb": 1.5}
    return {
        "cpu": CPU,
        "texts": 50,
        "rounds": 5,
        "forms": [form, {**form, "name": "fp32", "p50_ms": 1.0}],
        "refused": {"int8-dynamic": "rows with a flip 0.5 above 0.05"},
    }
