"""Canaries: rare strings planted all over a corpus are in nothing that a verb prints or leaves, corpus/ aside."""

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from distill.artifacts.report import read_report
from distill.runs.forget import find_copies, remove_copies
from distill.teachers.checkpoints import save_classifier
from tests.support.canaries import canaries_of, first_hit, hits, id_needles, needles_of
from tests.support.command import ROOT
from tests.support.tiny_models import LABELS, bert_tokenizer, roberta_tokenizer, tiny_classifier

pytestmark = pytest.mark.slow

PLACES = ("train", "validation", "test", "transfer", "one_group", "group", "notes", "label", "broken", "own_rows")
CANARIES = {place: canaries_of(place) for place in PLACES}
ALL = [canary for shapes in CANARIES.values() for canary in shapes.values()]
NEEDLES = needles_of(ALL)
# whole words of the base model's vocabulary, by the number of groups that write them: a piece is kept from five on
KNOWN = {"quvixzok": 1, "wejzaqut": 4, "zarquvex": 8}
COLUMNS = ("text", "labels", "client", "notes", "site")
TOKENIZERS: dict[str, Callable[..., PreTrainedTokenizerFast]] = {
    "bert": bert_tokenizer,
    "roberta": roberta_tokenizer,
}

RECIPE = """
name = "canary"
seed = 5
[corpus]
source = "{source}"
task = "multi_label"
label_names = ["joy", "sadness", "fear"]
group = "client"
subgroup = "site"
on_bad_row = "quarantine"
max_tokens = 24
[teacher]
model = "{model}"
epochs = 1
[augmentation]
rows = 60
[student]
layers = [0, 2]
epochs = 1
min_piece_groups = 5
[export]
precision = ["int8-weights"]
max_label_flip_rate = 1.0
max_row_flip_rate = 1.0
max_macro_f1_drop = 1.0
max_recall_drop = 1.0
allow_worse_than_baseline = true
[bench]
texts = 10
rounds = 1
"""


def rows_of(split: str, count: int) -> list[dict[str, str]]:
    """Harmless rows, every third of them with a canary in the text and all with one in the column nobody reads."""
    shapes = list(CANARIES[split].values())
    notes = list(CANARIES["notes"].values())
    found = []
    for row in range(count):
        label = LABELS[row % 3]
        known = " ".join(word for word, groups in KNOWN.items() if split == "train" and row < groups)
        hidden = shapes[row // 3 % len(shapes)] if row % 3 == 0 else "the sun"
        text = f"i feel {label} number {row} about {hidden} in {split} {known}"
        cells = {
            "client": f"{split}{row}",
            "notes": notes[row % len(notes)],
            "site": ("north", "south", "")[row % 3],
        }
        found.append({"text": text, "labels": label, **cells})
    return found


def write(path: Path, rows: list[dict[str, str]], more: str = "") -> None:
    with path.open("w", encoding="utf-8", newline="") as out:
        table = csv.DictWriter(out, COLUMNS)
        table.writeheader()
        table.writerows(rows)
        out.write(more)


def write_corpus(folder: Path) -> None:
    folder.mkdir()
    train = rows_of("train", 60)
    # one client who writes the same rare words again and again
    client = " ".join(CANARIES["group"].values())
    said = " ".join(CANARIES["one_group"].values())
    train += [
        {"text": f"{said} quvixzok {row}", "labels": LABELS[row % 3], "client": client, "notes": ""}
        for row in range(9)
    ]
    labels, broken = CANARIES["label"].values(), CANARIES["broken"].values()
    train += [
        {"text": f"unknown label {row}", "labels": label, "client": f"l{row}", "notes": ""}
        for row, label in enumerate(labels)
    ]
    write(folder / "train.csv", train, more="".join(f'{text},too,"many, fields",to,be,in\n' for text in broken))
    write(folder / "validation.csv", rows_of("validation", 30))
    write(folder / "test.csv", rows_of("test", 30))
    (folder / "transfer.txt").write_text("".join(f"{row['text']}\n" for row in rows_of("transfer", 30)), "utf-8")


@dataclass(frozen=True)
class Traces:
    """What a run and the verbs after it left: the run's folder, the watched places, and all that was printed."""

    place: Path
    tokenizer: PreTrainedTokenizerFast
    printed: dict[str, subprocess.CompletedProcess[str]]

    @property
    def run(self) -> Path:
        return self.place / "runs/canary"


# several commands in one process, each as if it stood alone: torch is imported once. Before one of them a bundle
# that an earlier one made may be copied and spoiled.
SEVERAL = """
import contextlib, io, json, shutil, sys
from distill.cli.app import main
for line in sys.stdin.read().splitlines():
    command = json.loads(line)
    for bundle, copy in command["spoil"]:
        shutil.copytree(bundle, copy)
        with open(copy + "/tokenizer.json", "a") as stream:
            stream.write(" ")
    sys.argv = ["distill", *command["arguments"]]
    sys.stdin = io.TextIOWrapper(io.BytesIO(command["stdin"].encode("latin-1")))
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code or 0
    print(json.dumps({"status": status, "out": out.getvalue(), "err": err.getvalue()}))
"""


class Shell:
    """Runs verbs with --debug where home, temporary files and caches are folders that are looked into later."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.printed: dict[str, subprocess.CompletedProcess[str]] = {}
        self.waiting: list[tuple[tuple[str, ...], int, bytes, list[tuple[str, str]]]] = []
        self.spoiled: list[tuple[str, str]] = []
        places = ("HOME", "TMPDIR", "HF_HOME", "XDG_CACHE_HOME")
        watched = {name: place / "watched" / name.lower() for name in places}
        for folder in watched.values():
            folder.mkdir(parents=True)
        hidden = ("HF_", "XDG_", "MPL", "TORCH", "ORT_", "CI")
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith(hidden)}
        self.environment |= {key: str(value) for key, value in watched.items()}
        self.environment |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}

    def __call__(self, *arguments: str, status: int = 0, stdin: bytes = b"") -> None:
        self.waiting.append(((*arguments, "--debug"), status, stdin, self.spoiled))
        self.spoiled = []

    def spoil(self, bundle: str, copy: Path) -> None:
        """Let there be a spoiled copy of a bundle for the next verb."""
        self.spoiled.append((bundle, str(copy)))

    def work(self) -> None:
        """Run what waits."""
        lines = [
            json.dumps({"arguments": arguments, "stdin": stdin.decode("latin-1"), "spoil": spoiled})
            for arguments, _, stdin, spoiled in self.waiting
        ]
        done = subprocess.run(
            [sys.executable, "-c", SEVERAL],
            capture_output=True,
            text=True,
            input="\n".join(lines),
            cwd=ROOT,
            env=self.environment,
            check=False,
        )
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(self.waiting), done.stderr
        self.printed["what the processes say themselves"] = subprocess.CompletedProcess("", 0, "", done.stderr)
        for (arguments, status, _, _), answer in zip(self.waiting, answers, strict=True):
            name = f"{len(self.printed)}: {' '.join(arguments)}".replace(str(self.place), "")
            self.printed[name] = subprocess.CompletedProcess(name, answer["status"], answer["out"], answer["err"])
            assert answer["status"] == status, (name, answer["err"])
        self.waiting = []


def misread(shell: Shell, recipe: str) -> None:
    """Sources that end in an error, each with canaries beside what is wrong."""
    corpus, place = shell.place / "corpus", shell.place / "wrong"
    place.mkdir()
    text = CANARIES["own_rows"]["name"]
    shell("check", recipe, "--set", "corpus.on_bad_row=error", status=2)
    shell("check", recipe, "--set", "corpus.text=message", status=2)
    shell("check", recipe, "--set", "corpus.labels=notes", "--set", "corpus.on_bad_row=error", status=2)
    shell("check", recipe, "--set", "corpus.labels=text", status=2)
    shell("check", recipe, "--set", "corpus.subgroup=text", status=2)
    headless = (corpus / "train.csv").read_text("utf-8").split("\n", 1)[1]
    files = {
        "headless.csv": headless,
        "unclosed.csv": f'text,labels,client\n"{text},joy,a\n',
        "quoted.csv": f'text,labels,client\n"{text}"x,joy,a\n',
        "twice.csv": f"text,text,labels,client\n{text},joy,a\n",
        "broken.jsonl": json.dumps({"text": text, "labels": "joy"})[:-1] + "\n",
        "broken.json": f'[{{"text": "{text}" "labels": 1}}]',
        "odd.json": json.dumps([{"text": {"inner": text}, "labels": "joy", "client": "a"}]),
        "number.json": json.dumps([{"text": "a", "labels": {text: 1}, "client": "a"}]),
        "id.jsonl": json.dumps({"text": "a", "labels": int(CANARIES["label"]["number"]), "client": "a"}),
        "id.csv": f"text,labels,client\na,{CANARIES['label']['number']},a\n",
        "lines.tsv": f"text\tlabels\tclient\n{text}\tjoy\ta\tmore\n",
        "half.parquet": f"PAR1{text}PAR1",
    }
    for name, content in files.items():
        (place / name).write_text(content, "utf-8")
        shell(
            "check", recipe, "--set", f"corpus.source={place / name}", "--set", "corpus.on_bad_row=error", status=2
        )
    (place / "latin.csv").write_bytes(f"text,labels,client\n{text} \xe9,joy,a\n".encode("latin-1"))
    source = f"corpus.source={place / 'latin.csv'}"
    shell("check", recipe, "--set", source, "--set", "corpus.on_bad_row=error", status=2)


def use(shell: Shell, made: Path) -> None:
    """Every verb on the bundle with rows of one's own, and what goes wrong with those."""
    place, bundle = shell.place / "own", str(made)
    place.mkdir()
    own = list(CANARIES["own_rows"].values())
    rows = [{"text": text, "labels": LABELS[row % 3], "client": "", "notes": text} for row, text in enumerate(own)]
    write(place / "rows.csv", rows)
    write(place / "label.csv", [{**rows[0], "labels": own[0]}])
    write(place / "many.csv", rows, more=f"{own[0]},{own[1]},far,too,many,fields\n")
    good, label, many = (str(place / f"{name}.csv") for name in ("rows", "label", "many"))
    shell("predict", bundle, *own)
    shell("predict", bundle, "--json", stdin="\n".join(own).encode())
    shell("predict", bundle, stdin=own[0].encode() + b"\n" + own[1].encode() + b"\xff\n", status=2)
    shell("predict", bundle, f"--{own[0]}", status=2)
    shell("eval", bundle, good)
    shell("eval", bundle, label, status=2)
    shell("eval", bundle, good, "--labels", "notes", status=2)
    shell("eval", bundle, many, status=2)
    shell("diff", bundle, bundle, good, "--json")
    shell("diff", bundle, bundle, good, "--text", "none", status=2)
    shell("explain", bundle, "--json", "--minimal", stdin="\n".join(own).encode())
    shell("audit", bundle, "--rows", good)
    state = str(place / "state.json")
    shell("predict", bundle, "--monitor", state, stdin="\n".join(own * 100).encode())
    shell("drift", bundle, state, status=1)
    shell("bench", bundle, "--texts", good, "--rounds", "1")
    shell("bench", bundle, "--texts", many, status=2)
    shell("verify", bundle)
    broken = place / "bundle"
    shell.spoil(bundle, broken)
    shell("predict", str(broken), own[0], status=2)
    shell("eval", str(broken), good, status=2)


@pytest.fixture(scope="module", params=list(TOKENIZERS))
def traces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Traces:
    place = tmp_path_factory.mktemp(request.param)
    write_corpus(place / "corpus")
    words = [f" {word}" for word in KNOWN for _ in range(40)]
    tokenizer = TOKENIZERS[request.param](words, 500)
    model = tiny_classifier(request.param, vocabulary=len(tokenizer))
    save_classifier(model, tokenizer, place / "model")
    (place / "model/head.safetensors").unlink()
    recipe = place / "canary.toml"
    recipe.write_text(RECIPE.format(source=place / "corpus", model=place / "model"))
    shell = Shell(place)
    shell("check", str(recipe))
    shell("check", str(recipe), "--json")
    shell("run", str(recipe), "--runs", str(place / "runs"))
    misread(shell, str(recipe))
    use(shell, place / "runs/canary/bundle")
    shell.work()
    return Traces(place, tokenizer, shell.printed)


def copies(traces: Traces) -> list[Path]:
    """The folders that may hold texts."""
    return [traces.run / name for name in ("corpus", "augmented")]


def test_the_canaries_were_there_and_the_search_finds_them(traces: Traces) -> None:
    """Or the tests below would pass on an empty corpus."""
    for name in ("train", "validation", "test", "transfer"):
        found = hits(traces.run / "corpus", needles_of(CANARIES[name].values()))
        assert [line for line in found if line.startswith(f"{name}.parquet")], name
    for place in ("label", "broken"):
        assert hits(traces.run / "corpus", needles_of(CANARIES[place].values()))[0].startswith("quarantine.jsonl")
    for canary in ALL:
        for form in (canary, json.dumps(canary), canary.upper()):
            assert first_hit(b".." + form.encode() + b"..", NEEDLES), canary
        assert first_hit(canary.encode("utf-16"), NEEDLES), canary


def test_made_texts_hold_the_canaries_of_train_and_of_no_other_rows(traces: Traces) -> None:
    def found(place: str) -> list[str]:
        return hits(traces.run / "augmented", needles_of(CANARIES[place].values()))

    assert found("train")
    assert [found(place) for place in ("validation", "test", "transfer", "notes", "label", "broken")] == [[]] * 6


def test_after_forgetting_no_file_of_the_run_holds_a_canary(traces: Traces, tmp_path: Path) -> None:
    run = tmp_path / "canary"
    shutil.copytree(traces.run, run)
    for name in ("augmented.partial", "augmented.discarded"):  # what a killed run leaves
        shutil.copytree(run / "augmented", run / name)
    remove_copies(find_copies(run))
    assert hits(run, NEEDLES) == []
    assert (run / "bundle/manifest.json").is_file()


def test_report_and_card_say_what_test_rows_of_each_site_get(traces: Traces) -> None:
    found = read_report(traces.run).subgroups
    assert found is not None
    assert found.models == ("teacher", "twin", "student", "int8-weights")
    assert [(row.value, row.rows, row.recall["student"]) for row in found.rows] == [
        (None, 10, None),
        ("north", 10, None),
        ("south", 10, None),
    ]
    card = (traces.run / "bundle/README.md").read_text("utf-8")
    assert "| site | north | 10 | too few |" in card
    assert card.count("## Subgroups") == 1


def test_nothing_that_was_printed_holds_a_canary(traces: Traces) -> None:
    for name, done in traces.printed.items():
        for stream in (done.stdout, done.stderr):
            assert first_hit(stream.encode("utf-8", "surrogatepass"), NEEDLES) is None, (name, stream)


def test_an_error_is_shown_with_its_traceback_and_one_sentence(traces: Traces) -> None:
    failed = {name: done.stderr for name, done in traces.printed.items() if done.returncode}
    assert len(failed) > 20
    for name, said in failed.items():
        assert "Traceback" in said, name
        assert said.splitlines()[-1].startswith("error: "), (name, said)
        assert "unexpected" not in said.splitlines()[-1], (name, said)


def test_no_file_of_the_run_holds_a_canary(traces: Traces) -> None:
    """Those of the corpus, and of the texts made out of it, aside."""
    assert hits(traces.run, NEEDLES, leave_out=copies(traces)) == []


def test_no_file_of_the_run_holds_a_canary_as_token_ids(traces: Traces) -> None:
    for tokenizer in (traces.tokenizer, AutoTokenizer.from_pretrained(traces.run / "student")):
        needles = id_needles(ALL, lambda text, t=tokenizer: t(text, add_special_tokens=False)["input_ids"])
        assert needles
        assert hits(traces.run, needles, leave_out=copies(traces)) == []


def test_no_file_outside_the_run_holds_a_canary(traces: Traces) -> None:
    """Home, temporary files and caches."""
    assert hits(traces.place / "watched", NEEDLES) == []
    reports = {path.name for path in (traces.place / "watched").rglob("*")} & {".ses", ".onnxruntime", "deviceid"}
    assert not reports


def test_words_of_few_groups_are_in_no_trimmed_vocabulary(traces: Traces) -> None:
    for folder in ("student", "twin", "bundle"):
        pieces = json.loads((traces.run / folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
        held = {word for word in KNOWN if any(word in piece for piece in pieces)}
        assert held == {"zarquvex"}, folder
    rare = needles_of(["quvixzok", "wejzaqut"])
    kept = [*copies(traces), traces.run / "teacher"]  # the teacher has the base model's own vocabulary
    assert hits(traces.run, rare, leave_out=kept) == []
