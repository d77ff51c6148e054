"""The base of every table of a recipe, a strict and frozen model, and the bounded numbers that several have."""

from collections.abc import Collection
from typing import Annotated, Any, ClassVar, get_args
from unicodedata import category

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

Fraction = Annotated[float, Field(gt=0, lt=1)]

Rate = Annotated[float, Field(gt=0, le=1)]

MAX_LINE = 1000


def _one_line(text: str) -> str:
    """Refuse what is not a line: shown as an item of a list, it would begin another one."""
    if not text.strip():
        raise ValueError("The text is empty. Write a sentence, or remove it.")
    if any(category(character) in ("Cc", "Zl", "Zp") for character in text):
        raise ValueError("The text must be one line without tabs. Write it so.")
    if len(text) > MAX_LINE:
        raise ValueError(f"The text has {len(text)} characters, above {MAX_LINE}. Shorten it.")
    return text.strip()


Line = Annotated[str, AfterValidator(_one_line)]

Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


RATES = frozenset({"body_learning_rate", "head_learning_rate", "weight_decay"})


class Section(BaseModel):
    """Base of every table of a recipe: no unknown key, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    # keys that were added after the first runs
    later: ClassVar[tuple[str, ...]] = ()

    def counted(self, exclude: Collection[str] = ()) -> dict[str, Any]:
        """Return the table as plain data for fingerprints, without the keys in `exclude`.

        A later key counts only if it is not at its default, so that no finished run becomes stale.
        """
        fields = type(self).model_fields
        unused = {key for key in self.later if getattr(self, key) == fields[key].default}
        return self.model_dump(mode="json", exclude={*exclude, *unused})


def section_of(field: FieldInfo) -> type[Section] | None:
    """Return the model of a field that is a table, also of one that may be absent; None for a plain key."""
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, Section):
            return kind
    return None
