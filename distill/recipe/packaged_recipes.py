"""The recipes that the package carries, as text: nothing that reads them needs more than the base install."""

import re
from importlib import resources


def packaged_recipes() -> list[str]:
    """Return the names of the packaged recipes."""
    folder = resources.files("distill.recipe") / "packaged"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def packaged_text(name: str) -> str:
    """Return the TOML of a packaged recipe."""
    return (resources.files("distill.recipe") / "packaged" / f"{name}.toml").read_text("utf-8")


def describe_packaged() -> dict[str, str]:
    """Return each packaged recipe's name with the sentences of its first comment."""
    return {name: _described(packaged_text(name)) for name in packaged_recipes()}


def _described(text: str) -> str:
    comment = re.match(r"(?:#.*\n)*", text)
    lines = [] if comment is None else [line.removeprefix("#").rstrip() for line in comment[0].splitlines()]
    prose = [line.strip() for line in lines if not line.startswith("  ")]  # further in are commands
    return re.sub(r"\s*(?:From local files|No hub id: give the file)[.:]$", "", " ".join(prose))
