"""Which models a run has, and where each left its logits and its quality."""

from pathlib import Path

from distill.artifacts.logits import read_logits_file
from distill.artifacts.quality import read_quality
from distill.evaluation.decision import Decision, Logits
from distill.recipe.ensemble import members_of
from distill.runs.context import Job, numbered


def trained_models(job: Job) -> dict[str, Path]:
    """What was trained or taken over, by name: every teacher, the ensemble, the twin and the student."""
    names = [numbered("teacher", member.index) for member in members_of(job.recipe)]
    found = {name: job.member(index) for index, name in enumerate(names)}
    if job.reference == "ensemble":
        found["ensemble"] = job.ensemble
    if job.recipe.objective.compare:
        found["twin"] = job.twin
    return {**found, "student": job.student}


def kind_of(name: str) -> str:
    """A trained model's kind, as the report names it."""
    return name if name in ("twin", "student") else "teacher"


def quality_folder(job: Job, name: str) -> Path:
    """Where the quality of a trained model, or of a variant, stands."""
    return job.quality(name) if name in trained_models(job) else job.variant(name)


def logits_and_decision(job: Job, name: str) -> tuple[Logits, Decision]:
    """Raw logits ``(N, C)`` of the test rows, of a trained model or a variant, and how they are decided."""
    logits = read_logits_file(trained_models(job).get(name) or job.variant(name))["test"]
    return logits, Decision.from_dict(read_quality(quality_folder(job, name))["decision"])
