"""Commands that look: the packaged recipes, and what is in a bundle."""

import hashlib
import json
from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any

from distill.cli.layout import print_entries, print_table
from distill.cli.options import AsJson, Bundle
from distill.cli.tables import print_tree
from distill.files.printable import printable
from distill.recipe.packaged_recipes import describe_packaged

if TYPE_CHECKING:
    from distill.export.runtime.manifest.optional import Objects

# keys of a manifest whose words are not the key's own
TITLES = {
    "macro_f1": "macro-F1",
    "macro_f1_at_half": "macro-F1 with every threshold at 0.5",
    "micro_f1": "micro-F1",
    "brier": "Brier score",
    "brier_skill": "Brier skill over base rates",
    "ece": "expected calibration error",
    "retention": "retention, the headline as a share of the teacher's",
    "validation_unreadable": "share of validation that it does not decide",
    "folds": "folds, of whose models `test` is",
    "recipe_sha256": "SHA-256 of the recipe",
    "teacher_sha256": "SHA-256 of the teacher",
    "further_teachers_sha256": "SHA-256 of further teachers",
    "base_model_sha256": "SHA-256 of the base model",
    "student_base": "base of the student",
    "corpus_fingerprint": "fingerprint of the corpus",
    "corpus_licence": "licence of the corpus",
    "versions": "made with",
}

TEACHER_ON_TEST = "teacher_test_"


def recipes(as_json: AsJson = False) -> None:
    """List the packaged recipes, each with what it is for; `distill run NAME` runs one."""
    found = describe_packaged()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_entries(found)


def show(bundle: Bundle, as_json: AsJson = False) -> None:
    """Show a bundle: labels with thresholds and floors, promises, sizes, quality, and where it comes from.

    Only manifest.json is read. `distill verify` checks the other files.
    """
    from distill.export.runtime.manifest.manifest import (
        MANIFEST_FILE,
        contract,
        read_manifest,
        read_manifest_bytes,
    )

    manifest = read_manifest(bundle)
    sha256 = hashlib.sha256(read_manifest_bytes(bundle)).hexdigest()
    sizes = {name: record.bytes for name, record in manifest.files.items()}
    if as_json:
        rest = {"metrics": manifest.metrics, "provenance": manifest.provenance}
        print(json.dumps({"manifest_sha256": sha256, "bytes": sizes, **contract(manifest), **rest}, indent=2))
        return
    thresholds = manifest.policy.thresholds or ()
    by_label = len(thresholds) == len(manifest.labels)
    shown = [f"{value:.3f}" for value in thresholds] if by_label else ["-"] * len(manifest.labels)
    sizes[MANIFEST_FILE] = (bundle / MANIFEST_FILE).stat().st_size
    splits, figures = _by_split(manifest.metrics)
    facts = {
        "name": manifest.name,
        "task": manifest.task,
        "reads": manifest.reads.kind,
        "precision": manifest.precision,
        "cuts texts at": f"{manifest.max_tokens} tokens",
        "abstains below": None if manifest.abstain is None else manifest.abstain.below,
        **_promises(manifest.objects),
        f"size, {_size(sum(sizes.values()))}": {name: _size(count) for name, count in sizes.items()},
        "quality": {_title(key): value for key, value in figures.items()},
        "origin": _origin(manifest.provenance),
        "SHA-256 of manifest.json": sha256,
    }
    print(printable(str(bundle)))
    print_tree({key: value for key, value in facts.items() if value not in (None, {})})
    if splits:
        print_table("quality by split", ["metric", *splits], _by_metric(splits))
    floors = {floor.label: floor.stated for floor in manifest.objects.floors or ()}
    head = ["label", "threshold", *(["floor"] if floors else [])]
    rows = [
        [label, threshold, *([floors.get(label, "-")] if floors else [])]
        for label, threshold in zip(manifest.labels, shown, strict=True)
    ]
    print_table("labels", head, rows)


def _size(count: int) -> str:
    return f"{count / 1e6:.2f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"


def _title(key: str) -> str:
    """Return a key of a manifest in words."""
    whose = TEACHER_ON_TEST if key.startswith(TEACHER_ON_TEST) else ""
    words = TITLES.get(key.removeprefix(whose), key.removeprefix(whose).replace("_", " "))
    return f"{words} of the teacher on test" if whose else words


def _by_split(metrics: Mapping[str, Any]) -> tuple[Mapping[str, Mapping[str, Any]], Mapping[str, Any]]:
    """Return the tables among the metrics, each of a split, and the single figures that are known."""
    splits = {name: table for name, table in metrics.items() if isinstance(table, dict)}
    return splits, {key: value for key, value in metrics.items() if key not in splits and value is not None}


def _by_metric(splits: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return a row per metric that any split has, with a cell per split; those of some tasks alone come first."""
    order = list(TITLES)
    keys = sorted(set(chain(*splits.values())), key=lambda key: (order.index(key) if key in order else -1, key))
    values = {key: [table.get(key) for table in splits.values()] for key in keys}
    return [
        [_title(key), *map(_cell, row)] for key, row in values.items() if any(value is not None for value in row)
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def _origin(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return where a bundle comes from, in words."""
    return {_title(key): _in_one_line(value) for key, value in provenance.items()}


def _in_one_line(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {inner}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "not stated" if value is None else str(value)


def _promises(objects: "Objects") -> dict[str, str]:
    """Return what a bundle promises of its decisions and whom it leaves them to, each in a phrase."""
    found: dict[str, str] = {}
    if objects.answers is not None:
        answers = objects.answers
        found["answers"] = (
            f"{answers.at_least:g} of them right, certified at {answers.confidence:g} ({answers.wrong} of "
            f"{answers.rows} wrong, at least {answers.bound:.3f} right)"
        )
    if objects.sets is not None:
        found["sets"] = f"hold a text's label in a share of {objects.sets.coverage:g}"
    if objects.unreadable is not None:
        found["does not decide"] = "texts that it cannot read"
    reasons = []
    if objects.hand_over is not None:
        reasons += ["cut texts"] if objects.hand_over.truncated else []
        words = len(objects.hand_over.words)
        reasons += [f"{words} forms of the list {objects.hand_over.list_name}"] if words else []
    if objects.out_of_domain is not None:
        reasons.append(f"{objects.out_of_domain.validation_share:.2%} of validation as out of domain")
    if reasons:
        found["hands over"] = ", ".join(reasons)
    if objects.watch is not None:
        found["watch"] = f"reference of {objects.watch.counts.texts} texts"
    return found
