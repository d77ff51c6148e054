"""Export: the graph, its quantization, the gate, the bundle; `runtime` is the torch-free part."""

import os
import sys


def _refuse_telemetry() -> None:
    """Keep onnxruntime from reporting to its maker, as 1.29 and newer do on every system.

    The reports hold hashes and file names of models, an id of the device and the path of the program. The variable
    is read once, when onnxruntime starts; whoever has set it to another value has decided that. A program that
    imported onnxruntime before has sent a first report already, and only the others can be kept back.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    started = sys.modules.get("onnxruntime")
    if started is not None and os.environ["ORT_DISABLE_TELEMETRY"] == "1":
        started.disable_telemetry_events()


_refuse_telemetry()  # here, for no module of ours imports onnxruntime before this package
