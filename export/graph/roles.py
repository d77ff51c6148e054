"""Roles of the matmuls in a transformer layer."""

from enum import StrEnum


class Role(StrEnum):
    """Role of a matmul of a hidden state and a weight."""

    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    ATTENTION_OUTPUT = "attention_output"
    FFN_UP = "ffn_up"
    FFN_OUTPUT = "ffn_output"
