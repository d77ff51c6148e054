"""One fuzz case for a bundle: spoil it, load it, predict with it. Ends in a result or raises."""

import hashlib
import json
import math
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from distill.export.runtime import Classifier, Conversation, DistillError, load, self_test
from distill.export.runtime.manifest.manifest import MANIFEST_FILE
from distill.export.runtime.reading.rows import Turn
from distill.export.runtime.reading.turns import Turns
from tests.campaigns.mutations import random_text, spoiled_bytes, spoiled_json, spoiled_message
from tests.golden.check import FOLDER
from tests.support.tiny_bundle import make_tiny_bundle
from tests.support.tiny_turns import ROLES, TEMPLATE, make_turns_bundle

TOKENIZER = "tokenizer.json"
TEXTS = ["i am very happy today", "", "x\0\u0301 sad 😟", "not " * 40]
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Base:
    """A whole bundle in a folder of our own, with what can be spoiled of it."""

    folder: Path
    manifest: dict[str, Any]
    graph_file: str
    graph: bytes
    tokenizer: bytes

    @classmethod
    def of(cls, folder: Path) -> "Base":
        """Read what stands in a bundle's folder."""
        manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        graph_file = manifest["model_file"]
        return cls(
            folder, manifest, graph_file, (folder / graph_file).read_bytes(), (folder / TOKENIZER).read_bytes()
        )


def make_bases(folder: Path) -> list[Base]:
    """The tiny bundle, every golden one, and golden ones with other kinds of tokenizer."""
    reads = Turns(2, ROLES, tuple(ROLES), "conversation", segments=3, template=TEMPLATE)
    bases = [Base.of(make_tiny_bundle(folder / "tiny")), Base.of(make_turns_bundle(folder / "talk", reads))]
    for source in sorted(path for path in FOLDER.iterdir() if (path / MANIFEST_FILE).is_file()):
        shutil.copytree(source, folder / source.name)
        bases.append(Base.of(folder / source.name))
    for name, tokenizer in (("bpe", byte_level()), ("unigram", unigram())):
        shutil.copytree(FOLDER / "layers-int8-weights", folder / name)
        base = Base.of(folder / name)
        (folder / name / TOKENIZER).write_text(tokenizer.to_str(), encoding="utf-8")
        write_manifest(base, base.manifest)
        classifier = load(folder / name)
        test = base.manifest["self_test"]
        test["input_ids"] = classifier.token_ids(test["texts"])
        test["logits"] = classifier.logits(test["texts"]).tolist()
        write_manifest(base, base.manifest)
        bases.append(Base.of(folder / name))
    for base in bases:  # whole, or spoiling would prove nothing
        try_bundle(base.folder)
    return bases


def byte_level() -> Tokenizer:
    """A tokenizer of RoBERTa's kind, with ids that the golden tables have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        ["happy sad"], trainers.BpeTrainer(vocab_size=70, special_tokens=["<s>", "<pad>", "</s>"])
    )
    tokenizer.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls=("<s>", 0))
    tokenizer.add_tokens([AddedToken("sad", lstrip=True, rstrip=True), AddedToken("happy", single_word=True)])
    return tokenizer


def unigram() -> Tokenizer:
    """A tokenizer of XLM-R's kind."""
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("▁", -2.0), ("sad", -2.5), ("a", -3.0)], 0, False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.add_tokens([AddedToken("happy", lstrip=True, single_word=True)])
    return tokenizer


def write_manifest(base: Base, manifest: Any) -> None:
    """Write a manifest, with true records of the graph and the tokenizer as they stand in the folder."""
    files = manifest.get("files") if isinstance(manifest, dict) else None
    for name in (base.graph_file, TOKENIZER):
        if isinstance(files, dict) and isinstance(files.get(name), dict):
            content = (base.folder / name).read_bytes()
            files[name] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    (base.folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")


def try_bundle(folder: Path) -> None:
    """Load, predict and test a bundle; what comes out must be sound."""
    classifier = load(folder)
    check_predictions(classifier, TEXTS)
    self_test(classifier)


def rows_of(classifier: Classifier, texts: list[str]) -> list[Any]:
    """Texts as what the bundle reads: for conversations each is the last turn, after the ones before it."""
    if not isinstance(classifier.input, Turns):
        return list(texts)
    speaker = classifier.input.decides[0]
    said = [Turn(speaker, text) for text in texts]
    return [said[: at + 1] for at in range(len(texts))]


def check_predictions(classifier: Classifier, texts: list[str]) -> list[list[float]]:
    """Every text gets scores between 0 and 1 for all labels; gives them."""
    predictions = classifier.predict(rows_of(classifier, texts))
    assert len(predictions) == len(texts)
    for found in predictions:
        assert tuple(found.scores) == classifier.labels
        assert all(math.isfinite(score) and 0 <= score <= 1 for score in found.scores.values())
        assert set(found.labels) <= set(classifier.labels)
    return [list(found.scores.values()) for found in predictions]


def spoil(base: Base, name: str, content: bytes) -> None:
    """Try a bundle with another content of one file and a true hash of it; put the old content back."""
    path = base.folder / name
    before = path.read_bytes()
    try:
        path.write_bytes(content)
        write_manifest(base, json.loads(json.dumps(base.manifest)))
        try_bundle(base.folder)
    finally:
        path.write_bytes(before)


def spoil_manifest(base: Base, content: bytes) -> None:
    """Try a bundle with another manifest."""
    (base.folder / MANIFEST_FILE).write_bytes(content)
    try_bundle(base.folder)


def manifest_values(rng: random.Random, base: Base) -> None:
    """Values of the manifest changed, hashes true."""
    write_manifest(base, spoiled_json(rng, base.manifest))
    try_bundle(base.folder)


def manifest_bytes(rng: random.Random, base: Base) -> None:
    """Bytes of the manifest changed."""
    spoil_manifest(base, spoiled_bytes(rng, json.dumps(base.manifest).encode()))


def tokenizer_values(rng: random.Random, base: Base) -> None:
    """Values of the tokenizer changed."""
    spoil(base, TOKENIZER, json.dumps(spoiled_json(rng, json.loads(base.tokenizer))).encode())


def tokenizer_bytes(rng: random.Random, base: Base) -> None:
    """Bytes of the tokenizer changed."""
    spoil(base, TOKENIZER, spoiled_bytes(rng, base.tokenizer))


def graph_fields(rng: random.Random, base: Base) -> None:
    """Fields of the graph's protobuf changed."""
    model = onnx.load_from_string(base.graph)
    spoiled_message(rng, model)
    spoil(base, base.graph_file, model.SerializeToString())


def graph_bytes(rng: random.Random, base: Base) -> None:
    """Bytes of the graph changed."""
    spoil(base, base.graph_file, spoiled_bytes(rng, base.graph))


def texts(rng: random.Random, base: Base) -> None:
    """A whole bundle, and texts that nobody would write: the same alone as together, and never quoted."""
    write_manifest(base, base.manifest)
    classifier = load(base.folder, threads=rng.choice((1, 1, 2)))
    some = [random_text(rng) for _ in range(rng.randrange(1, 5))]
    try:
        together = check_predictions(classifier, some)
    except DistillError as error:
        if any(len(text) > 5 and text in str(error) for text in some):
            raise AssertionError("an error quotes a text") from None
        raise
    for row, scores in zip(rows_of(classifier, some), together, strict=True):
        alone = classifier.predict_proba([row])[0].tolist()
        pairs = zip(scores, alone, strict=True)
        assert all(abs(one - other) <= TOLERANCE for one, other in pairs), "a score depends on batch-mates"
    if isinstance(classifier.input, Turns):
        check_turns(classifier, some)


def check_turns(classifier: Classifier, texts: list[str]) -> None:
    """Each turn of a conversation is decided to the same bits whatever later turns say."""
    reads = classifier.input
    assert isinstance(reads, Turns)
    names = list(reads.roles)
    talk = [Turn(names[at % len(names)], text) for at, text in enumerate(texts)]
    conversation, followed = Conversation(classifier), []
    for turn in talk:
        followed.append(conversation.add(*turn))
    found = classifier.predict_turns(talk)
    if reads.predict == "conversation":
        decided = [one for one in found if one is not None]  # at the last turn that has a text
        assert decided == [one for one in followed[-1:] if one is not None], "a conversation differs"
    elif reads.predict == "this":
        assert found == followed, "a score depends on later turns"


Case = Callable[[random.Random, Base], None]
# target, and its share of all cases
CASES: dict[str, tuple[Case, int]] = {
    "manifest-values": (manifest_values, 4),
    "manifest-bytes": (manifest_bytes, 2),
    "tokenizer-values": (tokenizer_values, 5),
    "tokenizer-bytes": (tokenizer_bytes, 2),
    "graph-fields": (graph_fields, 5),
    "graph-bytes": (graph_bytes, 3),
    "texts": (texts, 4),
}


def run_case(name: str, bases: list[Base]) -> None:
    """Run the case of a name, `TARGET/SEED/NUMBER`, which says all about it."""
    rng = random.Random(name)
    case, _ = CASES[name.partition("/")[0]]
    case(rng, rng.choice(bases))
