"""What the products of a transformer are for."""

from enum import StrEnum


class Role(StrEnum):
    """What a product of a hidden state and a weight is for."""

    QUERY = "query"
    KEY = "key"
    VALUE = "value"
    ATTENTION_OUTPUT = "attention_output"
    FFN_UP = "ffn_up"
    FFN_OUTPUT = "ffn_output"
