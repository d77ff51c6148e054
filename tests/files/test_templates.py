"""Values are escaped in HTML alone, and an unknown name is an error."""

from pathlib import Path

import pytest
from jinja2 import Environment, TemplateNotFound, UndefinedError

from distill.files.templates import template_environment


@pytest.fixture
def templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The templates of a package of three, made for the test."""
    package = tmp_path / "leaflet"
    (package / "templates").mkdir(parents=True)
    (package / "__init__.py").touch()
    for name in ("a.html", "a.md"):
        (package / "templates" / name).write_text("{% if text %}\n{{ text }}\n{% endif %}\n")
    (package / "templates/b.md").write_text("{{ absent }}")
    monkeypatch.syspath_prepend(tmp_path)
    return template_environment("leaflet")


@pytest.mark.parametrize(("name", "shown"), [("a.html", "&lt;b&gt;\n"), ("a.md", "<b>\n")])
def test_values_are_escaped_in_html_alone(templates: Environment, name: str, shown: str) -> None:
    assert templates.get_template(name).render(text="<b>") == shown


def test_an_unknown_name_is_an_error(templates: Environment) -> None:
    with pytest.raises(UndefinedError, match="absent"):
        templates.get_template("b.md").render()
    with pytest.raises(TemplateNotFound):
        templates.get_template("c.md")
