"""The self-test of a bundle: the manifest's sentences, with the ids and logits that the bundle had when made."""

from pathlib import Path

import numpy as np

from distill.export.runtime.classifier import Classifier, load
from distill.export.runtime.errors import CheckFailedError


def self_test(classifier: Classifier) -> float:
    """Repeat the manifest's self-test, one text at a time; return the largest difference between logits."""
    expected = classifier.manifest.self_test
    worst = 0.0
    for index, (text, ids, logits) in enumerate(
        zip(expected.texts, expected.input_ids, expected.logits, strict=True)
    ):
        if tuple(classifier.token_ids([text])[0]) != ids:
            raise CheckFailedError(
                f"self_test: input_ids[{index}] differ from the manifest's. The tokenizers package reads this "
                "bundle's tokenizer differently."
            )
        found = classifier.logits([text])[0]  # (C,)
        worst = max(worst, float(np.abs(found - np.array(logits)).max()))
    if worst > expected.tolerance:
        raise CheckFailedError(
            f"self_test: Logits differ by {worst:.3g}, and the tolerance is {expected.tolerance:.3g}. This CPU "
            "or onnxruntime computes this bundle differently: export it here, or use an fp32 one."
        )
    return worst


def verify(path: str | Path, *, manifest_sha256: str | None = None, threads: int = 1) -> float:
    """Check hashes and contract and run the self-test; return the result of `self_test`."""
    return self_test(load(path, manifest_sha256=manifest_sha256, threads=threads))
