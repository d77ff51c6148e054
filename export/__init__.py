"""Export: graphs, quantization, the gate and bundles; `runtime` is the part that needs no torch."""

import os
import sys


def _refuse_telemetry() -> None:
    """Keep onnxruntime from reporting to its vendor, as 1.29 and newer do on every system.

    The reports hold hashes and file names of models, a device id and the program's path. onnxruntime reads the
    variable once, when it starts; a value that the user has set is respected. A program that imported onnxruntime
    earlier has already sent a first report, and only later ones can be prevented.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    started = sys.modules.get("onnxruntime")
    if started is not None and os.environ["ORT_DISABLE_TELEMETRY"] == "1":
        started.disable_telemetry_events()


_refuse_telemetry()  # here, because none of the project's modules imports onnxruntime before this package
