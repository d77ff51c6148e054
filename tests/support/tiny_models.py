"""Tokenizers and bodies small enough to be built in a test, of each supported architecture."""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizerFast,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaModel,
    RobertaTokenizerFast,
    set_seed,
)

from distill.export.runtime.deciding.kinds.multi_label import MultiLabel
from distill.export.runtime.deciding.task import Task
from distill.teachers.encoder import EncoderClassifier, Pooling

TEXTS = [
    "i feel very sad today and nobody knows",
    "so happy that the sun is out",
    "the form asks for my address",
    "i am afraid of the dark stairs",
    "thank you for the kind words",
    "happy and sad at once",
] * 5
LABELS = ("joy", "sadness", "fear")


def multi_label_task() -> Task:
    return MultiLabel(LABELS)


def bert_tokenizer(more: Sequence[str] = (), vocabulary: int = 150) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator(
        [*TEXTS, "zanzibar zanzibar", *more],
        trainers.WordPieceTrainer(vocab_size=vocabulary, special_tokens=special),
    )
    ids = [(name, tokenizer.token_to_id(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ids)
    return BertTokenizerFast(tokenizer_object=tokenizer)


def pair_tokenizer(kind: str = "bert", more: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """A tokenizer of one architecture with a template for pairs, as published ones have."""
    if kind == "roberta":
        return roberta_tokenizer(more)
    tokenizer = bert_tokenizer(more)
    ids = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return tokenizer


def roberta_tokenizer(more: Sequence[str] = (), vocabulary: int = 360) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([*TEXTS, *more], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(sep=("</s>", 2), cls=("<s>", 0))
    return RobertaTokenizerFast(tokenizer_object=tokenizer)


def tiny_classifier(kind: str = "bert", vocabulary: int = 400, task: Task | None = None) -> EncoderClassifier:
    set_seed(3)
    small = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    if kind == "bert":
        body = BertModel(BertConfig(vocab_size=vocabulary, max_position_embeddings=64, **small))
    elif kind == "roberta":
        body = RobertaModel(
            RobertaConfig(vocab_size=vocabulary, max_position_embeddings=66, pad_token_id=1, **small)
        )
    else:
        config = DistilBertConfig(
            vocab_size=vocabulary, max_position_embeddings=64, dim=32, n_layers=3, n_heads=4, hidden_dim=64
        )
        body = DistilBertModel(config)
    return EncoderClassifier(body, task or multi_label_task(), Pooling.MEAN, 0.0).eval()
