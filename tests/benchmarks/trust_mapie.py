"""MAPIE's risk control and sets on the draws of `tests.benchmarks.trust halves --arrays`; needs mapie 1.6."""

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from mapie.classification import SplitConformalClassifier
from mapie.risk_control import BinaryClassificationController

FLOORS, CONFIDENCE, COVERAGE = (0.8, 0.9, 0.95), 0.9, 0.9
METHODS = ("bonferroni_holm", "fixed_sequence")


class Scores:
    """A fitted classifier whose features are its scores."""

    def __init__(self, labels: int) -> None:
        self.classes_ = np.arange(labels)
        self.is_fitted_ = True

    def fit(self, x: Any, y: Any) -> "Scores":
        return self

    def predict_proba(self, x: Any) -> Any:
        return np.asarray(x)

    def predict(self, x: Any) -> Any:
        return np.asarray(x).argmax(axis=1)


def threshold(scores: Any, gold: Any, floor: float, method: str) -> float:
    """The highest threshold that MAPIE certifies; 0, which flags every row, where it certifies none."""
    grid = np.linspace(0, 0.99, 100)
    controller = BinaryClassificationController(
        lambda x: np.column_stack([1 - x, x]),
        "recall",
        floor,
        CONFIDENCE,
        list_predict_params=grid,
        fwer_method=method,
    )
    controller.calibrate(scores, gold)
    return float(max(controller.valid_predict_params, default=0.0))


def main() -> None:
    warnings.simplefilter("ignore")
    path = Path(sys.argv[1])
    data = np.load(path)
    floors: dict[str, dict[str, list[float]]] = {f"MAPIE {method}": {} for method in METHODS}
    for at in range(data["scores"].shape[1]):
        scores, gold = data["scores"][:, at], data["gold"][:, at].astype(int)
        for floor in FLOORS:
            for method in METHODS:
                found = [threshold(scores[draw], gold[draw], floor, method) for draw in data["drawn"]]
                floors[f"MAPIE {method}"][f"{at},{floor:g}"] = found
    single, gold = data["single"], data["single_gold"].argmax(axis=1)
    sets = {}
    for score in ("lac", "aps"):
        told = []
        for order in data["orders"]:
            fit, test = np.array_split(order, 2)
            one = SplitConformalClassifier(
                Scores(single.shape[1]), confidence_level=COVERAGE, conformity_score=score, prefit=True
            )
            one.conformalize(single[fit], gold[fit])
            held = one.predict_set(single[test])[1][:, :, 0]
            told.append((held[np.arange(len(test)), gold[test]].mean(), held.sum(axis=1).mean()))
        sets[f"MAPIE {score}"] = np.mean(told, axis=0).tolist()
    path.with_suffix(".json").write_text(json.dumps({"methods": list(floors), "floors": floors, "sets": sets}))


if __name__ == "__main__":
    main()
