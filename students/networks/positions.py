"""Cut the position table to the longest text: rows beyond it would ship and never be read."""

import copy

from torch import nn

from distill.teachers.bodies import embeddings_of, unused_positions
from distill.teachers.encoder import EncoderClassifier

# An ONNX export runs the body once, on dummy rows of 16 tokens.
TRACED_TOKENS = 16

# (1, P), and read only up to the length of a text
PER_POSITION = ("position_ids", "token_type_ids")


def cut_positions(model: EncoderClassifier, max_tokens: int) -> EncoderClassifier:
    """Return the classifier with positions for `max_tokens` alone; up to that length its logits are bit-identical.

    Args:
        model: the classifier; it stays as it is.
        max_tokens: length of the longest text in tokens, special tokens included.
    """
    rows = unused_positions(model.config) + max(max_tokens, TRACED_TOKENS)
    if embeddings_of(model.encoder).position_embeddings.num_embeddings <= rows:
        return model
    shortened = copy.deepcopy(model)
    embeddings = embeddings_of(shortened.encoder)
    table = embeddings.position_embeddings
    kept = table.weight.detach()[:rows].clone()
    embeddings.position_embeddings = nn.Embedding(len(kept), kept.shape[1], table.padding_idx, _weight=kept)
    for name in PER_POSITION:
        ids = getattr(embeddings, name, None)
        if ids is not None:
            setattr(embeddings, name, ids[:, :rows].clone())
    shortened.config.max_position_embeddings = rows
    return shortened.train(model.training)
