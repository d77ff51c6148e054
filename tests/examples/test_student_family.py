"""The example of CONTRIBUTING: a new student family, taken from the dict like any other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
import pytest
import torch

from distill.export.graph.from_torch import torch_logits
from distill.export.graph.session import GraphRunner
from distill.students.families import FAMILIES, all_candidates
from distill.students.shape import Dimensions
from distill.students.start import Start
from distill.students.static import StaticFamily
from distill.teachers.encoder import Pooling
from tests.support.export_models import batch
from tests.support.tiny_models import TEXTS, bert_tokenizer, multi_label_task, tiny_classifier

TEACHER = Dimensions(3, 32, 64)


@final
@dataclass(frozen=True)
class BagFamily:
    """Token vectors alone, in any order; its network is a static student's without windows and n-grams."""

    kind: ClassVar[str] = "bag"
    has_layers: ClassVar[bool] = False
    trains_as_int8: ClassVar[bool] = False
    body_learning_rate: ClassVar[float] = 1e-3
    least_epochs: ClassVar[int | None] = None
    narrow_table_bits: ClassVar[int] = 6

    width: int

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        return cls(values["width"])

    @property
    def values(self) -> dict[str, Any]:
        return {"kind": self.kind, "width": self.width}

    @property
    def name(self) -> str:
        return f"bag {self.width}"

    @property
    def is_open(self) -> bool:
        return False

    @property
    def _network(self) -> StaticFamily:
        return StaticFamily(self.width, window_channels=0, hash_buckets=0, ngrams=2, hidden=16)

    def dimensions(self, teacher: Dimensions) -> Dimensions:
        return self._network.dimensions(teacher)

    def check_values(self) -> None:
        self._network.check_values()

    def check(self, config: Any) -> None:
        self._network.check(config)

    def candidates(self, teacher: Dimensions, *, named: bool) -> list[Self]:
        usual = [replace(self, width=width) for width in (8, 16) if width <= teacher.width]
        return [*usual, self] if named else usual

    def pieces_within(self, size: int, config: Any) -> int:
        return self._network.pieces_within(size, config)

    def build(self, start: Start, texts: Any) -> torch.nn.Module:
        return self._network.build(start, texts)

    def random(self, start: Start) -> torch.nn.Module:
        return self._network.random(start)

    parameter_groups = staticmethod(StaticFamily.parameter_groups)
    save = staticmethod(StaticFamily.save)
    load = staticmethod(StaticFamily.load)
    export = staticmethod(StaticFamily.export)
    published_config = staticmethod(StaticFamily.published_config)


def test_a_new_family_is_planned_built_trained_saved_and_exported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(FAMILIES, "bag", BagFamily)
    keys = {"layers": [0, 1], "depth": 2, "width": 12, "heads": 2, "start": "embeddings"}
    keys |= {"window_channels": 0, "hash_buckets": 0, "ngrams": 2, "hidden": 16}
    planned = [one.name for one in all_candidates("bag", keys, TEACHER) if one.kind == "bag"]
    assert planned == ["bag 8", "bag 16", "bag 12"]
    family, tokenizer = FAMILIES["bag"].of(keys), bert_tokenizer()
    teacher = tiny_classifier(vocabulary=len(tokenizer))
    family.check(teacher.config)
    start = Start(teacher, tokenizer, None, Pooling.MEAN, dropout=0.0, seed=1)
    model = family.build(start, list)
    assert family.random(start).state_dict().keys() == model.state_dict().keys()
    rates = {"body_learning_rate": 1e-2, "head_learning_rate": 1e-2, "weight_decay": 0.0}
    optimizer = torch.optim.AdamW(family.parameter_groups(model, **rates))
    ids, mask = batch([tokenizer(text).input_ids for text in TEXTS[:4]])
    model(torch.from_numpy(ids), torch.from_numpy(mask)).square().sum().backward()
    optimizer.step()
    family.save(model, start.student_tokenizer, tmp_path)
    again = family.load(tmp_path, multi_label_task()).eval()
    family.export(again, tmp_path / "x.onnx", 64)
    np.testing.assert_allclose(
        GraphRunner(tmp_path / "x.onnx")(ids, mask), torch_logits(again, ids, mask), atol=1e-5
    )
    assert family.published_config(tmp_path)["dim"] == 12
