"""GPUs of a machine, as many processes of one training need them."""

import torch

from distill.export.runtime.errors import InputError


def require_gpus(count: int) -> None:
    """Check that each rank finds a GPU of its own; without any, ranks share the processor.

    Raises:
        InputError: there are fewer GPUs.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else count
    if count > gpus:
        raise InputError(f"training.processes is {count}, but {gpus} GPU(s) can be seen. Use at most that.")
