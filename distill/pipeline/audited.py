"""The models of a finished run as functions of texts, for an audit that sets them beside its bundle."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distill.export.runtime import CheckFailedError, Classifier, InputError
from distill.runs.layout import RECIPE_FILE, RunLayout

if TYPE_CHECKING:
    from distill.bundles.audit import Scorer
    from distill.evaluation.bias import Audit
    from distill.evaluation.decision import Decision
    from distill.recipe.recipe import Recipe

TEACHER = "teacher"

BUNDLE = "bundle"

AUDIT_FILE = "audit.json"

KEY = "export.max_bias_amplification"


def scorers_of_run(folder: Path, shipped: Classifier) -> "dict[str, Scorer]":
    """Return teacher, twin, student and the variants of the run that made a bundle, each with its own decisions.

    Args:
        folder: of the run.
        shipped: its bundle.

    Raises:
        InputError: there is no finished run, or it made another bundle.
    """
    from distill.artifacts.quality import read_quality
    from distill.bundles.audit import scorer_of
    from distill.recipe.load import load_recipe
    from distill.teachers.checkpoints import load_classifier

    if not (folder / RECIPE_FILE).is_file():
        raise InputError(f"{folder}: This is not a run's folder. Give the one that `distill run` wrote.")
    recipe = load_recipe(str(folder / RECIPE_FILE), [])
    layout, task = RunLayout(folder), shipped.task
    if _labels_of(layout) not in (None, shipped.labels):
        raise _made_elsewhere(folder)
    if recipe.seeds:
        seed = shipped.manifest.provenance.get("seed")
        if seed not in recipe.seeds:
            raise _made_elsewhere(folder)
        layout = layout.of_seed(seed)
    trained: dict[str, tuple[Path, Callable[..., Any]]] = {}
    if (layout.teacher() / "config.json").is_file():  # a teacher that is an encoder
        trained[TEACHER] = layout.teacher(), load_classifier
    if recipe.objective.compare:
        trained["twin"] = layout.twin, recipe.student.family.load
    trained["student"] = layout.student, recipe.student.family.load
    found: dict[str, Scorer] = {}
    for name, (place, load) in trained.items():
        decision = read_quality(layout.quality(name)).decision
        if len(decision.scale) != task.num_outputs:
            raise _made_elsewhere(folder)
        found[name] = _torch_scorer(place, load, decision, shipped)
    for name, classifier in _variants(layout, recipe, shipped).items():
        found[name] = scorer_of(classifier)
    return found


def _labels_of(layout: RunLayout) -> tuple[str, ...] | None:
    """Return the labels of a run in the order of its logits, None where it has no bundle."""
    from distill.export.runtime.manifest.manifest import MANIFEST_FILE, read_manifest

    return read_manifest(layout.bundle).labels if (layout.bundle / MANIFEST_FILE).is_file() else None


def _made_elsewhere(folder: Path) -> InputError:
    return InputError(f"{folder}: The run did not make this bundle. Give the run that made it.")


def _variants(layout: RunLayout, recipe: "Recipe", shipped: Classifier) -> dict[str, Classifier]:
    """Return the exported variants, each in the place of the bundle's graph."""
    from distill.artifacts.quality import read_quality
    from distill.artifacts.variant import MODEL_FILE
    from distill.export.precision import exported
    from distill.timing.models import ExportedVariant, as_bundled

    if shipped.origin is None:
        raise TypeError("a loaded bundle has an origin")
    places = {variant.name: layout.variant(variant.name) for variant in exported(recipe.export.shippable)}
    return {
        name: as_bundled(shipped.origin.folder, ExportedVariant(place / MODEL_FILE, read_quality(place).decision))
        for name, place in places.items()
        if (place / MODEL_FILE).is_file()
    }


def _torch_scorer(folder: Path, load: Callable[..., Any], decision: "Decision", shipped: Classifier) -> "Scorer":
    from distill.teachers.encoding import encode
    from distill.teachers.inference import predict_logits
    from distill.teachers.tokenizers import load_tokenizer, pad_id_of

    task, reads, most = shipped.task, shipped.input, shipped.manifest.max_tokens
    model, tokenizer = load(folder, task), load_tokenizer(folder)

    def score(texts: list[str]) -> Any:
        rows = encode(tokenizer, texts, most, reads=reads)
        logits = predict_logits(model, rows, pad_id=pad_id_of(tokenizer))
        return decision.scores(logits, task), decision.decide(logits, task)

    return score


def check_auditable(recipe: "Recipe") -> None:
    """Refuse a bound on amplification in a recipe whose bundle could not be audited, before anything is trained.

    Raises:
        InputError: its rows are not single texts, its teacher no encoder, or there are no packaged terms in its
            language.
    """
    from distill.bundles.audit import require_texts
    from distill.recipe.sources import corpus_spec

    if recipe.export.max_bias_amplification is None:
        return
    reads = "turns" if recipe.corpus.context is not None else corpus_spec(recipe.corpus).reads.kind
    require_texts(reads, KEY)
    if recipe.teacher.kind != "classifier":
        raise InputError(f"{KEY}: The teacher is not a classifier, so there is no reference. Remove the key.")
    language_of_terms(recipe.corpus.language)


def language_of_terms(language: str | None) -> str:
    """Return the language of the packaged terms for a corpus in a language; English where it is not stated.

    Raises:
        InputError: there are none in it.
    """
    from distill.bundles.identity import LANGUAGES

    if language is None:
        return LANGUAGES[0]
    plain = language.partition("-")[0].lower()
    if plain not in LANGUAGES:
        raise InputError(
            f"{KEY}: There are no packaged terms in corpus.language = '{language}', only in "
            f"{' and '.join(LANGUAGES)}. Remove the key, and audit the bundle with `distill audit --terms FILE`."
        )
    return plain


def write_audit(place: Path, folder: Path, bundle: Path, language: str | None) -> None:
    """Audit the bundle of a run beside its models with the packaged terms, and write it into the stage's folder.

    Args:
        place: the stage's.
        folder: the run's.
        bundle: the bundle's.
        language: of the corpus.
    """
    from distill.artifacts.records import write_record
    from distill.bundles.audit import audit, scorer_of, with_unread
    from distill.bundles.identity import comparisons, packaged_identity
    from distill.export.runtime import load

    shipped = load(bundle)
    models = {**scorers_of_run(folder, shipped), BUNDLE: scorer_of(shipped)}
    compared = comparisons(packaged_identity(language_of_terms(language)))
    found = audit(models, shipped.labels, compared, TEACHER)
    write_record(with_unread(found, shipped, compared), place / AUDIT_FILE)


def read_audit(place: Path) -> "Audit":
    """Read the audit that `write_audit` wrote."""
    from distill.artifacts.records import read_record
    from distill.evaluation.bias import Audit

    return read_record(Audit, place / AUDIT_FILE)


def require_no_amplification(found: "Audit", bound: float) -> None:
    """Refuse a bundle that makes its teacher's differences larger, as its interval shows, or that shows nothing.

    Raises:
        CheckFailedError: names the axes and the key.
    """
    from distill.bundles.audit import UNREAD

    unread = sum(axis.unread for axis in found.axes) / len(found.axes)
    if unread >= UNREAD:
        raise CheckFailedError(
            f"audit: The bundle reads {unread:.0%} of the pairs of the packaged texts alike, or cannot read them, "
            f"which shows nothing. Set corpus.language, or remove {KEY} and use `distill audit --terms`."
        )
    above = [
        f"{axis.axis} (+{axis.amplification[BUNDLE].value:.4f})"
        for axis in found.axes
        if axis.amplification[BUNDLE].low > bound
    ]
    if above:
        raise CheckFailedError(
            f"audit: The bundle adds more than {bound:g} to its teacher's gaps, {', '.join(above)}. Look at "
            "them with `distill audit RUN --against RUN`, or raise export.max_bias_amplification."
        )
