"""The corpus stage: the source as normalised splits."""

from pathlib import Path

from distill.corpora.assembly.read import read_corpus
from distill.corpora.corpus import label_matrix, part_of
from distill.corpora.reading.rows import QUARANTINE_FILE
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.pipeline.state import Run
from distill.recipe.sources import corpus_spec
from distill.runs.fingerprints import corpus_inputs


def corpus_stage(under_way: Run) -> None:
    """The corpus's splits."""
    job, recipe = under_way.job, under_way.job.recipe.corpus

    def work(folder: Path) -> None:
        with job.reporter.count("read the corpus") as advance:
            spec = corpus_spec(recipe)
            corpus, bad = read_corpus(spec, seed=job.recipe.seed, folder=folder, progress=advance)
        if recipe.rows is not None:
            corpus = part_of(corpus, recipe.rows)
        save_corpus(corpus, folder)
        if bad.write(folder) is not None:
            job.reporter.say(f"  {len(bad)} rows are in quarantine: {job.corpus / QUARANTINE_FILE}")

    under_way.stage("corpus", job.corpus, corpus_inputs(recipe, job.recipe.seed), work)
    if job.recipe.decisions.floors:
        from distill.evaluation.floors import check_floors

        corpus = load_corpus(job.corpus)  # before hours are spent
        check_floors(job.recipe.decisions, corpus.task, label_matrix(corpus.validation, corpus.task))
