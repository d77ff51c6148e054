"""Names of the constants in the graphs that this project writes, and the component that each one belongs to.

Every writer of a graph takes its names from here, and the byte accounting (export/measure/components.py) reads the
same names, so that renaming a tensor cannot move its bytes to another component unnoticed. Names are part of a
bundle's bytes: changing one changes every bundle.
"""

# --- every classifier -----------------------------------------------------------------------------

CALIBRATION_SCALE, CALIBRATION_BIAS = "calibration_scale", "calibration_bias"


def axes_of(value: str) -> str:
    """Name of the axes of the Squeeze that makes `value`."""
    return f"{value}.axes"


# --- static students ------------------------------------------------------------------------------

AXIS, FIRST_ROW, NO_TOKEN, HASH_MASK = "axis", "first_row", "no_token", "hash_mask"

VECTORS, TOKEN_WEIGHTS = "vectors", "token_weights"

CONTEXT_WEIGHTS, DISTANCES = "context_weights", "distances"

CONTEXT_SHAPE, IS_OWN = "context_shape", "is_own"

WINDOW_BIAS = "window_bias"

NORM_SCALE, NORM_BIAS = "norm_scale", "norm_bias"

UP_WEIGHT, UP_BIAS = "up_weight", "up_bias"

HEAD_WEIGHT, HEAD_BIAS = "head_weight", "head_bias"

# values whose matmuls int8 stores beside them, and the value that the second matmul reads
NORMED, WIDE, HIDDEN = "normed", "wide", "hidden"


def slice_start(start: int) -> str:
    """Name of the start of a Slice."""
    return f"from_{start}"


def slice_end(end: int) -> str:
    """Name of the end of a Slice; a negative one counts from the end, 0 is the end itself."""
    return f"to_{end}"


def hash_factor(place: int) -> str:
    """Name of the hash's factor for one place of an n-gram."""
    return f"factor_{place}"


def ngram_table(length: int) -> str:
    """Name of the table of n-grams of this length."""
    return f"table_{length}"


def window_weight(place: int) -> str:
    """Name of the window's weight for one of its places."""
    return f"window_weight_{place}"


def table_at(table: str, place: int) -> str:
    """Name of a table's product with the window's weight for one of its places."""
    return f"{table}_at_{place}"


# --- int8 -----------------------------------------------------------------------------------------

UINT8_MIDDLE, GELU_DEPTH, HALF, LAST_AXIS, ONE = "uint8_middle", "gelu_depth", "half", "last_axis", "one"

MIN_SCALE = "min_scale"


def step(size: float) -> str:
    """Name of the step between two integers of a token's largest value."""
    return f"step_{size:.6f}"


def zero_point(value: int) -> str:
    """Name of a zero point shared by all hidden states with scales per token."""
    return f"zero_point_{value}"


def weight_of(value: str) -> str:
    """Name of the int8 weight of the matmul that makes `value`."""
    return f"{value}.weight"


def bias_of(value: str) -> str:
    """Name of the bias of the integer matmul that makes `value`."""
    return f"{value}.bias"


def shift_of(value: str) -> str:
    """Name of the constant that an integer matmul's shifted input takes off `value`."""
    return f"{value}.shift"


def scale_of(value: str) -> str:
    """Name of the quantization scale of a weight, a table or a hidden state."""
    return f"{value}.scale"


def zero_point_of(value: str) -> str:
    """Name of the zero point of a hidden state with a fixed scale."""
    return f"{value}.zero_point"


def smoothing_of(value: str) -> str:
    """Name of the reciprocal smoothing per channel of a hidden state with a fixed scale."""
    return f"{value}.smoothing"


def int8_of(table: str) -> str:
    """Name of a table's rows in 8 bits."""
    return f"{table}.int8"


def plane_of(table: str, bits: int) -> str:
    """Name of a table's packed plane of `bits` bits."""
    return f"{table}.uint{bits}"


def channels_of(plane: str) -> str:
    """Name of the scale per channel of a packed plane."""
    return f"{plane}.channels"


def middle_of(table: str) -> str:
    """Name of the offset per channel of a packed table."""
    return f"{table}.middle"


def masks(bits: int) -> str:
    """Name of the masks that take a byte of a plane apart."""
    return f"uint{bits}_masks"


def row_shape(width: int, rank: int) -> str:
    """Name of the shape of unpacked rows."""
    return f"rows_of_{width}_{rank}"


# --- components -----------------------------------------------------------------------------------

# Component of a constant by its name, or else by the name of the node that reads it; the first pattern that
# matches counts. The encoder's names are those of transformers' modules, all others are the ones above.
COMPONENT_PATTERNS = {
    "scales": r"\.(scales?|channels|middle|zero_points?|smoothing|shift)$|^(step_|min_scale$|zero_point_)",
    "head_and_calibration": r"^calibration_|(^|[./])head[._/]",
    "token_table": r"word_embeddings|^vectors(\.|$)|^token_weights|^context_weights|^distances",
    "ngram_tables": r"^table_\d+(\.|$)",
    "position_and_type_tables": r"position_embeddings|token_type_embeddings",
    "window": r"^window_|_at_\d+\.",
    "attention": r"[Aa]ttention|sa_layer_norm",
    "ffn": r"[./]intermediate[./]|[./]ffn[./]|[./]layer\.\d+[./]output[._/]|^(norm|normed|up|wide|hidden)([._]|$)",
}
