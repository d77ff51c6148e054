"""The meanings of the words in the report, shown on hover and read by screen readers."""

from markupsafe import Markup, escape

GLOSSARY = {
    "macro-f1": "The mean over labels of F1, the harmonic mean of precision and recall; every label counts alike.",
    "micro-f1": "F1 of all (row, label) pairs together; frequent labels count more.",
    "at 0.5": "Macro-F1 with a threshold of 0.5 for every label, instead of the fitted thresholds.",
    "retention": "The score as a share of the teacher's, each with its own fitted decisions.",
    "ece": "Expected calibration error: the mean distance between a score and how often it is right.",
    "brier": "The mean squared distance between scores and gold; lower is better.",
    "mb": "Megabytes (10^6 bytes): of the bundle all its files.",
    "p50 ms": "Median milliseconds for one text on one thread, from string to decision.",
    "p95 ms": "Milliseconds that 95 of 100 texts do not exceed, one text on one thread.",
    "p99 ms": "Milliseconds that 99 of 100 texts do not exceed, one text on one thread.",
    "times faster": "The teacher's median latency in PyTorch over this one's.",
    "precision": "Of the texts that were given the label, the share that have it.",
    "recall": "Of the texts that have the label, the share that were given it.",
    "f1": "The harmonic mean of precision and recall.",
    "rows": "Test rows that have the label.",
    "threshold": "The score from which on the label is given.",
    "handed over": "The share of texts that the bundle leaves to a person.",
    "risk": "The share of the answered texts whose decision is not exactly gold's.",
    "area": "Area under the risk-coverage curve; lower is better.",
    "coverage": "The share of texts that are answered.",
    "errors copied": "The share of the teacher's errors that the model repeats.",
    "teacher": "The large model whose soft labels the student learned.",
    "ensemble": "Several teachers, whose logits or probabilities are averaged.",
    "student": "The compact model that was trained on the teacher's soft labels, in PyTorch.",
    "twin": "The control: the same start, steps and seed as the student, trained without a teacher.",
    "tfidf": "The baseline: TF-IDF with logistic regression, trained on the same rows.",
    "fp32": "The student's exported graph in 32-bit floating point.",
    "int8-static": "The exported graph with 8-bit weights, and activations with fixed scales.",
    "int8-dynamic": "The exported graph with 8-bit weights, and activations with a scale per token.",
    "int8-weights": "The exported graph with weights stored in 8 bits, and arithmetic in fp32.",
}


def explained(name: object) -> Markup:
    """Return a name as HTML, with its meaning where the glossary has it."""
    text = str(name)
    meaning = GLOSSARY.get(text.lower().removesuffix(" (ships)"))
    return escape(text) if meaning is None else Markup('<abbr title="{}">{}</abbr>').format(meaning, text)
