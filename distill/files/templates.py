"""Text from templates: one engine for the report page and the model card, autoescaped in HTML."""

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape


def template_environment(package: str) -> Environment:
    """Return the environment of the templates in the folder `templates` of a package.

    Every value in an `.html` template is escaped unless it is `Markup`; an unknown name raises `UndefinedError`.
    """
    return Environment(
        loader=PackageLoader(package),
        autoescape=select_autoescape(("html",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
