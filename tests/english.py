"""A word list for `make lint`: turns of phrase that a native speaker would not write, with better ones.

It reads the docstrings, comments and string literals of the product, the comments of packaged recipes, every page
of prose except the log of experiments, and the visible text of the templates. The list is for habits, not for
taste: an entry names a reason, and phrases that could also be good English are left alone. A line that must stay
ends with the comment `english: ok`.

Messages of the project's exceptions are held to their form too: an optional place ("rows.csv, row 3: "), then
sentences with a capital letter and a full stop. A key such as `max_tokens` or corpus.split may begin one as it is.
"""

import ast
import io
import itertools
import re
import sys
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("distill", "corpora", "export", "students", "teachers")
PAGES = (
    "*.md",
    "docs/*.md",
    "docs/results/*.md",
    "examples/*.md",
    "examples/*.toml",
    "corpora/sample/DATA_CARD.md",
    "distill/recipe/packaged/*",
    "distill/report/templates/**/*.html",
    "distill/variants/templates/*.md",
)
LOGS = ("docs/results/LOG.md",)  # a record of experiments, kept as it was written
KEPT = "english: ok"
COUNTED = (
    "annotators|answers|arms|bias|biases|bits|bytes|characters|columns|decisions|epochs|files|layers|lines|loss|losses|"
    "megabytes|microseconds|milliseconds|multiply-adds|numbers?|once|pieces|rows|scales?|scores|seconds|students|"
    "temperature|texts|threads|threshold|thresholds|times|tokens|twice|vectors|votes|weights?|words"
)
UNITS = (
    "batch|bundle|byte|call|candidate|cell|channel|class|clock|column|comment|conversation|core|cut|epoch|family|file|"
    "floor|fold|folder|form|group|head|hour|key|kind|label|language|layer|level|line|matmul|member|minute|model|number|"
    "package|pair|person|piece|process|question|recipe|round|row|run|script|second|seed|side|split|stage|step|student|"
    "teacher|term|text|token|trial|turn|variant|word|year"
)

EXCEPTIONS = (
    "InputError",
    "BundleError",
    "CheckFailedError",
    "DistillError",
    "ResourceError",
    "MissingExtraError",
    "Refusal",
)
HOLE = "{}"  # a value in a message, whose words are unknown here

# "rows.csv, row 3: ", "gate: ", "--set KEY=VALUE: ", "`checkpoint` NAME: "
PLACE = re.compile(r"(?:(?:--)?[\w`.{}=-]+ )?[^\s:]+(?::\{\})?(?:, row \S+)?: ")

# a full stop or a question mark; or a last sentence that is a value, which has its own
WHOLE = re.compile(r"(?:[.?]|(?:^|: |\. ?)\{\})$")
SENTENCE_END = re.compile(r"(?<=[a-z)}\]`'\d]\.) ")
KEY = re.compile(r"[a-z]\w*[._\[=]\w|[a-z]\w*\.\{\}")

SMALL = "of|with|in|on|at|for|as|to|if|or|and|than|by"  # words that no counted thing is


@dataclass(frozen=True)
class Habit:
    """A phrase, the reason against it, and the remedy; `opens`: at the start of a docstring alone."""

    pattern: str
    remedy: str
    opens: bool = False

    @property
    def regex(self) -> re.Pattern[str]:
        return re.compile(self.pattern, 0 if self.opens else re.IGNORECASE)


HABITS = (
    Habit("What|Where|Whether|How|Which|Who|When", "open with an imperative or a noun with a head", opens=True),
    Habit("Gives?|Says?|Tells?", "write Return, Print or Raise", opens=True),
    Habit("So many", "name the number", opens=True),
    Habit(r"\bso many\b(?!\s+that\b)", 'name the number: "N", "this many"'),
    Habit(
        r"\b(?:go|goes|gone|going|went) on(?= (?:from|to the|after|where|with)|[.,;:]|$)",
        "write resume or continue",
    ),
    Habit(r"\bstands? (?:in|beside|behind|under|there|between|apart|at)\b", 'write "is": "is in", "beside"'),
    Habit(rf"\b(?:{COUNTED}|any number|argmax) an? (?:{UNITS})\b", 'write "per", not a distributive "a"'),
    Habit(
        rf"\b(?:one|an?) (?!\w+s |{SMALL} )[\w-]+ an? (?:{UNITS})\b",
        'write "per", not a distributive "a"',
    ),
    Habit(r"\b(?:is|are|was|were) had\b", "use an active verb"),
    Habit(r"\b(?:has|have|had) (?:not|no more) (?:an?|any|the)\b|\bhas not[.,;:]", 'write "does not have"'),
    Habit(r"\bgives? (?:back|None)\b", 'a function "returns"'),
    Habit(r"\bwhoever\b", "name who: the caller, the reader, the user"),
    Habit(r"\bup to and with\b", 'write "through"'),
    Habit(r"\b(?:theirs|ours)\b", "name whose: the teacher's, the project's"),
    Habit(r"\b(?:there|here|where)(?:by|in|of|upon|from)\b(?<!wherein) ", 'use plain words: "in it", "by which"'),
    Habit(r"\b(?:judges?|judging|judged)\b", "the field says evaluate"),
    Habit(r"\bfor want of\b|\bwants a\b", 'write "for lack of", "needs"'),
    Habit(r"\bnothing of (?:it|them|the)\b", 'write "none of"'),
    Habit(r"\bcannot be told\b", 'write "is unknown"'),
    Habit(r"\b(?:amongst|whilst|anew|betwixt|aught)\b", "write among, while, again"),
    Habit(r", for (?:it|they|there|he|that|nobody) (?!\w+ing)", 'write "because"'),
    Habit(r"\bof (?:which|whom) the\b", 'write "whose"'),
    Habit(r"\band (?:its|the|their) like\b", 'write "and similar"'),
    Habit(
        r"(?<!there )\b(?:is|are) no (?!longer|more|less|better|worse|way|such|need|other)[a-z]+\b",
        'write "is not a"',
    ),
    Habit(r"\bno (?:more|longer) \w+ than\b(?!.*\bthan\b)", 'write "at most"'),
    Habit(r"\bleave[sd]? out of account\b|\btake[sn]? no account\b", 'write "ignore"'),
    Habit(r"\bcome to (?:be|give)\b", "use the verb alone"),
    Habit(r"\bto the bit\b", 'write "bit for bit"'),
    Habit(r"\bin the (?:mean|median)\b", 'write "on average", "the median is"'),
    Habit(r"\bmade out of\b", 'write "made from"'),
    Habit(r"\bwants\b", 'write "needs" or "requires"'),
    Habit(r"\bshall\b", 'write "should" or "must"'),
    Habit(r"\bthrice\b", 'write "three times"'),
    Habit(r"\buntil here\b", 'write "up to this point"'),
    Habit(r"\b(?:of|among) equals\b", 'write "on a tie"'),
    Habit(
        r"\ban? (?!few|little|bit|lot|great|good|third|quarter|tenth)[\w-]+ more\b(?! (?:\w+ )?than)",
        'write "one more"',
    ),
    Habit(r"\b(?:is|are|was|were) (?:them|they|us|we)\b", "name what it is"),
    Habit(r"\bsuch that (?:it|they) (?:is|are)\b", 'write "so that"'),
    Habit(r"\b(?:says?|said|shows?|means?|knows?|tells?|sees?|checks?|sure), that\b", "no comma before that"),
    Habit(r"\bwithout such[.,;:]|\bthere (?:is|are) such[.,;:]", "name what is missing"),
)


@dataclass(frozen=True)
class Prose:
    """A piece of prose: its file, the line it starts on, and whether it is a docstring."""

    path: Path
    line: int
    text: str
    docstring: bool = False


def prose_of(path: Path) -> Iterator[Prose]:
    """Docstrings, comments and string literals of a Python file; comments of a recipe; the lines of a page."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from _prose_of_code(path, text)
    elif path.suffix == ".toml":
        for number, line in enumerate(text.splitlines(), start=1):
            if "#" in line:
                yield Prose(path, number, line.partition("#")[2])
    else:
        yield from _lines_of_page(path, text)


def _prose_of_code(path: Path, text: str) -> Iterator[Prose]:
    """Docstrings, comments and string literals."""
    docstrings = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(first.lineno)
    kept = {number for number, line in enumerate(text.splitlines(), start=1) if KEPT in line}
    middle = getattr(tokenize, "FSTRING_MIDDLE", -1)
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT, middle) and token.end[0] not in kept:
            yield Prose(path, token.start[0], token.string, token.start[0] in docstrings)


def _lines_of_page(path: Path, text: str) -> Iterator[Prose]:
    """The lines of a page without code: fenced and indented blocks, `code`, tags, and what a template inserts."""
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        fenced ^= line.startswith("```")
        if not fenced and not line.startswith("    "):
            yield Prose(path, number, re.sub(r"`[^`]*`|<[^>]*>|\{\{.*?\}\}|\{%.*?%\}", "``", line))


def complaints(piece: Prose) -> Iterator[str]:
    """A line for each habit in a piece of prose: file, line, the words, the remedy."""
    words = piece.text.lstrip("rbfuRBFU").strip("\"'") if piece.docstring else piece.text
    for habit in HABITS:
        if habit.opens:
            match = re.match(rf"(?:{habit.pattern})\b", words) if piece.docstring else None
        else:
            match = habit.regex.search(words)
        if match:
            place = piece.line + words[: match.start()].count("\n")
            yield f"{piece.path.relative_to(ROOT)}:{place}: {match[0].strip()!r}: {habit.remedy}"


def message_complaints(path: Path) -> Iterator[str]:
    """A line for each message of an exception that is not of sentences: file, line, what is wrong."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func).rpartition(".")[2] in EXCEPTIONS:
            for message in _messages(node.args[-1], constants):
                fault = fault_of(message)
                if fault:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}: {message[:60]!r}: {fault}"


def fault_of(message: str) -> str | None:
    """Return what keeps a message, in which HOLE takes the place of each value, from being of sentences."""
    if not WHOLE.search(message):
        return "end it with a full stop"
    while place := PLACE.match(message):
        message = message[place.end() :]
    for sentence in SENTENCE_END.split(message):
        if sentence[:1].islower() and not KEY.match(sentence):
            return "begin each sentence with a capital letter, after the place that it is about"
    return None


def _messages(node: ast.expr, constants: Mapping[str, str]) -> list[str]:
    """Return the texts that an expression may give, with HOLE for each value that is unknown."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.Name(id=name) if name in constants:
            return [constants[name]]
        case ast.JoinedStr(values=parts):
            return ["".join(texts) for texts in itertools.product(*(_messages(part, constants) for part in parts))]
        case ast.FormattedValue(value=ast.Name() as value, conversion=-1):
            return _messages(value, constants)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return [a + b for a in _messages(left, constants) for b in _messages(right, constants)]
        case ast.IfExp(body=body, orelse=other):
            return _messages(body, constants) + _messages(other, constants)
    return [HOLE]


def checked_files() -> Iterator[Path]:
    """The files that are held to the list."""
    for folder in FOLDERS:
        yield from sorted((ROOT / folder).rglob("*.py"))
    for page in PAGES:
        yield from (path for path in sorted(ROOT.glob(page)) if str(path.relative_to(ROOT)) not in LOGS)


def main() -> int:
    """Print what is found."""
    found = [line for path in checked_files() for piece in prose_of(path) for line in complaints(piece)]
    code = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    found += [line for path in code for line in message_complaints(path)]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
