"""Names on one line of a terminal: what would begin another or move the cursor is escaped."""

import re
import sys

# control characters, other ends of lines, and the marks that reorder what follows them
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    r"""Return a text in one line, with Python's escapes (`\n`, `\x1b`, `\u202e`) for what could forge another."""
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def escape_unencodable() -> None:
    """Let stdout and stderr escape what their encoding lacks, where it would end a command with an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # neither closed from the start nor replaced by something simpler
            stream.reconfigure(errors="backslashreplace")
