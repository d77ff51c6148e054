"""The corpus stage: the source as normalised splits."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import label_matrix, with_train_rows
from distill.corpora.reading.rows import QUARANTINE_FILE
from distill.corpora.storage.parquet import save_corpus
from distill.pipeline.state import Run
from distill.recipe.labels_needed import check_named
from distill.recipe.sources import corpus_spec
from distill.runs.fingerprints import corpus_inputs
from distill.variants.hand_over import check_domain


def corpus_stage(run: Run) -> None:
    """Read the source, split it and store the splits.

    Raises:
        InputError: the source cannot be used, a floor of the recipe has too few validation rows, or a meaning is
            given for a label that the corpus does not have.
    """
    recipe = run.recipe.corpus

    def work(folder: Path) -> None:
        with run.reporter.count("read the corpus") as advance:
            corpus, bad = read_corpus(corpus_spec(recipe), seed=run.recipe.seed, folder=folder, progress=advance)
        save_corpus(with_train_rows(corpus, recipe.rows), folder)
        if bad.write(folder) is not None:
            run.reporter.say(f"  {len(bad)} rows are in quarantine: {run.layout.corpus / QUARANTINE_FILE}")

    run.stage("corpus", run.layout.corpus, corpus_inputs(recipe, run.recipe.seed), work)
    check_meanings(recipe.label_meanings, lambda: run.corpus.task.labels)
    policy = run.recipe.decisions
    check_domain(policy.out_of_domain_share, len(run.corpus.validation) if policy.out_of_domain_share else 0)
    if (policy.floors or policy.certifying_share) and not run.is_fold:  # before hours are spent
        from distill.evaluation.evaluators import evaluator_of
        from distill.evaluation.floors import check_floors

        validation = run.corpus.validation
        gold = label_matrix(validation, run.corpus.task)
        check_floors(policy, evaluator_of(run.corpus.task), gold, validation.groups)


def check_meanings(meanings: Mapping[str, str] | None, labels: Callable[[], Sequence[str]]) -> None:
    """Check that meanings are of the corpus's labels, which are read only where there are meanings.

    Raises:
        InputError: one is of another label.
    """
    if meanings:
        check_named("label_meanings", meanings, labels())
