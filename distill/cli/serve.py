"""Serving bundles over HTTP."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from distill.cli.options import AsJson, Bundles
from distill.files.extras import need


def serve(
    bundles: Bundles,
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")] = 8000,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            help="Requests that are answered at once; by default as many as there are cores to use.",
        ),
    ] = None,
    manifest_sha256: Annotated[
        list[str] | None,
        typer.Option(
            help="SHA-256 that a manifest must have; several times for several bundles, or for the next one."
        ),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the token that clients send as Authorization: Bearer TOKEN.")
    ] = None,
    max_bytes: Annotated[int, typer.Option(min=1, help="Maximum bytes of a request's body.")] = 2**20,
    max_texts: Annotated[int, typer.Option(min=1, help="Maximum texts of a request.")] = 256,
    max_characters: Annotated[int, typer.Option(min=1, help="Maximum characters of a text.")] = 20_000,
    queue: Annotated[int, typer.Option(min=0, help="Requests that may wait; others are answered 503.")] = 64,
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until a request is answered, or 503.")] = 30.0,
    receive_timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds until a request has arrived; slower clients are cut off.")
    ] = 10.0,
    monitor: Annotated[
        Path | None,
        typer.Option(help="Folder to write counts of what each bundle decides into, for `distill drift`."),
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log no single requests.")] = False,
) -> None:
    """Serve bundles over HTTP: POST /v1/predict, /predict (as text-embeddings-inference), /healthz, /metrics.

    The first bundle answers where a request names none. SIGHUP opens the folders again and answers from them once
    they have passed their self-tests; until then the old bundles answer. Ctrl-C or SIGTERM ends the service after
    open requests are answered. The log on stderr holds time, route, status, number of texts and milliseconds, and
    never a text.
    """
    need("serve", "uvicorn")
    need("serve", "starlette")
    from distill.export.runtime import InputError
    from distill.export.runtime.cores import available_threads
    from distill.serving.limits import Limits
    from distill.serving.server import Settings, serve

    if host not in ("127.0.0.1", "localhost", "::1") and token_file is None:
        print("warning: Anybody who reaches this address is answered. Give --token-file.", file=sys.stderr)
    if monitor is not None and not monitor.is_dir():
        raise InputError(f"--monitor: {monitor} is not a folder. Create it, or name another.")
    limits = Limits(
        max_bytes, max_texts, max_characters, queue, receive_seconds=receive_timeout, answer_seconds=timeout
    )
    serve(
        Settings(
            tuple(bundles),
            host,
            port,
            available_threads() if threads is None else threads,
            tuple(manifest_sha256 or ()),
            token_file,
            quiet,
            limits,
            monitor,
        ),
        ready=lambda address: print(json.dumps({"address": address}) if as_json else address, flush=True),
    )
