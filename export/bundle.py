"""Bundles: the folder that ships, written completely or not at all, and opened once before it counts."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
from tokenizers import Tokenizer

from distill.export.graph.model import add_contract, save_model
from distill.export.runtime.classifier import Classifier, load, open_bundle
from distill.export.runtime.deciding.task import Policy, Task
from distill.export.runtime.manifest.manifest import MANIFEST_FILE, Manifest, contract, decision_fields, dump_json
from distill.export.runtime.manifest.optional import NO_OBJECTS, Objects
from distill.export.runtime.manifest.parts import Calibration, SelfTest
from distill.export.runtime.manifest.records import FileRecord
from distill.export.runtime.reading.inputs import ONE_TEXT, PAIR, Input, Pair, Row, Turn, Turns, Window
from distill.export.runtime.reading.turns import NEXT
from distill.export.runtime.self_test import self_test
from distill.export.runtime.watching.watch import Watch

# written for this project, nobody's own words: several lengths, a negation, a typo, an emoji, an unknown word
SELF_TEST_TEXTS = (
    "i feel calm today",
    "I am not angry any more, just tired.",
    "thank you so much, this realy helped!!",
    "Nobody came, and I sat there with the cake for two hours.",
    "what time do you open on Friday?",
    "my hands wont stop shaking 😟",
    "Xyzzyqua is a word that no dictionary has.",
    "I was proud of her and sad for me, both at once, and I could not have said which of the two was larger.",
)

# fp32 sums differ between CPUs in their last bits, and the rounding of int8 activations with the instruction set
TOLERANCE = {"fp32": 1e-3, "int8-weights": 1e-3}

INT8_TOLERANCE = 0.05


@dataclass(frozen=True)
class Shipment:
    """Contents of a bundle, all of them already decided."""

    name: str
    task: Task
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    policy: Policy
    max_tokens: int
    max_batch: int | None
    precision: str
    inputs: tuple[str, ...]
    graph: Path  # calibrated
    tokenizer_folder: Path
    config: dict[str, Any]  # the encoder's transformers configuration
    provenance: dict[str, Any]
    metrics: dict[str, Any]
    model_card: str
    reads: Input = ONE_TEXT
    objects: Objects = NO_OBJECTS


def write_bundle(
    folder: Path,
    shipment: Shipment,
    check: Callable[[Classifier], None] | None = None,
    refer: Callable[[Classifier], Watch | None] = lambda _: None,
) -> None:
    """Write the bundle, run its self-test and `check`, and only then replace an earlier one.

    Args:
        folder: of the bundle.
        shipment: its contents.
        check: refuses a bundle that is written, by an exception.
        refer: gives the reference of the bundle's watch, which only a finished bundle can supply.

    Raises:
        BundleError, CheckFailedError: the written bundle does not open, or answers differently once it is opened.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "onnx").mkdir(parents=True)
    draft = _draft(shipment)
    model = onnx.load(shipment.graph)
    add_contract(model, contract(draft))
    save_model(model, partial / draft.model_file)
    _write_tokenizer(shipment, partial)
    (partial / "config.json").write_text(dump_json(_config(shipment)), encoding="utf-8")
    (partial / "README.md").write_text(shipment.model_card, encoding="utf-8")
    _write_manifest(partial, draft)
    opened = load(partial)
    self_test(opened)
    if check is not None:
        check(opened)
    watch = refer(opened)
    if watch is not None:
        manifest = opened.manifest
        complete = manifest.deciding_by(manifest.policy, replace(manifest.objects, watch=watch))
        (partial / MANIFEST_FILE).write_text(dump_json(complete.to_dict()), encoding="utf-8")
        load(partial)
    earlier = folder.with_name(folder.name + ".earlier")
    shutil.rmtree(earlier, ignore_errors=True)
    # two renames, so that this name never holds a half-written or half-deleted bundle
    if folder.exists():
        os.replace(folder, earlier)
    os.replace(partial, folder)
    shutil.rmtree(earlier, ignore_errors=True)


def self_test_rows(reads: Input) -> list[Row]:
    """Return the self-test's sentences as rows of a kind of input; each pair has the next sentence too."""
    if isinstance(reads, Turns):
        return _self_test_windows(reads)
    if reads.kind != PAIR:
        return list(SELF_TEST_TEXTS)
    # the last one is too long for a short bundle, so that a cut is tested, and one segment is empty
    others = (*SELF_TEST_TEXTS[1:-1], "", SELF_TEST_TEXTS[-1] * 4)
    return list(zip(SELF_TEST_TEXTS, others, strict=True))


def _self_test_windows(reads: Turns) -> list[Row]:
    """Return windows of the sentences: more turns with each, one empty, the last too long for a short bundle."""
    names = list(reads.roles)
    said = [
        Turn(names[at % len(names)], text)
        for at, text in enumerate((*SELF_TEST_TEXTS, "", SELF_TEST_TEXTS[-1] * 4))
    ]
    windows: list[Row] = []
    for at, turn in enumerate(said):
        target = Turn(reads.decides[at % len(reads.decides)], "" if reads.predict == NEXT else turn.text)
        windows.append(Window(target, tuple(said[max(0, at - reads.turns) : at])))
    return windows


def _draft(shipment: Shipment) -> Manifest:
    """Return the manifest without its files and its self-test."""
    task = shipment.task
    model_file = "onnx/model.onnx" if shipment.precision == "fp32" else "onnx/model_quantized.onnx"
    return Manifest(
        name=shipment.name,
        task=task.kind,
        labels=task.labels,
        activation=task.activation,
        calibration=Calibration(shipment.scale, shipment.bias),
        **decision_fields(task, shipment.policy, shipment.reads, shipment.objects),
        max_tokens=shipment.max_tokens,
        max_batch=shipment.max_batch,
        model_file=model_file,
        tokenizer_file="tokenizer.json",
        inputs=shipment.inputs,
        precision=shipment.precision,
        self_test=SelfTest((), (), (), TOLERANCE.get(shipment.precision, INT8_TOLERANCE)),
        files={},
        provenance=shipment.provenance,
        metrics=shipment.metrics,
    )


def _write_tokenizer(shipment: Shipment, folder: Path) -> None:
    source = shipment.tokenizer_folder
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    # other runtimes that open the file get the ids that the student was trained on
    tokenizer.no_padding()
    settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokenizer.enable_truncation(shipment.max_tokens, **_truncation(shipment.reads, settings))
    tokenizer.save(str(folder / "tokenizer.json"))
    settings["model_max_length"] = shipment.max_tokens
    for key in ("name_or_path", "tokenizer_file", "special_tokens_map_file", "cache_dir"):
        settings.pop(key, None)  # paths of the machine that made the tokenizer
    (folder / "tokenizer_config.json").write_text(dump_json(settings), encoding="utf-8")


def _truncation(reads: Input, settings: dict[str, Any]) -> dict[str, str]:
    """Return settings with which the tokenizers package cuts as the bundle does, but never empties a column."""
    if not isinstance(reads, Pair):
        return {"direction": settings.get("truncation_side", "right")}
    column, side = reads.truncate.column, reads.truncate.side
    strategy = "longest_first" if column is None else ("only_first", "only_second")[reads.columns.index(column)]
    return {"strategy": strategy, "direction": "right" if side == "end" else "left"}


def _config(shipment: Shipment) -> dict[str, Any]:
    """Return the config.json that ORTModel and Transformers.js read."""
    config = {key: value for key, value in shipment.config.items() if key != "_name_or_path"}
    kinds = {"bert": "Bert", "roberta": "Roberta", "distilbert": "DistilBert"}
    config["architectures"] = [f"{kinds[config['model_type']]}ForSequenceClassification"]
    config["id2label"] = {str(index): name for index, name in enumerate(shipment.task.labels)}
    config["label2id"] = {name: index for index, name in enumerate(shipment.task.labels)}
    config["problem_type"] = shipment.task.problem_type
    return config


def _write_manifest(folder: Path, draft: Manifest) -> None:
    """Write the manifest, with the hashes and the bundle's own answers to the self-test."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    # no hash of the README, because people edit it
    contents = {name: (folder / name).read_bytes() for name in names if name != "README.md"}
    files = {
        name: FileRecord(hashlib.sha256(content).hexdigest(), len(content)) for name, content in contents.items()
    }
    model, tokenizer = contents[draft.model_file], contents[draft.tokenizer_file]
    classifier = open_bundle(draft, model, tokenizer, where=folder)
    texts = self_test_rows(draft.reads)
    test = SelfTest(
        texts=tuple(texts),
        input_ids=tuple(tuple(ids) for ids in classifier.token_ids(texts)),
        logits=tuple(tuple(float(v) for v in classifier.logits([text])[0]) for text in texts),
        tolerance=draft.self_test.tolerance,
    )
    manifest = replace(draft, files=files, self_test=test)
    (folder / "manifest.json").write_text(dump_json(manifest.to_dict()), encoding="utf-8")
