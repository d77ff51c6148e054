"""Texts that differ in one identity term alone: made of templates, or of rows of the user's by swapped words."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from distill.export.runtime import InputError
from distill.export.runtime.manifest.records import names_of
from distill.export.runtime.reading.words_of import UNSPACED

LANGUAGES = ("en", "zh")

SLOTS = ("{person}", "{Person}")

MAX_FILE_BYTES = 2**20

MIN_TEMPLATES = 8  # with fewer, no gap can be told from chance

_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Swap:
    """Words of two groups of an axis that take each other's place; texts with an `ambiguous` word are left out.

    Words of scripts without blanks are found anywhere, the longest first.
    """

    first: tuple[str, ...]
    second: tuple[str, ...]
    ambiguous: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        """Return what finds the words of a text."""
        words = {word for word in (*self.first, *self.second, *self.ambiguous) if UNSPACED.search(word)}
        anywhere = "|".join(map(re.escape, sorted(words, key=lambda word: (-len(word), word))))
        return re.compile(f"{anywhere}|(?:(?!{UNSPACED.pattern})[^\\W_])+") if anywhere else _WORD


@dataclass(frozen=True)
class Identity:
    """Templates with a slot, terms per group of each axis, and words to swap inside of rows."""

    templates: tuple[str, ...]
    axes: Mapping[str, Mapping[str, tuple[str, ...]]]
    swaps: Mapping[str, Swap]


@dataclass(frozen=True)
class Comparison:
    """Texts of an axis by template, term and group, ``(T, K, G)``."""

    axis: str
    groups: tuple[str, ...]
    texts: tuple[tuple[tuple[str, ...], ...], ...]


def packaged_identity(language: str) -> Identity:
    """Return the packaged templates and terms of a language.

    Raises:
        InputError: there are none of this language.
    """
    if language not in LANGUAGES:
        raise InputError(
            f"--language: The language must be one of {', '.join(LANGUAGES)}. For another, give terms of your own "
            "with --terms."
        )
    text = (resources.files("distill.bundles") / "identity_terms" / f"{language}.toml").read_text(encoding="utf-8")
    return _identity(tomllib.loads(text), language)


def read_identity(path: Path) -> Identity:
    """Return the templates and terms of a file in the form of the packaged ones.

    Raises:
        InputError: it cannot be read, or a part of it is wrong.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise InputError(f"{path}: The file has more than {MAX_FILE_BYTES} bytes. Shorten it.")
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{path}: The file cannot be read ({error.strerror}). Name another with --terms."
        ) from None
    except ValueError:  # its message may quote a line
        raise InputError(f"{path}: The file is not TOML in UTF-8. Copy the form of the packaged terms.") from None
    return _identity(data, str(path))


def comparisons(identity: Identity) -> list[Comparison]:
    """Return the templates with every term in their slot, per axis."""
    return [
        Comparison(
            axis,
            tuple(groups),
            tuple(
                tuple(
                    tuple(_filled(template, term) for term in terms)
                    for terms in zip(*groups.values(), strict=True)
                )
                for template in identity.templates
            ),
        )
        for axis, groups in identity.axes.items()
    ]


def swapped_rows(identity: Identity, texts: Iterable[str], most: int) -> list[Comparison]:
    """Return rows beside themselves with swapped words, per axis; at most `most` rows of each.

    Rows that have words of one of both groups alone, and none that is ambiguous.
    """
    found: dict[str, list[tuple[tuple[str, ...], ...]]] = {axis: [] for axis in identity.swaps}
    patterns = {axis: swap.pattern for axis, swap in identity.swaps.items()}
    for text in texts:
        for axis, swap in identity.swaps.items():
            words = {word.casefold() for word in patterns[axis].findall(text)}
            sides = [bool(words.intersection(side)) for side in (swap.first, swap.second)]
            if sides[0] is sides[1] or words.intersection(swap.ambiguous) or len(found[axis]) >= most:
                continue
            mine, other = (swap.first, swap.second) if sides[0] else (swap.second, swap.first)
            changed = _swapped(text, dict(zip(reversed(mine), reversed(other), strict=True)), patterns[axis])
            found[axis].append(((text, changed) if sides[0] else (changed, text),))
    return [
        Comparison(_of_rows(axis), (identity.swaps[axis].first[0], identity.swaps[axis].second[0]), tuple(rows))
        for axis, rows in found.items()
        if len(rows) >= MIN_TEMPLATES
    ]


def require_swaps(identity: Identity, rows: str) -> None:
    """Refuse rows where no words are swapped.

    Raises:
        InputError: the terms have none.
    """
    if not identity.swaps:
        raise InputError(f"{rows}: The terms have no words to swap in rows. Add [swaps.AXIS], or omit --rows.")


def axes_left_out(identity: Identity, swapped: Iterable[Comparison]) -> tuple[str, ...]:
    """Return the axes for which fewer than MIN_TEMPLATES rows have words to swap."""
    kept = {comparison.axis for comparison in swapped}
    return tuple(axis for axis in identity.swaps if _of_rows(axis) not in kept)


def _of_rows(axis: str) -> str:
    return f"{axis} in rows"


def _filled(template: str, term: str) -> str:
    return template.replace(SLOTS[0], term).replace(SLOTS[1], term[:1].upper() + term[1:])


def _swapped(text: str, others: Mapping[str, str], pattern: re.Pattern[str]) -> str:
    def other(found: re.Match[str]) -> str:
        word = found[0]
        changed = others.get(word.casefold())
        if changed is None:
            return word
        if word.isupper() and len(word) > 1:
            return changed.upper()
        return changed.capitalize() if word[0].isupper() else changed

    return pattern.sub(other, text)


def _identity(data: Mapping[str, Any], where: str) -> Identity:
    unknown = sorted(data.keys() - {"templates", "axes", "swaps"})
    if unknown:
        raise InputError(f"{where}: There is an unknown key. Remove it; known are templates, axes and swaps.")
    templates = _texts(data.get("templates"), where, "templates")
    if len(templates) < MIN_TEMPLATES:
        raise InputError(
            f"{where}: There are {len(templates)} templates, but must be at least {MIN_TEMPLATES}. Add some."
        )
    slotless = next((at for at, text in enumerate(templates) if not any(slot in text for slot in SLOTS)), None)
    if slotless is not None:
        raise InputError(f"{where}: templates[{slotless}]: The slot is missing. Write {{person}} or {{Person}}.")
    axes: dict[str, Mapping[str, tuple[str, ...]]] = {}
    for axis, groups in _table(data.get("axes"), where, "axes").items():
        named = {
            group: _texts(terms, where, f"axes.{axis}.{group}")
            for group, terms in _table(groups, where, f"axes.{axis}").items()
        }
        if len(named) < 2 or len({len(terms) for terms in named.values()}) > 1:
            raise InputError(
                f"{where}: axes.{axis}: There must be two groups or more, with as many terms each. Correct them."
            )
        axes[axis] = named
    if not axes:
        raise InputError(f"{where}: axes: There is no axis. Add one with two groups of terms.")
    swaps = {}
    for axis, parts in _table(data.get("swaps", {}), where, "swaps").items():
        table = _table(parts, where, f"swaps.{axis}")
        if table.keys() - set(known := names_of(Swap)):
            raise InputError(f"{where}: swaps.{axis}: A key is unknown. Remove it; known are {', '.join(known)}.")
        sides = [_words(table.get(side), where, f"swaps.{axis}.{side}") for side in ("first", "second")]
        if len(sides[0]) != len(sides[1]) or set(sides[0]) & set(sides[1]):
            raise InputError(
                f"{where}: swaps.{axis}: There must be as many words in first as in second. Correct them."
            )
        ambiguous = _words(table["ambiguous"], where, f"swaps.{axis}.ambiguous") if table.get("ambiguous") else ()
        swaps[axis] = Swap(sides[0], sides[1], ambiguous)
    return Identity(templates, axes, swaps)


def _table(value: object, where: str, key: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{where}: {key}: This must be a table. Copy the form of the packaged terms.")
    return value


def _texts(value: object, where: str, key: str) -> tuple[str, ...]:
    texts: Sequence[object] = value if isinstance(value, list) else ()
    named = tuple(text for text in texts if isinstance(text, str) and text.strip())
    if not named or len(named) != len(texts):
        raise InputError(f"{where}: {key}: This must be a list of texts that are not empty. Correct it.")
    return named


def _words(value: object, where: str, key: str) -> tuple[str, ...]:
    words = tuple(word.casefold() for word in _texts(value, where, key))
    if not all(map(_WORD.fullmatch, words)):
        raise InputError(f"{where}: {key}: This must be a list of single words. Correct it.")
    return words
