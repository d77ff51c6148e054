"""Commands on models as they were published."""

import json
from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import AsJson
from distill.files.extras import need
from distill.runs.libraries import prepared_libraries


def convert(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a model as it was published.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder for the model; beside the pickle by default.")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", help="Prefix to remove from the names of tensors, such as `encoder.`")
    ] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing safetensors files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Convert a model that was published as a pickle (pytorch_model.bin, whole or in pieces) to safetensors.

    A pickle can run code when it is opened, so no other command opens one. This command opens it in a separate
    process with torch's reader for weights alone, which refuses anything but tensors. The pickle is kept.

    --prefix removes a prefix from the names of tensors, so that the model finds them; it applies to safetensors
    too.
    """
    need("train", "torch")
    from distill.teachers.convert import convert_model

    with prepared_libraries():
        written = convert_model(folder, out=out, prefix=prefix, overwrite=overwrite)
    print(json.dumps({"written": [str(path) for path in written]}) if as_json else "\n".join(map(str, written)))
