"""The variant that ships: the first in the recipe's order that passed its gate."""

from distill.artifacts.gate import read_gate
from distill.artifacts.quality import QUALITY_FILE
from distill.evaluation.evaluator import EVALUATORS
from distill.export.runtime.errors import CheckFailedError
from distill.files.json_files import read_json
from distill.runs.context import Job
from distill.variants.variant import may_ship


def choose_branch(job: Job) -> Job:
    """The job whose student ships: of several the one whose chosen variant is best on validation.

    Raises:
        CheckFailedError: a student has no variant that may ship.
    """
    branches = job.branches()
    if len(branches) == 1:
        return branches[0]
    files = [one.variant(choose_variant(one)) / QUALITY_FILE for one in branches]
    evaluator = EVALUATORS[job.recipe.corpus.task]
    scores = [evaluator.headline_of(read_json(file)["validation"]) for file in files]
    return branches[scores.index(max(scores))]


def choose_variant(job: Job) -> str:
    """The first of those that may ship that passed.

    Raises:
        CheckFailedError: none did; says which checks failed and by how much.
    """
    reasons, names = [], may_ship(job.recipe)
    for name in names:
        gate = read_gate(job.variant(name))
        if gate["passed"]:
            return name
        reasons.append(f"{name}: {gate['failures']}")
    recipe = job.recipe.export
    remedies = [] if recipe.table_bits == 8 else [f"raise export.table_bits above {recipe.table_bits}"]
    if recipe.precision != "auto":
        remedies.append("allow another in export.precision (int8-weights and fp32 stay closest)")
    remedies.append("widen a bound knowingly")
    raise CheckFailedError(
        f"gate: no variant of {', '.join(names)} may ship ({'; '.join(reasons)}); {', or '.join(remedies)}"
    )
