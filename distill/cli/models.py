"""Commands on models as they were published."""

from pathlib import Path
from typing import Annotated

import typer

from distill.cli.libraries import prepared_libraries
from distill.cli.options import need


def convert(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of a model, as it was published.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="New folder for the model; beside the pickle by default.")
    ] = None,
    prefix: Annotated[
        str, typer.Option("--prefix", help="Prefix to take off the names of tensors, such as `encoder.`")
    ] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace safetensors that are there already.")
    ] = False,
) -> None:
    """Make safetensors of a model that was published as a pickle (pytorch_model.bin, whole or in pieces).

    A pickle can run code when it is opened, so no other command opens one. This command lets torch's reader for
    weights alone open it in a process of its own, which refuses everything but tensors. The pickle stays.

    With --prefix, names of tensors lose a prefix under which a model does not find them, in safetensors too.
    """
    need("train", "torch")
    from distill.teachers.convert import convert_model

    with prepared_libraries():
        written = convert_model(folder, out=out, prefix=prefix, overwrite=overwrite)
    print(*written, sep="\n")
