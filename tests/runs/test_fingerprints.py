"""What a stage depends on: contents, whatever the place, and every choice that changes a result."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from distill.export.runtime.errors import InputError
from distill.pipeline.export import export_variants
from distill.pipeline.state import Run
from distill.recipe.load import load_recipe
from distill.recipe.sources import CorpusRecipe
from distill.runs.fingerprints import (
    content_hash,
    corpus_inputs,
    portable_recipe,
    recipe_hash,
    student_inputs,
)
from distill.runs.layout import RunLayout
from distill.runs.progress import Reporter
from distill.teachers.checkpoints import save_classifier
from tests.support.finished import execute
from tests.support.tiny_models import bert_tokenizer, multi_label_task, tiny_classifier


def write(folder: Path, names: str) -> CorpusRecipe:
    folder.mkdir()
    (folder / "rows.csv").write_text("text,labels\nhello there,0\n")
    (folder / "labels.txt").write_text(names)
    (folder / "more.txt").write_text("a text without label\n")
    return CorpusRecipe(
        source=str(folder / "rows.csv"), task="multi_label", label_names="labels.txt", transfer="more.txt"
    )


def test_files_beside_the_source_count_by_content_and_not_by_place(tmp_path: Path) -> None:
    first = corpus_inputs(write(tmp_path / "a", "joy\nfear\n"), seed=1)
    same = corpus_inputs(write(tmp_path / "b", "joy\nfear\n"), seed=1)
    other = corpus_inputs(write(tmp_path / "c", "fear\njoy\n"), seed=1)
    assert first == same
    assert first != other
    assert first["transfer"] is not None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("encoding", "cp1252"),
        ("quoting", False),
        ("missing", []),
        ("label_form", "ids"),
        ("group_scope", "source"),
        ("merge_test", True),
    ],
)
def test_later_keys_of_a_corpus_count_where_they_are_used(tmp_path: Path, key: str, value: Any) -> None:
    usual = write(tmp_path / "a", "joy\nfear\n")
    assert key not in corpus_inputs(usual, seed=1)["corpus"]
    unusual = CorpusRecipe.model_validate({**usual.model_dump(), key: value})
    assert corpus_inputs(unusual, seed=1)["corpus"][key] == value


def test_the_scope_of_groups_counts_where_a_source_may_have_splits(tmp_path: Path) -> None:
    single = {**write(tmp_path / "a", "joy\nfear\n").model_dump(), "group": "talk"}
    assert "group_scope" not in corpus_inputs(CorpusRecipe.model_validate(single), seed=1)
    (tmp_path / "a" / "rows.csv").rename(tmp_path / "a" / "train.csv")
    folder = single | {"source": str(tmp_path / "a")}
    assert corpus_inputs(CorpusRecipe.model_validate(folder), seed=1)["group_scope"] == "split"


def test_files_in_folders_below_the_source_count(tmp_path: Path) -> None:
    recipe = write(tmp_path / "a", "joy\nfear\n")
    below = tmp_path / "a" / "data"
    below.mkdir()
    (tmp_path / "a" / "rows.csv").rename(below / "train-00000-of-00001.csv")
    clone = CorpusRecipe.model_validate({**recipe.model_dump(), "source": str(tmp_path / "a"), "transfer": None})
    first = corpus_inputs(clone, seed=1)
    (below / "train-00000-of-00001.csv").write_text("text,labels\nhello here,1\n")
    assert corpus_inputs(clone, seed=1) != first


def test_a_missing_file_is_named_with_its_key() -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv.*corpus\.transfer"):
        content_hash("nowhere.csv", "corpus.transfer")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,labels\n")
    (tmp_path / "rows.csv").chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        content_hash(str(tmp_path / "rows.csv"), "corpus.source")


def test_how_often_a_run_saves_and_where_it_reads_changes_no_bundle(tmp_path: Path) -> None:
    recipes = []
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        path = tmp_path / name / "rows.csv"
        path.write_text("text,labels\n")
        recipes.append(load_recipe("quickstart", [f"corpus.source={path}", f"checkpoint_minutes={len(name)}"]))
    assert recipe_hash(recipes[0]) == recipe_hash(recipes[1])
    assert "checkpoint_minutes" not in portable_recipe(recipes[0])


def test_bits_of_tables_are_no_part_of_a_recipe_that_leaves_them_at_8() -> None:
    assert "table_bits" not in portable_recipe(load_recipe("smoke", ["export.table_bits=8"]))["export"]
    narrow = load_recipe("smoke", ["export.table_bits=5"])
    assert portable_recipe(narrow)["export"]["table_bits"] == 5
    assert recipe_hash(narrow) != recipe_hash(load_recipe("smoke"))


@dataclass
class Recorder(Run):
    """Notes what each stage's inputs are, and executes none."""

    found: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def stage(self, name: str, folder: Path, inputs: Mapping[str, Any], *_: Any, **__: Any) -> None:
        self.found[folder.name] = inputs

    def digest(self, *names: str) -> dict[str, str]:
        return dict.fromkeys(names, "the same")


ALL = {"fp32", "int8-static", "int8-dynamic", "int8-weights"}


@pytest.mark.parametrize(
    ("override", "anew"),
    [
        ("export.calibrator=minmax", {"int8-static"}),
        ("export.table_bits=5", ALL - {"fp32"}),
        ("export.max_row_flip_rate=0.2", ALL),
        ("decisions.calibration=none", ALL),
        ("bench.texts=50", set()),
        ("budget.size_mb=1", set()),
    ],
)
def test_a_key_makes_those_variants_anew_that_it_changes(tmp_path: Path, override: str, anew: set[str]) -> None:
    def inputs(overrides: list[str]) -> dict[str, Mapping[str, Any]]:
        run = Recorder(load_recipe("smoke", overrides), RunLayout(tmp_path), Reporter(quiet=True))
        export_variants(run.students[0])
        return run.found

    auto = "export.precision=auto"
    before, after = inputs([auto]), inputs([auto, override])
    assert before.keys() == ALL
    assert {name for name in ALL if before[name] != after[name]} == anew


def test_to_fine_tune_a_model_and_to_take_it_as_it_is_are_two_things(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    tokenizer = bert_tokenizer()
    save_classifier(tiny_classifier(vocabulary=len(tokenizer)), tokenizer, tmp_path / "model")
    labels = list(multi_label_task().labels)
    rows = [f"{name}\ti feel {name} number {row}" for name in labels for row in range(20)]
    (tmp_path / "rows.tsv").write_text("labels\ttext\n" + "\n".join(rows) + "\n")
    shared = [f"corpus.source={tmp_path / 'rows.tsv'}", f"corpus.label_names={labels}", "teacher.epochs=1"]
    prints = []
    for key in ("model", "checkpoint"):
        run = execute(tmp_path / "run", *shared, f"teacher.{key}={tmp_path / 'model'}", until="teach")
        prints.append(run.records["teacher"].fingerprint)
    assert prints[0] != prints[1]


# Of finished runs and of manifests of shipped bundles: the hash of the recipe, and one of what stages depend on
# in it. A new key must leave both as they are where it is not used.
PUBLISHED = {
    "annomi-client": (
        "050aeee7f6fea3924ada0df1924a4378a476907814600164e899265f95afc25c",
        "b4ea2eff6fca08ae22322ec5b490cbfcb791e47a31e4bdd4d575ad2013be6581",
    ),
    "annomi-therapist": (
        "66c8af1091dfc075dc4b5cedbaa903845cf2ff44e8291c9cf0b66ed2bb590275",
        "b4ea2eff6fca08ae22322ec5b490cbfcb791e47a31e4bdd4d575ad2013be6581",
    ),
    "counselchat": (
        "72d66daa55e0626ce3d453f97e2b75bfad9513a4a5dab166985c03ba7e9fdd20",
        "8a7b8b6ba5005718aab359779c30ac2b3cb439690bf6f4a83f429a26fe7142d2",
    ),
    "goemotions": (
        "b4a8d7e2a1594dca738978052c881e25397469d20b441502c4809eeef5a26c72",
        "88d2c582a618064bfbc65c1652521218d2bad728352c700f23e6fb70561c9af0",
    ),
    "goemotions-compact": (
        "012d58d8d50ef8886fe875a083da069d4fc82c732e9bf6996798873f65355628",
        "47c124166131ea9da487349fd2fd9e6b9a6c64a632626b97d4721eb960b937fc",
    ),
    "goemotions-static": (
        "5d442cca5ca12c61e2f37c7d3d9adbb7df85707b0598d8c7d0b5f5e6709100b9",
        "f857aa28f2aa2548f061d947fa3b1efbf830d3d754324552576049cf0701cefd",
    ),
    "quickstart": (
        "d6a409342016a412b1636838c1b8345da86703ad6262c60d7df88e23bd442146",
        "c105883c6d64b58353395c0bcacc6a4f4f0c61537720a59b7a738d1a8f154a29",
    ),
    "smoke": (
        "9c36b5224f239a48943759ed01f4960bb0c8e0689b0ed58fbd9dfce1cd9795a1",
        "e974347a4cec0e69edea387ed31a78c79f2761c1c9a5a63874421044652470ec",
    ),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_packaged_recipes_keep_the_hashes_of_finished_runs(name: str) -> None:
    recipe = load_recipe(name)
    inputs = {
        "decisions": recipe.decisions.counted(),
        "student": student_inputs(recipe.student),
        "bounds": recipe.export.bounds,
    }
    if recipe.corpus.source == "sample":
        inputs["corpus"] = corpus_inputs(recipe.corpus, recipe.seed)
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    assert (recipe_hash(recipe), digest) == PUBLISHED[name]
