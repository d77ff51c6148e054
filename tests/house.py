"""How the house stands: sizes, import floors, branches and repeated work, as one table (`make house`).

What is counted, in the product's files (distill, corpora, export, students, teachers) without comments and
docstrings:

- files in the largest folder: Python files beside each other, `__init__.py` not counted;
- import floors: modules in the longest chain of imports inside of distill/, imports inside of functions included;
  a circle is one module;
- floors of packages: the same of packages, where distill/ has any;
- circles: groups of modules that import each other, directly or not, inside of functions included;
- functions with Job or Run: functions and methods with a parameter whose annotation names one of them; then also
  those with a class that has one of the two as a field (StudentRun, LearningMaterial);
- dict[str, Any]: in distill/, each time that it is written;
- branches on a task kind, on a student family: lines that match TASK or FAMILY, below, outside of the files that
  define kinds (`--places` prints them; tests/test_kinds.py holds the former);
- files over 300 lines;
- CPU seconds: user and system, of all processes, of `distill run smoke` in a new folder and of a second run in it;
- openings: how often that run opens corpus/train.parquet (each time every text is copied and hashed);
- tokenized: texts handed to a tokenizer in that run, and how many different ones those were.

Another checkout: `python -m tests.house --tree FOLDER`; with `--measure` it runs smoke with FOLDER/.venv.
"""

import argparse
import ast
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path

from distill.export.runtime.deciding.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("distill", "corpora", "export", "students", "teachers")
PAGE = "docs/browser"
LONG = 300

# a line that asks which kind of task there is: it has a kind's name as a string of its own, but for the recipe's
# list of kinds, or asks for what only one kind has, or counts the axes of targets
TASK = re.compile(
    rf"TaskKind\.[A-Z]|\.multi_label\b|^(?!.*\bLiteral\[).*[\"'](?:{'|'.join(TASKS)})[\"']"
    r"|\bif [\w.]*thresholds is (?:not )?None:|activation ===? [\"'](?:softmax|sigmoid)|manifest\.thresholds \?"
    r"|targets\.ndim\s*[=!]=\s*\d"
)
FAMILY = re.compile(
    r"\.kind (?:==|!=|in|not in) [\"'(A-Z]*(?:layers|compact|static|WITH_LAYERS)"
    r"|isinstance\([\w.]+, (?:Static|Encoder|Headed)Classifier\)|[=!]= STATIC_MODEL_TYPE"
)
# the classes of a kind and the literal dicts are where it is defined, and no branch
DEFINERS = (
    "export/runtime/deciding/tasks.py",
    "export/runtime/deciding/kinds/single_label.py",
    "export/runtime/deciding/kinds/multi_label.py",
    "export/runtime/deciding/kinds/ordinal.py",
    "corpora/targets.py",
    "distill/evaluation/evaluators.py",
    "distill/evaluation/kinds/single_label.py",
    "distill/evaluation/kinds/multi_label.py",
    "distill/evaluation/kinds/ordinal.py",
    "distill/objectives/task_loss.py",
    "distill/recipe/kinds.py",
    "docs/browser/decisions.js",
)
CONTEXTS = frozenset({"Job", "Run"})

# in the process that runs smoke: what opens a corpus and what tokenizes are wrapped from outside
COUNTED = """
import json, sys
opened, tokenized, different = [], [], set()
import pyarrow.parquet as pq
class Watched(pq.ParquetFile):
    def __init__(self, source, *rest, **more):
        if str(source).endswith("corpus/train.parquet"):
            opened.append(str(source))
        super().__init__(source, *rest, **more)
pq.ParquetFile = Watched
from transformers import PreTrainedTokenizerBase
call = PreTrainedTokenizerBase.__call__
def watched(self, text=None, *rest, **more):
    texts = [text] if isinstance(text, str) else list(text or ())
    tokenized.append(len(texts))
    different.update(texts)
    return call(self, text, *rest, **more)
PreTrainedTokenizerBase.__call__ = watched
try:  # texts are also counted by the fast tokenizer itself, which cannot be watched
    from distill.teachers import tokenizers as ours
    plain = ours.without_truncation
except (ImportError, AttributeError):
    pass
else:
    class Counted:
        def __init__(self, inner):
            self.inner = inner
        def encode_batch(self, texts, *rest, **more):
            tokenized.append(len(texts))
            different.update(texts)
            return self.inner.encode_batch(texts, *rest, **more)
        def __getattr__(self, name):
            return getattr(self.inner, name)
    ours.without_truncation = lambda tokenizer: Counted(plain(tokenizer))
try:
    from distill.cli.app import main
except ImportError:
    from distill.cli import main
sys.argv = ["distill", "run", "smoke", "--runs", sys.argv[1]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([len(opened), sum(tokenized), len(different)]))
"""


def modules_of(tree: Path) -> dict[str, Path]:
    """Every module of the product by the path of its file: `distill.cli.app`, `export.gate`."""
    found = {}
    for folder in FOLDERS:
        for path in (tree / folder).rglob("*.py"):
            name = ".".join(path.relative_to(tree).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path
    return found


def by_path(name: str) -> str:
    """An imported name as the path of its file has it: `distill.export.gate` lies in export/."""
    parts = name.split(".")
    return ".".join(parts[1:]) if len(parts) > 1 and parts[0] == "distill" and parts[1] in FOLDERS else name


def arrows_of(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """The product's modules that each module imports, anywhere in its file."""
    arrows = {}
    for module, path in modules.items():
        names: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {by_path(alias.name) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                origin = by_path(node.module)
                inside = {by_path(f"{node.module}.{alias.name}") for alias in node.names}
                names |= {name if name in modules else origin for name in inside}
        arrows[module] = {name for name in names if name in modules and name != module}
    return arrows


def circles_of(arrows: Mapping[str, set[str]]) -> list[frozenset[str]]:
    """Groups of names that reach each other."""
    reached = {name: reachable(name, arrows) for name in arrows}
    groups = {frozenset({a, *(b for b in reached[a] if a in reached[b])}) for a in arrows}
    return [group for group in groups if len(group) > 1]


def reachable(start: str, arrows: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in arrows[waiting.pop()] - seen:
            seen.add(name)
            waiting.append(name)
    return seen


def longest_chain(arrows: Mapping[str, set[str]]) -> int:
    """Members of the longest chain; those of a circle count as one."""
    group_of = {name: name for name in arrows}
    for group in circles_of(arrows):
        group_of |= dict.fromkeys(group, min(group))
    merged: dict[str, set[str]] = {}
    for name, targets in arrows.items():
        merged.setdefault(group_of[name], set()).update({group_of[each] for each in targets} - {group_of[name]})
    lengths: dict[str, int] = {}

    def length(name: str) -> int:
        if name not in lengths:
            lengths[name] = 1 + max((length(each) for each in merged[name]), default=0)
        return lengths[name]

    return max(length(name) for name in merged)


def inside(arrows: Mapping[str, set[str]], folder: str) -> dict[str, set[str]]:
    kept = {name for name in arrows if name.split(".")[0] == folder and "." in name}
    return {name: arrows[name] & kept for name in kept}


def between_packages(arrows: Mapping[str, set[str]], folders: Iterable[str]) -> dict[str, set[str]]:
    """Arrows between the folders inside of distill/."""
    packages = set(folders)
    found: dict[str, set[str]] = {name: set() for name in packages}
    for module, targets in arrows.items():
        source = ".".join(module.split(".")[:2])
        if source in packages:
            found[source] |= {".".join(each.split(".")[:2]) for each in targets} & packages - {source}
    return found


def code_lines(path: Path) -> Iterator[str]:
    """The lines of a Python file without comments and docstrings; of another file all lines."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        yield from text.splitlines()
        return
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            prose |= set(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    comments = {
        token.start
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    columns = dict(comments)
    for number, line in enumerate(text.splitlines(), start=1):
        if number not in prose:
            yield line[: columns.get(number)]


def takes(node: ast.AST, contexts: Set[str]) -> bool:
    """Tell whether a node is a function with a parameter of one of these classes."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return any(each.annotation and names_one(each.annotation, contexts) for each in arguments)


def holds(node: ast.AST, contexts: Set[str]) -> bool:
    """Tell whether a node is a class with a field of one of these classes."""
    return isinstance(node, ast.ClassDef) and any(
        isinstance(each, ast.AnnAssign) and names_one(each.annotation, contexts) for each in node.body
    )


def names_one(annotation: ast.expr, names: Set[str]) -> bool:
    return not names.isdisjoint(re.findall(r"\w+", ast.unparse(annotation)))


def static_numbers(tree: Path) -> dict[str, str]:
    """What the files say."""
    modules = modules_of(tree)
    arrows = arrows_of(modules)
    files = list(modules.values())
    folders: dict[Path, int] = {}
    for path in files:
        if path.name != "__init__.py":
            folders[path.parent] = folders.get(path.parent, 0) + 1
    largest = max(folders, key=lambda folder: folders[folder])
    packages = {f"distill.{path.parent.name}" for path in (tree / "distill").glob("*/__init__.py")}
    ours = [line for path in files if path.is_relative_to(tree / "distill") for line in code_lines(path)]
    nodes = [node for path in files for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    holders = {node.name for node in nodes if isinstance(node, ast.ClassDef) and holds(node, CONTEXTS)}
    tall = [path for path in files if len(path.read_text("utf-8").splitlines()) > LONG]
    return {
        "files in the largest folder": f"{folders[largest]} ({largest.relative_to(tree).as_posix()}/)",
        "import floors in distill/": str(longest_chain(inside(arrows, "distill"))),
        "floors of packages in distill/": (
            str(longest_chain(between_packages(arrows, packages))) if packages else "no packages"
        ),
        "circles": str(len(circles_of(arrows))),
        "functions with `Job` or `Run` as a parameter": str(sum(takes(node, CONTEXTS) for node in nodes)),
        "the same, or with a class that holds one": str(sum(takes(node, CONTEXTS | holders) for node in nodes)),
        "`dict[str, Any]` in distill/": str(sum(line.count("dict[str, Any]") for line in ours)),
        "branches on a task kind": str(len(list(places(tree, TASK)))),
        "branches on a student family": str(len(list(places(tree, FAMILY)))),
        f"files over {LONG} lines": str(len(tall)),
    }


def places(tree: Path, pattern: re.Pattern[str]) -> Iterator[str]:
    """File and code of each line that matches."""
    for path in sorted([*modules_of(tree).values(), *(tree / PAGE).rglob("*.js")]):
        name = path.relative_to(tree).as_posix()
        if name not in DEFINERS:
            yield from (f"{name}: {line.strip()}" for line in code_lines(path) if pattern.search(line))


def measured_numbers(tree: Path) -> dict[str, str]:
    """What the smoke recipe costs, first and again, and what it does more than once."""
    own = tree / ".venv/bin/python"
    python = str(own) if own.exists() else sys.executable
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(tree)}
    run = "import sys; from distill.{} import main; main()".format(
        "cli.app" if (tree / "distill/cli/app.py").exists() else "cli"
    )

    def work(*command: str) -> str:
        done = subprocess.run(
            [python, "-c", *command], capture_output=True, text=True, cwd=tree, env=environment, check=False
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        return done.stdout

    with tempfile.TemporaryDirectory() as place:
        seconds = []
        for _ in range(2):
            before = cpu_of_children()
            work(run, "run", "smoke", "--runs", place)
            seconds.append(cpu_of_children() - before)
    with tempfile.TemporaryDirectory() as place:
        opened, texts, different = json.loads(work(COUNTED, place).splitlines()[-1])
    return {
        "CPU seconds of `smoke`": f"{seconds[0]:.1f}",
        "CPU seconds of a second run": f"{seconds[1]:.1f}",
        "openings of the corpus in a run": str(opened),
        "texts tokenized in a run (different ones)": f"{texts} ({different})",
    }


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fill(page: str, numbers: Mapping[str, str]) -> str:
    """The page with the last column of the table's rows filled; a row that is not measured stays."""
    lines = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        named = line.startswith("|") and len(cells) == 3 and cells[0] in numbers
        lines.append(f"| {cells[0]} | {cells[1]} | {numbers[cells[0]]} |" if named else line)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tree", type=Path, default=ROOT, help="a checkout; this one by default")
    parser.add_argument("--measure", action="store_true", help="also run smoke three times")
    parser.add_argument("--places", choices=("task", "family"), help="print the lines that are counted instead")
    parser.add_argument("--write", type=Path, help="fill the last column of the table in this page")
    asked = parser.parse_args()
    tree = asked.tree.resolve()
    if asked.places:
        print(*places(tree, TASK if asked.places == "task" else FAMILY), sep="\n")
        return
    numbers = {**static_numbers(tree), **(measured_numbers(tree) if asked.measure else {})}
    print(*(f"{name}: {value}" for name, value in numbers.items()), sep="\n")
    if asked.write:
        asked.write.write_text(fill(asked.write.read_text("utf-8"), numbers), "utf-8")


if __name__ == "__main__":
    main()
