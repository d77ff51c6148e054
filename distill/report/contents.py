"""The table of contents of the report page: headings are numbered by the order in which sections ask for them."""

import re
from dataclasses import dataclass
from typing import final

from markupsafe import Markup


@dataclass(frozen=True)
class Heading:
    """A heading's title and the name that links to it."""

    title: str
    anchor: str


@final
class Contents:
    """The headings of a page, in the order in which they were written."""

    def __init__(self) -> None:
        self.headings: list[Heading] = []

    def heading(self, title: str) -> Markup:
        """Return a heading as HTML, and remember it."""
        heading = Heading(title, re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-"))
        self.headings.append(heading)
        return Markup('<h2 id="{}">{}</h2>').format(heading.anchor, heading.title)
