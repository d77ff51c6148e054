"""Arrays come back as they were stored, whatever their order in memory."""

from pathlib import Path

import numpy as np

from distill.artifacts.baseline import read_baseline_decisions, write_baseline_decisions
from distill.artifacts.logits import LOGITS_FILE, read_logits_file, write_logits_file


def test_an_array_is_stored_by_its_values_and_not_by_its_memory(tmp_path: Path) -> None:
    logits = np.arange(12, dtype=np.float32).reshape(3, 4).T
    write_logits_file({"test": logits}, tmp_path / LOGITS_FILE)
    np.testing.assert_array_equal(read_logits_file(tmp_path)["test"], logits)
    write_baseline_decisions(logits > 5, tmp_path)
    np.testing.assert_array_equal(read_baseline_decisions(tmp_path), logits > 5)
