"""The model card: the README.md of a bundle, filled from the run."""

import re
from typing import Any

from distill.artifacts.quality import read_quality
from distill.runs.context import Job


def model_card(job: Job, chosen: str) -> str:
    """Markdown with the front matter that the Hub reads; no date, path or latency."""
    recipe = job.recipe
    quality, teacher = read_quality(job.variant(chosen)), read_quality(job.quality(job.reference))
    test = quality["test"]
    rows = "\n".join(
        f"| {_cell(row['label'])} | {_numbers(row, 'precision', 'recall', 'f1')} | {row['support']} |"
        for row in test["per_label"]
    )
    return f"""---
pipeline_tag: text-classification
library_name: onnxruntime
tags: [distillation, onnx, int8]
---

# {recipe.name}

A compact text classifier, distilled from a larger one with distill-text; variant `{chosen}`.
It runs on one CPU core with onnxruntime and tokenizers, and sends no text anywhere.

## Intended use

Sorting or summarising text by the labels below, under the eyes of people who know the text's setting.

**It is not a crisis detector.** It misses what it was not taught, it does not know who is writing, and no
decision about a person's safety or treatment may rest on it. Measure it on your own rows
(`distill eval`) before you use it.

## Quality on the test split

Macro-F1 {test["macro_f1"]:.3f} (teacher {teacher["test"]["macro_f1"]:.3f}), micro-F1 {test["micro_f1"]:.3f},
Brier {test["brier"]:.4f} (mean skill over the labels' base rates {test["brier_skill"]:.3f}), expected calibration
error {test["ece"]:.4f}. Thresholds come from validation.{_abstaining(test["selective"])}

| label | precision | recall | F1 | rows |
| --- | --- | --- | --- | --- |
{rows}

## Training

Corpus `{"sample (synthetic)" if recipe.corpus.source == "sample" else "see manifest.json: provenance"}`,
licence {recipe.corpus.licence or "not stated"}; texts are cut at {recipe.corpus.max_tokens} tokens.
Calibration is inside the graph: its logits are calibrated. Thresholds and hashes are in `manifest.json`.
"""


def _cell(label: str) -> str:
    """A label in a Markdown table, whatever characters it has."""
    return re.sub(r"([\\|`*~$\[\]<>&])", r"\\\1", label)


def _numbers(row: dict[str, Any], *keys: str) -> str:
    return " | ".join(f"{row[key]:.3f}" for key in keys)


def _abstaining(selective: dict[str, Any]) -> str:
    """What the rule to abstain did on test, in a sentence; nothing where there is none."""
    if selective["below"] is None:
        return ""
    risk = selective["selective_risk"]
    wrong = (
        "" if risk is None else f", of which {risk:.1%} are not decided exactly ({selective['risk']:.1%} of all)"
    )
    return (
        f"\n\nBelow a confidence of {selective['below']:.3f} it abstains, and a person should decide: it answers "
        f"{selective['coverage']:.1%} of the texts{wrong}."
    )
