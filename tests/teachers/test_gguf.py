"""A language model in one GGUF file: ids and probabilities are those of the folder that it was made from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distill.export.runtime.errors import InputError
from distill.teachers.causal import load_causal
from distill.teachers.checkpoints import build_classifier
from distill.teachers.encoder import Pooling
from distill.teachers.encoding import encode, pad_batch
from distill.teachers.gguf import SpecialTokens, is_gguf, special_tokens
from distill.teachers.sources import resolve_teacher
from distill.teachers.tokenizers import load_tokenizer, pad_id_of
from tests.support.tiny_causal import TEXTS, save
from tests.support.tiny_models import multi_label_task

gguf = pytest.importorskip("gguf")

NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def permuted(weight: np.ndarray, heads: int) -> np.ndarray:  # type: ignore[type-arg]
    """As llama.cpp's converter stores queries and keys."""
    out, width = weight.shape
    return weight.reshape(heads, 2, out // heads // 2, width).swapaxes(1, 2).reshape(out, width)


def write_gguf(language: Any, path: Path, *, add_bos: bool | None = False, kind: str = "gpt2") -> None:
    config, vocabulary = language.model.config, language.tokenizer.get_vocab(with_added_tokens=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_theta)
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    writer.add_tokenizer_model(kind)
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token.startswith("<|") else 1 for token in tokens])
    merges = json.loads(language.tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(merge) for merge in merges])
    writer.add_bos_token_id(vocabulary["<|begin|>"])
    writer.add_eos_token_id(vocabulary["<|end|>"])
    if add_bos is not None:
        writer.add_add_bos_token(add_bos)
    for name, tensor in language.model.state_dict().items():
        array = tensor.numpy()
        stem = name.removesuffix(".weight")
        if "q_proj" in name:
            array = permuted(array, config.num_attention_heads)
        if "k_proj" in name:
            array = permuted(array, config.num_key_value_heads)
        if stem.startswith("model.layers."):
            _, _, layer, part = stem.split(".", 3)
            writer.add_tensor(f"blk.{layer}.{NAMES[part]}.weight", np.ascontiguousarray(array))
        else:
            writer.add_tensor(f"{NAMES[stem]}.weight", np.ascontiguousarray(array))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("gguf")
    language = load_causal(save("llama", folder / "model"))
    write_gguf(language, folder / "model.gguf")
    return language, folder / "model.gguf"


def test_ids_and_probabilities_are_the_folders(pair: tuple[Any, Path]) -> None:
    language, path = pair
    found = load_causal(path)
    assert found.positions == language.positions
    for text in [*TEXTS[:5], "<|begin|>Text: sad<|end|>"]:
        for control in (False, True):
            assert found.encode(text, control=control) == language.encode(text, control=control)
        assert found.begin(text) == language.begin(text)
    ids = torch.tensor([language.encode("i feel very sad today", control=False)])
    with torch.inference_mode():
        expected, logits = language.model(ids).logits, found.model(ids).logits
    assert logits.numpy() == pytest.approx(expected.numpy(), abs=1e-4)


@pytest.mark.parametrize("pooling", [Pooling.LAST, Pooling.MEAN])
def test_a_classifier_has_the_ids_and_logits_of_the_folders(pair: tuple[Any, Path], pooling: Pooling) -> None:
    language, path = pair
    folder = path.parent / "model"
    of_file, of_folder = load_tokenizer(path), load_tokenizer(folder)
    rows = encode(of_file, TEXTS[:5], 20)
    assert [list(row) for row in rows] == [list(row) for row in encode(of_folder, TEXTS[:5], 20)]
    assert (of_file.bos_token_id, of_file.eos_token_id) == (language.specials.bos, language.specials.eos)
    batch, models = pad_batch(rows, pad_id_of(of_file)), []
    for place in (path, folder):
        torch.manual_seed(3)
        models.append(build_classifier(place, multi_label_task(), pooling, 0.0).eval())
    with torch.inference_mode():
        found, expected = (model(*batch) for model in models)
    assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_a_token_that_begins_every_text_is_the_metadatas(pair: tuple[Any, Path], tmp_path: Path) -> None:
    language, _ = pair
    write_gguf(language, tmp_path / "model.gguf", add_bos=True)
    ids = load_tokenizer(tmp_path / "model.gguf")("so happy")["input_ids"]
    assert ids == [language.specials.bos, *language.encode("so happy", control=False)]


def test_where_the_file_does_not_say_whether_a_token_begins_every_text_its_vocabulary_does(
    pair: tuple[Any, Path], tmp_path: Path
) -> None:
    for kind, begins in (("gpt2", False), ("llama", True)):
        write_gguf(pair[0], tmp_path / kind, add_bos=None, kind=kind)
        assert special_tokens(tmp_path / kind).add_bos == begins


def test_special_tokens_are_the_files(pair: tuple[Any, Path]) -> None:
    language, path = pair
    begin, end = (language.tokenizer.token_to_id(token) for token in ("<|begin|>", "<|end|>"))
    assert special_tokens(path) == SpecialTokens(begin, end, end, add_bos=False)


def test_a_file_is_hashed_and_a_broken_one_refused(pair: tuple[Any, Path], tmp_path: Path) -> None:
    _, path = pair
    source = resolve_teacher(str(path))
    assert (source.name, source.origin, source.path) == ("model.gguf", "file", path)
    assert resolve_teacher(str(path), source.sha256).sha256 == source.sha256
    with pytest.raises(InputError, match="pins"):
        resolve_teacher(str(path), "0" * 64)
    (tmp_path / "half.gguf").write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="not a whole GGUF file"):
        load_causal(tmp_path / "half.gguf")
    (tmp_path / "other.bin").write_bytes(b"not a model")
    assert not is_gguf(tmp_path / "other.bin")
    with pytest.raises(InputError, match="not in the GGUF format"):
        resolve_teacher(str(tmp_path / "other.bin"))
