"""Comprehensiveness of `explain` beside captum's integrated gradients, on one student in one run.

    CAPTUM_ENV/bin/python -m tests.benchmarks.trust_captum RUN CORPORA/goemotions [--texts 300]

CAPTUM_ENV is an environment of its own with captum 0.9, beside this project's packages. The int8 bundle explains
by leaving words out, captum by gradients on the token vectors of the same student in PyTorch (50 steps from
padding, summed per word). Each ranking's words are left out of the student in PyTorch, whose score drops.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from captum.attr import LayerIntegratedGradients

from distill.artifacts.quality import read_quality
from distill.export.runtime import load
from distill.export.runtime.explain import MAX_WORDS
from distill.recipe.load import load_recipe
from distill.students.networks.static import EDGE
from tests.benchmarks.trust_explain import aopc, fp32_of, long_texts

STEPS = 50

NAMES = ("explain of int8", "explain of fp32", "captum", "random words")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--texts", type=int, default=300)
    given = parser.parse_args()
    bundle = load(given.run / "bundle")
    task, labels = bundle.task, bundle.labels
    seed = given.run / "seeds" / str(bundle.manifest.provenance["seed"])
    place = seed if seed.is_dir() else given.run
    recipe = load_recipe(str(given.run / "recipe.toml"), [])
    model = recipe.student.family.load(place / "student", task).eval()
    decision = read_quality(place / "quality/student").decision
    fp32 = fp32_of(given.run, bundle)
    gradients = LayerIntegratedGradients(model, model.vectors)
    edge = EDGE + max(model.config.lengths, default=1) - 1
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    rng = np.random.default_rng(0)
    for text in long_texts(given.corpus, len(labels), given.texts):
        read = bundle._network.words(text, MAX_WORDS)
        ids, words = np.array(read.encoded.ids), [word.tokens for word in read.words]

        def logits(kept: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                rows = torch.tensor(kept[None])
                return np.asarray(model(rows, torch.ones_like(rows)), dtype=np.float32)

        label = int(decision.scores(logits(ids), task)[0].argmax())

        def score(gone: frozenset[int], ids: np.ndarray = ids, words: list = words, label: int = label) -> float:
            left_out = [token for at in gone for token in words[at]]
            return float(decision.scores(logits(np.delete(ids, left_out)), task)[0, label])

        rows = torch.tensor(ids[None])
        per_token = gradients.attribute(
            rows,
            baselines=torch.zeros_like(rows),
            target=label,
            additional_forward_args=(torch.ones_like(rows),),
            n_steps=STEPS,
        ).sum(dim=-1)[0, edge : edge + len(ids)]
        by_word = [float(per_token[list(tokens)].sum()) for tokens in words]
        for name, changes in (
            ("explain of int8", [w.change for w in bundle.explain(text, labels[label], masked=False).words]),
            ("explain of fp32", [w.change for w in fp32.explain(text, labels[label], masked=False).words]),
            ("captum", by_word),
            ("random words", rng.random(len(words)).tolist()),
        ):
            assert len(changes) == len(words), name
            found[name].append(aopc(score, sorted(range(len(words)), key=lambda at: -changes[at])))
    captum = np.array(found["captum"])
    drawn = rng.integers(0, len(captum), size=(2000, len(captum)))
    for name, values in found.items():
        more = (np.array(values) - captum)[drawn].mean(axis=1)
        low, high = np.quantile(more, [0.025, 0.975])
        print(
            f"{name}: AOPC {np.mean(values):.4f}, minus captum's {np.mean(values) - captum.mean():+.4f} "
            f"({low:+.4f} to {high:+.4f}), {len(values)} texts"
        )


if __name__ == "__main__":
    main()
