"""Recipe keys in errors of the packages below, which know nothing of a recipe and name their arguments."""

from collections.abc import Iterator
from contextlib import contextmanager

from distill.export.runtime.errors import renamed_arguments

# argument, as corpora, teachers, students and export name it in messages -> recipe key
KEYS = {
    **{
        name: f"corpus.{name}"
        for name in (
            *("source", "text", "labels", "label_names", "delimiter", "columns", "where", "group", "row_id"),
            *("one_per_group", "min_rows", "split", "duplicates", "leaks", "on_bad_row", "transfer", "max_tokens"),
            *(
                "encoding",
                "quoting",
                "missing",
                "label_form",
                "group_scope",
                "folds",
                "fold",
                "joiner",
                "truncate",
                "subgroup",
                "label_meanings",
            ),
        )
    },
    **{
        name: f"teacher.{name}"
        for name in ("model", "checkpoint", "pooling", "label_order", "max_unknown", "sha256", "freeze")
    },
    **{name: f"teacher.peft.{name}" for name in ("method", "rank", "bottleneck", "tokens")},
    **{name: f"verbaliser.{name}" for name in ("prompt", "definitions", "words", "shots", "calibration")},
    **{name: f"endpoint.{name}" for name in ("url", "key_env", "allow_remote")},
    "context": "corpus.context",
    **{
        name: f"corpus.context.{name}"
        for name in ("conversation", "order", "speaker", "turns", "roles", "predict")
    },
    **{name: f"augmentation.{name}" for name in ("masked_model", "ways")},
    **{
        name: f"student.{name}"
        for name in (
            *("base", "layers", "depth", "width", "heads", "feed_forward"),
            *("trim_vocabulary", "vocabulary_coverage", "vocabulary_bytes", "min_piece_groups"),
        )
    },
    "table_bits": "export.table_bits",
}


@contextmanager
def recipe_keys() -> Iterator[None]:
    """Name recipe keys instead of arguments in an InputError raised inside; also works as a decorator."""
    with renamed_arguments(KEYS):
        yield
