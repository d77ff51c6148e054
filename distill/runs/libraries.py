"""Settings of torch, transformers and similar libraries that last as long as a command."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from distill.export.runtime.cores import available_threads

# Threads of OpenMP (GNU's and LLVM's) that wait for another sleep at once. Spinning takes the core from the very
# thread that they wait for where other processes are busy.
PASSIVE = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0", "KMP_BLOCKTIME": "0"}


@contextmanager
def prepared_libraries() -> Iterator[None]:
    """Size thread pools to this process, and silence notices that would bury the one line that matters.

    Enter it before torch is imported, whose thread pool would otherwise be as large as the host and not as this
    container. Variables that the user has set keep their values.
    """
    defaults = {
        "OMP_NUM_THREADS": str(available_threads()),
        **PASSIVE,
        "TRANSFORMERS_VERBOSITY": "error",
        "TOKENIZERS_PARALLELISM": "true",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    added = {name: value for name, value in defaults.items() if name not in os.environ}
    root = logging.getLogger()
    level = root.level
    os.environ.update(added)
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
        for name in added:
            os.environ.pop(name, None)
