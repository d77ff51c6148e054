"""The server: a socket, signals, and uvicorn with everything off that this service has no use for."""

import asyncio
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import uvicorn

from distill.export.runtime import InputError
from distill.serving.app import Application
from distill.serving.guard import MAX_HEAD_BYTES, guarded
from distill.serving.limits import Limits
from distill.serving.log import Log
from distill.serving.service import Service

# a shorter one can be guessed
MIN_TOKEN_CHARACTERS = 16

MAX_TOKEN_BYTES = 4096

KEEP_ALIVE_SECONDS = 15

BACKLOG = 512

# of open requests, after the signal to stop
GRACE_SECONDS = 10


@dataclass(frozen=True)
class Settings:
    """All that `distill serve` is told."""

    folders: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 8000
    threads: int = 1
    pins: tuple[str, ...] = ()
    token_file: Path | None = None
    quiet: bool = False
    limits: Limits = field(default_factory=Limits)
    watch: Path | None = None


def serve(settings: Settings, ready: Callable[[str], None] = lambda address: None) -> None:
    """Serve bundles until a signal ends it; SIGHUP exchanges the bundles.

    Args:
        settings: bundles, address, threads, token and bounds.
        ready: is called with the address, once it is bound and all bundles have passed their self-tests.

    Raises:
        InputError: the address cannot be used, the token is too short, or an argument is wrong.
        BundleError: a bundle is refused.
        CheckFailedError: a bundle answers differently on this machine.
    """
    token = None if settings.token_file is None else read_token(settings.token_file)
    log = Log(quiet=settings.quiet)
    service = Service(
        settings.folders,
        settings.pins,
        limits=settings.limits,
        threads=settings.threads,
        log=log,
        watch=settings.watch,
    )
    listening = bind(settings.host, settings.port)
    try:
        with asyncio.Runner(loop_factory=_event_loop()) as runner:
            runner.run(_run(service, token, listening, ready))
    finally:
        service.close()
        listening.close()


async def _run(
    service: Service, token: str | None, listening: socket.socket, ready: Callable[[str], None]
) -> None:
    limits = service.limits
    config = uvicorn.Config(
        Application(service, token),
        http=guarded(_protocol(), seconds=limits.receive_seconds, most=limits.connections),
        ws="none",
        interface="asgi3",
        lifespan="off",
        # its own logs would hold addresses, and an exception's message
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    reloads = _on_hangup(service)
    ready(address_of(listening))
    service.log.event(
        "ready", address=address_of(listening), bundles=[each.sha256 for each in service.bundles.by_name.values()]
    )
    await uvicorn.Server(config).serve(sockets=[listening])
    for reload in reloads:
        reload.cancel()


def _event_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the event loop: uvloop, in C, where the platform has it, or None for Python's own."""
    if find_spec("uvloop") is None:
        return None
    from uvloop import new_event_loop

    return new_event_loop


def _protocol() -> Callable[..., Any]:
    """Return uvicorn's parser of HTTP: the one in C takes a third of the other's time."""
    if find_spec("httptools") is None:
        from uvicorn.protocols.http.h11_impl import H11Protocol as Protocol
    else:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol as Protocol
    return Protocol  # type: ignore[no-any-return]


def _on_hangup(service: Service) -> "set[asyncio.Task[None]]":
    """Exchange the bundles at SIGHUP, which Windows does not have; return the exchanges that are under way."""
    under_way: set[asyncio.Task[None]] = set()
    hangup = getattr(signal, "SIGHUP", None)
    if hangup is None:
        return under_way

    def reload() -> None:
        task = asyncio.ensure_future(service.reload())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    asyncio.get_running_loop().add_signal_handler(hangup, reload)
    return under_way


def bind(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        InputError: the address is in use, not of this machine, or not to be had.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # with its protocol named, or asyncio leaves Nagle's algorithm on, which holds each answer for 40 ms
        bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(
            f"{host}:{port}: The address is unknown. Give --host and --port of this machine."
        ) from error
    try:
        if hasattr(socket, "SO_REUSEADDR") and not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # not on Windows
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(BACKLOG)  # from here on clients wait until they are accepted
    except OSError as error:
        bound.close()
        raise InputError(
            f"{host}:{port}: The address cannot be used ({error.strerror}). Choose another --port or --host."
        ) from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def read_token(file: Path) -> str:
    """Return the token in a file's only line.

    Raises:
        InputError: the file cannot be read, or holds no single line of enough visible ASCII characters.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_TOKEN_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file}: The token cannot be read ({error.strerror}). Check --token-file.") from error
    token = content.decode("ascii", "replace").strip()
    visible = all("!" <= character <= "~" for character in token)
    if not visible or not MIN_TOKEN_CHARACTERS <= len(token) <= MAX_TOKEN_BYTES:
        raise InputError(
            f"{file}: The token must be one line of at least {MIN_TOKEN_CHARACTERS} visible ASCII characters. "
            "Make one, for instance with `openssl rand -hex 32`."
        )
    return token
