"""Recipes and corpora of every kind of brokenness: each ends in a result, or in one error of our own.

    python -m tests.campaigns.fuzz_inputs --cases 45000

A case is made from the seed and its number alone, so that one that fails can be made again with `--only NUMBER`.
"""

import argparse
import bz2
import copy
import gzip
import io
import json
import lzma
import random
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from distill.corpora.assembly.read import read_corpus
from distill.corpora.storage.parquet import load_corpus, save_corpus
from distill.export.runtime.errors import DistillError
from distill.recipe.load import load_recipe, packaged_recipes, parse_recipe
from distill.recipe.sources import corpus_spec
from distill.recipe.starter.propose import propose_recipe
from tests.campaigns.file_forms import FORMS

SECONDS_A_CASE = 20
# what an error of ours must never hold
SECRET = "zqxsecretqz"
ODD = [
    *("", " ", "\t", "\n", "\r", "\r\n", "\0", '"', '""', "'", ",", ";", "|", "[", "]", "{", "}", "=", "#", "\\"),
    *(
        "\ufeff",
        "\x85",
        "\u2028",
        "\u200b",
        "\u202eabc",
        "e\u0301\u0301\u0301",
        "👩‍👩‍👧‍👦",
        "\U0010ffff",
        "\ud800",
        "日本語",
    ),
    *(
        "9" * 30,
        "-1",
        "1e999",
        "NaN",
        "null",
        "true",
        "0x10",
        "٣",
        "[1, 2]",
        "['a'",
        "[[[[",
        "a" * 5000,
        "x\n" * 300,
    ),
    *("\x1b[31m", "%s%n", "../../etc/passwd"),
]
VALUES: list[Any] = [
    *ODD,
    None,
    True,
    False,
    0,
    -1,
    2**70,
    1.5,
    float("nan"),
    [],
    {},
    ["a"],
    [["a"]],
    {"a": "b"},
    [None],
]


# ways to write labels: each of one column
LABEL_STYLES: list[tuple[Any, ...]] = [
    ([0, 1, 1], [1, 0, 0], [0, 0, 0]),
    ([0, 1], [1, 0]),
    ("['a' 'b']", "['c']", "[]"),
    ("array(['a'], dtype=object)", "{'a', 'b'}", "('c',)", "['a' ... 'z']"),
    ("0.0", 1.0, "2", 1),
    ({"a": 1, "b": 0}, {"a": 0.5, "b": 0.5}),
    ("0 1 1", "1,0,1", "011"),
    ("nan", None, "a", "n/a", "-1"),
]


def mutated(draw: random.Random, data: bytes) -> bytes:
    """Bytes with some flipped, cut, doubled, or exchanged for odd ones."""
    out = bytearray(data)
    for _ in range(draw.choice((0, 1, 1, 2, 5, 30))):
        at = draw.randrange(len(out) + 1)
        match draw.randrange(6):
            case 0 if out:
                out[at % len(out)] = draw.randrange(256)
            case 1:
                del out[at : at + draw.choice((1, 2, 10, 1000))]
            case 2:
                out[at:at] = draw.choice(ODD).encode("utf-8", "surrogatepass")
            case 3:
                out[at:at] = out[at : at + draw.choice((1, 20, 500))]
            case 4:
                out[at:at] = draw.randbytes(draw.choice((1, 3, 40)))
            case _:
                del out[at:]
    return bytes(out)


def fuzz_recipe(draw: random.Random, folder: Path) -> None:
    """A packaged recipe with its bytes mutated."""
    name = draw.choice(packaged_recipes())
    path = folder / "recipe.toml"
    path.write_bytes(mutated(draw, load_recipe(name).to_toml().encode()))
    load_recipe(str(path))


def fuzz_recipe_values(draw: random.Random, folder: Path) -> None:
    """A packaged recipe with odd values under known and unknown keys."""
    data = load_recipe(draw.choice(packaged_recipes())).model_dump(mode="json")
    for _ in range(draw.randint(1, 4)):
        table = draw.choice([data, *(value for value in data.values() if isinstance(value, dict))])
        table[draw.choice([*table, draw.choice(ODD)])] = copy.deepcopy(draw.choice(VALUES))
    parse_recipe(data, "recipe")


def fuzz_override(draw: random.Random, folder: Path) -> None:
    """A packaged recipe with an odd `--set`."""
    key = draw.choice(["student.layers", "corpus.split", "seed", "corpus.where", draw.choice(ODD)])
    load_recipe("smoke", [draw.choice((f"{key}={draw.choice(ODD)}", draw.choice(ODD)))])


def _rows(draw: random.Random) -> list[dict[str, Any]]:
    """Rows that are mostly fine."""
    rows: list[dict[str, Any]] = []
    style = draw.choice((*[("a", "b", "c")] * 4, *LABEL_STYLES))
    for row in range(draw.randint(0, 40)):
        label = copy.deepcopy(draw.choice(style))
        rows.append({"text": f"{SECRET} line {row}", "labels": label, "who": f"p{row // 3}"})
        for column in list(rows[-1]):
            if draw.random() < 0.02:
                rows[-1][column] = copy.deepcopy(draw.choice(VALUES))
    return rows


def _as_file(draw: random.Random, rows: list[dict[str, Any]], suffix: str) -> bytes:
    if suffix == ".parquet":
        sink = io.BytesIO()
        plain = [
            {key: str(value).encode("utf-8", "replace").decode() for key, value in row.items()} for row in rows
        ]
        pq.write_table(pa.Table.from_pylist(plain), sink)
        return sink.getvalue()
    if suffix in (".json", ".jsonl"):
        lines = [json.dumps(row) for row in rows]
        text = f"[{','.join(lines)}]" if suffix == ".json" else "\n".join(lines)
    elif suffix == ".txt":
        text = "\n".join(str(row["text"]) for row in rows)
    else:
        mark = "\t" if suffix == ".tsv" else draw.choice(",;|")
        lines = [mark.join(str(row[key]) for key in ("text", "labels", "who")) for row in rows]
        text = "\n".join([mark.join(("text", "labels", "who")), *lines])
    return text.encode("utf-8", "surrogatepass")


def _more_keys(draw: random.Random) -> dict[str, Any]:
    """Keys of [corpus] that say how cells, groups and files are to be read, each in some cases."""
    choices: dict[str, list[Any]] = {
        "quoting": [True, False],
        "encoding": ["utf-16", "gb18030", "cp1252", "shift_jis"],
        "missing": [[], ["a"], ["nan", ""]],
        "label_form": ["names", "ids", "vector"],
        "group_scope": ["split", "source"],
        "labels": [["text", "labels"], ["labels", "who"], "labels[]", "who.x"],
        "text": ["text", "text[]", "who[].text", ["text", "who"]],
    }
    return {key: draw.choice(values) for key, values in choices.items() if draw.random() < 0.07}


def _packed(draw: random.Random, path: Path, data: bytes) -> tuple[Path, bytes]:
    """A file as it is, or compressed, before it is mutated."""
    match draw.randrange(13):
        case 0:
            return path.with_name(f"{path.name}.gz"), gzip.compress(data)
        case 1:
            return path.with_name(f"{path.name}.xz"), lzma.compress(data)
        case 3:
            return path.with_name(f"{path.name}.bz2"), bz2.compress(data)
        case 2:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr(path.name, data)
            return path.with_name(f"{path.name}.zip"), packed.getvalue()
    return path, data


def fuzz_corpus(draw: random.Random, folder: Path) -> None:
    """A corpus file of each format, mutated; what can be read must come back from disk as it was."""
    suffix = draw.choice((".csv", ".tsv", ".jsonl", ".json", ".parquet", ".txt"))
    path, content = _packed(draw, folder / f"rows{suffix}", _as_file(draw, _rows(draw), suffix))
    path.write_bytes(mutated(draw, content))
    _read_and_keep(draw, folder, path)


def _write_form(draw: random.Random, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Write rows in a published form, one file of it mutated; return the source, and keys that may read it."""
    form, keys = draw.choice(FORMS)
    files = form(draw, _rows(draw))
    chosen = draw.choice(sorted(files))
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(draw, content) if name == chosen and draw.random() < 0.7 else content)
    return folder / chosen.split("/")[0], dict(draw.choice(keys))


def fuzz_form(draw: random.Random, folder: Path) -> None:
    """A published form of files or labels, mutated, read by keys that may fit it."""
    _read_and_keep(draw, folder, *_write_form(draw, folder))


def fuzz_form_starter(draw: random.Random, folder: Path) -> None:
    """A starter recipe for a published form, mutated."""
    path, _ = _write_form(draw, folder)
    (folder / "starter.toml").write_text(propose_recipe(path), encoding="utf-8")
    load_recipe(str(folder / "starter.toml"))


def _read_and_keep(draw: random.Random, folder: Path, path: Path, keys: dict[str, Any] | None = None) -> None:
    """Read a corpus with some keys, and compare it with what comes back from disk."""
    data: dict[str, Any] = {
        "source": str(path),
        "task": draw.choice(("single_label", "multi_label")),
        "on_bad_row": draw.choice(("error", "quarantine", "quarantine")),
        "duplicates": draw.choice(("majority", "error", "keep")),
        "leaks": draw.choice(("remove", "groups", "keep")),
        "min_rows": draw.choice((1, 1, 2, 5)),
        "scrub": draw.random() < 0.5,
    }
    if draw.random() < (0.5 if keys is None else 0.1):
        data["group"] = draw.choice(("who", "text", "nothing"))
    if draw.random() < 0.3:
        data["label_names"] = ["a", "b", "c"]
    if draw.random() < 0.2:
        data["columns"] = ["text", "labels", "who"]
    data |= _more_keys(draw) | (keys or {})
    spec = corpus_spec(parse_recipe({"name": "fuzz", "corpus": data}, "recipe").corpus)
    corpus, bad = read_corpus(spec, seed=draw.randrange(9))
    bad.write(folder / "run")
    save_corpus(corpus, folder / "run")
    if load_corpus(folder / "run").fingerprint != corpus.fingerprint:
        raise AssertionError("a corpus came back from disk as another one")


def fuzz_starter(draw: random.Random, folder: Path) -> None:
    """A starter recipe for a mutated file."""
    suffix = draw.choice((".csv", ".tsv", ".jsonl", ".json", ".parquet"))
    path, content = _packed(draw, folder / f"rows{suffix}", _as_file(draw, _rows(draw), suffix))
    path.write_bytes(mutated(draw, content))
    text = propose_recipe(path)
    (folder / "starter.toml").write_text(text, encoding="utf-8")
    load_recipe(str(folder / "starter.toml"))


def fuzz_saved_corpus(draw: random.Random, folder: Path) -> None:
    """A saved corpus with one of its files mutated."""
    rows = [{"text": f"line {row}", "labels": "ab"[row % 2]} for row in range(30)]
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    recipe = parse_recipe({"name": "fuzz", "corpus": {"source": str(path), "task": "single_label"}}, "recipe")
    spec = corpus_spec(recipe.corpus)
    save_corpus(read_corpus(spec, seed=1)[0], folder / "saved")
    path = draw.choice(sorted((folder / "saved").iterdir()))
    path.write_bytes(mutated(draw, path.read_bytes()))
    load_corpus(folder / "saved")


TARGETS: tuple[Callable[[random.Random, Path], None], ...] = (
    fuzz_recipe,
    fuzz_recipe_values,
    fuzz_override,
    fuzz_corpus,
    fuzz_corpus,
    fuzz_starter,
    fuzz_form,
    fuzz_form,
    fuzz_form_starter,
    fuzz_form_starter,
    fuzz_saved_corpus,
)


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    """Raise TimeoutError in what takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def run_case(number: int, seed: int) -> tuple[str, str]:
    """The target's name and how the case ended: "result", "refused", or what went wrong."""
    draw = random.Random(f"{seed} {number}")
    target = draw.choice(TARGETS)
    try:
        with tempfile.TemporaryDirectory() as folder, time_limit(SECONDS_A_CASE):
            target(draw, Path(folder))
    except DistillError as error:
        return target.__name__, "an error quotes a text" if SECRET in str(error) else "refused"
    except Exception as error:
        print(f"case {number}: {target.__name__}", file=sys.stderr)
        traceback.print_exc()
        return target.__name__, f"uncaught {type(error).__name__}"
    return target.__name__, "result"


def main() -> None:
    """Run the cases, print how they ended, and fail where one ended badly."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=45_000)
    parser.add_argument("--seed", type=int, default=13)
    parser.add_argument("--only", type=int, help="the number of a single case")
    options = parser.parse_args()
    numbers = range(options.cases) if options.only is None else [options.only]
    ended: Counter[tuple[str, str]] = Counter()
    start = time.monotonic()
    for done, number in enumerate(numbers, 1):
        ended[run_case(number, options.seed)] += 1
        if done % 5000 == 0:
            print(f"{done:,} cases, {time.monotonic() - start:.0f} s", flush=True)
    for (name, how), count in sorted(ended.items()):
        print(f"{name:<20} {how:<24} {count:>7,}")
    bad = sum(count for (_, how), count in ended.items() if how not in ("result", "refused"))
    print(f"{len(numbers):,} cases, {bad} of them ended neither in a result nor in an error of our own")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
