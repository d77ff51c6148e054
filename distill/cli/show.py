"""Commands that look: the packaged recipes, and what is in a bundle."""

import hashlib
import json
from typing import TYPE_CHECKING

from distill.cli.layout import print_entries, print_table
from distill.cli.options import AsJson, Bundle
from distill.cli.tables import print_tree
from distill.files.printable import printable
from distill.recipe.packaged_recipes import describe_packaged

if TYPE_CHECKING:
    from distill.export.runtime.manifest.optional import Objects


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
    facts = {
        "name": manifest.name,
        "task": manifest.task,
        "reads": manifest.reads.kind,
        "precision": manifest.precision,
        "max_tokens": manifest.max_tokens,
        "abstains below": None if manifest.abstain is None else manifest.abstain.below,
        **_promises(manifest.objects),
        "bytes": {**sizes, "total": sum(sizes.values()) + (bundle / MANIFEST_FILE).stat().st_size},
        "metrics": manifest.metrics,
        "provenance": manifest.provenance,
        "manifest_sha256": sha256,
    }
    print(printable(str(bundle)))
    print_tree({key: value for key, value in facts.items() if value not in (None, {})})
    floors = {floor.label: floor.stated for floor in manifest.objects.floors or ()}
    head = ["label", "threshold", *(["floor"] if floors else [])]
    rows = [
        [label, threshold, *([floors.get(label, "-")] if floors else [])]
        for label, threshold in zip(manifest.labels, shown, strict=True)
    ]
    print_table("labels", head, rows)


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
