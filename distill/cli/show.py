"""Commands that look: the packaged recipes, and what is in a bundle."""

import hashlib
import json

from distill.cli.layout import print_entries, print_table
from distill.cli.options import AsJson, Bundle
from distill.cli.tables import print_tree
from distill.files.printable import printable
from distill.recipe.packaged_recipes import describe_packaged


def recipes(as_json: AsJson = False) -> None:
    """List the packaged recipes, each with what it is for; `distill run NAME` runs one."""
    found = describe_packaged()
    if as_json:
        print(json.dumps(found, indent=2))
        return
    print_entries(found)


def show(bundle: Bundle, as_json: AsJson = False) -> None:
    """Show a bundle: its labels with their thresholds, its sizes, its quality, and where it comes from.

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
        "bytes": {**sizes, "total": sum(sizes.values()) + (bundle / MANIFEST_FILE).stat().st_size},
        "metrics": manifest.metrics,
        "provenance": manifest.provenance,
        "manifest_sha256": sha256,
    }
    print(printable(str(bundle)))
    print_tree({key: value for key, value in facts.items() if value not in (None, {})})
    print_table("labels", ["label", "threshold"], [list(row) for row in zip(manifest.labels, shown, strict=True)])
