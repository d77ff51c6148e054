"""A plan over conversations: students are made and timed on windows, as a run makes them."""

from pathlib import Path

import pytest

from distill.corpora.assembly.read import read_corpus
from distill.export.runtime.reading.inputs import Turns
from distill.planning.candidates import Architecture
from distill.planning.measure import PRECISIONS, make_bundles, new_workbench
from distill.recipe.load import load_recipe
from distill.recipe.sources import corpus_spec
from distill.students.shape import dimensions_of
from tests.support.talks import SETTINGS, write_talks
from tests.support.tiny_models import bert_tokenizer, tiny_classifier


@pytest.mark.parametrize("kind", ["static", "compact"])
def test_students_of_conversations_are_measured_on_their_windows(kind: str, tmp_path: Path) -> None:
    shape = () if kind == "static" else ("student.width=16", "student.heads=2", "student.depth=1")
    settings = [one for one in SETTINGS if kind == "static" or not one.startswith("student.")]
    source = f"corpus.source={write_talks(tmp_path / 'talks.jsonl')}"
    recipe = load_recipe("smoke", [source, *settings, f"student.kind={kind}", *shape])
    corpus, _ = read_corpus(corpus_spec(recipe.corpus), seed=recipe.seed)
    tokenizer, family = bert_tokenizer(), recipe.student.family
    teacher = tiny_classifier(vocabulary=len(tokenizer), task=corpus.task)
    bench = new_workbench(recipe, corpus, teacher, tokenizer, tmp_path)
    student = Architecture(kind, family, family.dimensions(dimensions_of(teacher.config)))
    made = make_bundles(bench, student, recipe)
    assert [bundle.precision for bundle in made] == list(PRECISIONS)
    for bundle in made:
        assert isinstance(bundle.classifier.input, Turns)
        assert max(found.context or 0 for found in bundle.classifier.predict(bench.texts)) == 2
