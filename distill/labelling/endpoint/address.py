"""The address of a server, and whether texts sent there leave this machine."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from distill.export.runtime.errors import InputError

PORTS = {"http": 80, "https": 443}

# characters that a path holds as they are; others are sent in percents
IN_PATHS = "/%~:@!$&'()*+,;="


@dataclass(frozen=True)
class Address:
    """The parts of a server's url; `path` ends without a slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def is_local(self) -> bool:
        """Return whether it is this machine: localhost, or a loopback address."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def address_of(url: str, *, allow_remote: bool) -> Address:
    """Return the parts of a url, before anything is sent.

    Args:
        url: such as ``http://127.0.0.1:8080/v1``.
        allow_remote: whether it may be another machine.

    Raises:
        InputError: it is not a url of http or https, it holds a password, or it is another machine without leave.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        parts, host, port = urlsplit(""), None, None
    if parts.scheme not in PORTS or not host or parts.query or parts.fragment:
        raise InputError("`url` is not the address of a server. Give one such as http://127.0.0.1:8080/v1.")
    if parts.username or parts.password:
        raise InputError("`url` holds a user or a password. Put the key into a variable and name it in `key_env`.")
    path = quote(parts.path.rstrip("/"), safe=IN_PATHS)
    address = Address(parts.scheme, host, port or PORTS[parts.scheme], path)
    if not address.is_local and not allow_remote:
        raise InputError(
            f"`url` is on another machine ({host}), and nothing was sent. Set `allow_remote` = true if the texts "
            "may leave this one."
        )
    return address
