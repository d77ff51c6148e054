"""Word forms that flag a text: the packaged crisis lists, or a file of the user's own."""

from importlib import resources
from pathlib import Path

from distill.export.runtime.deciding.hand_over import MAX_WORD, MAX_WORDS
from distill.export.runtime.deciding.listed_words import words_in
from distill.export.runtime.errors import InputError

CRISIS = "crisis"

OWN = "own"

LANGUAGES = ("en", "zh", "es", "fr", "de", "ar")


def crisis_words(language: str) -> tuple[str, ...]:
    """Return the packaged crisis forms of one of LANGUAGES."""
    path = resources.files("distill.variants") / "crisis_words" / f"{language}.txt"
    return _forms(path.read_text(encoding="utf-8"))


def forms_of(name: str) -> tuple[str, tuple[str, ...]]:
    """Return the name of a list in a manifest, and its forms, each once whatever its case and accents are.

    Args:
        name: `crisis`, or the path of a text file with a form per line; lines that start with # and a blank are
            comments. One that could be either, such as #word, is refused, and so is a comment behind a form.

    Raises:
        InputError: the file cannot be used.
    """
    if name == CRISIS:
        words = tuple(form for language in LANGUAGES for form in crisis_words(language))
        return CRISIS, _distinct(words)
    try:
        text = Path(name).expanduser().read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"decisions.hand_over_words: {name} cannot be read as UTF-8 text ({type(error).__name__}). Name "
            f"{CRISIS!r}, or a file with a word or a phrase per line."
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    hashed = next((at for at, line in enumerate(lines, 1) if not _is_comment(line) and _has_hash(line)), None)
    if hashed is not None:
        raise InputError(
            f"decisions.hand_over_words: {name}, line {hashed}: The # would be read as a part of a form, or hide "
            "it. Write a comment on a line of its own, after # and a blank, and a form without #."
        )
    words = _forms(text)
    wrong = next((at for at, line in enumerate(lines, 1) if not _is_comment(line) and not _is_form(line)), None)
    if not 0 < len(words) <= MAX_WORDS or wrong is not None:
        said = f"Line {wrong} cannot be looked for" if wrong is not None else f"It has {len(words)} forms"
        raise InputError(
            f"decisions.hand_over_words: {name}: {said}. Give 1 to {MAX_WORDS} forms with a letter or a digit, "
            f"each of at most {MAX_WORD} characters."
        )
    return OWN, _distinct(words)


def _forms(text: str) -> tuple[str, ...]:
    return tuple(line for line in map(str.strip, text.splitlines()) if not _is_comment(line))


def _is_comment(line: str) -> bool:
    return not line.strip("#") or (line.startswith("#") and line.lstrip("#")[0].isspace())


def _has_hash(line: str) -> bool:
    return line.startswith("#") or " #" in line


def _is_form(line: str) -> bool:
    return line.isprintable() and len(line) <= MAX_WORD and bool(words_in(line))


def _distinct(forms: tuple[str, ...]) -> tuple[str, ...]:
    """Return the first form of those that are looked for alike."""
    return tuple({tuple(words_in(form)): form for form in reversed(forms)}.values())[::-1]
