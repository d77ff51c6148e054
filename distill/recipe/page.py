"""docs/recipe.md: every key of a recipe with its values, default and meaning, from the models themselves.

`python -m distill.recipe.page` prints it; a test keeps the file equal to it.
"""

import json
from collections.abc import Mapping
from typing import Any, get_args

from pydantic.fields import FieldInfo

from distill.recipe.recipe import Recipe
from distill.recipe.section import Section, section_of

HEAD = """# Recipe keys

A recipe is a TOML file; this page is made from the code that reads it (`python -m distill.recipe.page`).
An unknown key is an error. Any value can be given on the command line: `--set student.layers=[0,3,5]`. The recipe
with every default written out is left in the run as `recipe.toml`; running that file again gives the same bundle.
"""


def recipe_page() -> str:
    """Return the page as Markdown."""
    properties = Recipe.model_json_schema()
    tables = properties["$defs"]
    top = {name: field for name, field in Recipe.model_fields.items() if section_of(field) is None}
    parts = [HEAD, "## The recipe itself\n", _table(top, properties)]
    for name, field in Recipe.model_fields.items():
        if (model := section_of(field)) is not None:
            parts += _part(name, model, tables)
            for inner, table in model.model_fields.items():
                if (nested := _optional_section(table)) is not None:
                    parts += _part(f"{name}.{inner}", nested, tables)
    return "\n".join(parts)


def _part(name: str, model: type[Section], tables: Mapping[str, Any]) -> list[str]:
    about = (model.__doc__ or "").partition(": ")[2]
    heading = f"## [{name}]\n\n{about[:1].upper()}{about[1:]}\n"
    return [heading, _table(model.model_fields, tables[model.__name__])]


def _optional_section(field: FieldInfo) -> type[Section] | None:
    """Return the model of a key that is a table or not set; None for another key."""
    kinds = [kind for kind in get_args(field.annotation) if kind is not type(None)]
    if len(kinds) == 1 and isinstance(kinds[0], type) and issubclass(kinds[0], Section):
        return kinds[0]
    return None


def _table(fields: dict[str, FieldInfo], schema: dict[str, Any]) -> str:
    rows = ["| key | values | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in fields.items():
        values = _values(schema["properties"][name])
        default = "must be given" if field.is_required() else _toml(field.default)
        rows.append(f"| `{name}` | {values} | {default} | {field.description} |")
    return "\n".join(rows) + "\n"


def _toml(value: Any) -> str:
    """Return a default value as TOML writes it."""
    return "not set" if value is None else f"`{json.dumps(value)}`"


def _values(schema: dict[str, Any]) -> str:
    """Describe the values that a key may have, from its JSON schema."""
    if "anyOf" in schema:
        kinds = [_values(member) for member in schema["anyOf"] if member.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "$ref" in schema:
        return "table"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema["type"] == "array":
        items = schema.get("items") or schema["prefixItems"][0]
        return f"list of {_values(items)}"
    if schema["type"] == "object":
        return "table"
    names = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    bounds = {"minimum": ">= ", "exclusiveMinimum": "> ", "maximum": "<= ", "exclusiveMaximum": "< "}
    limits = [sign + str(schema[key]).removesuffix(".0") for key, sign in bounds.items() if key in schema]
    return f"{names[schema['type']]} {', '.join(limits)}".strip()


if __name__ == "__main__":
    print(recipe_page(), end="")
