"""A process without a network: the kernel kills it at its first internet connection, whoever asks for it.

A patched `socket` module would not see what compiled libraries do.
"""

import ctypes
import platform
import struct
import sys

# connect and sendto by architecture, with the kernel's number of the architecture
CALLS = {"x86_64": (0xC000003E, 42, 44), "aarch64": (0xC00000B7, 203, 206)}
SUPPORTED = sys.platform == "linux" and platform.machine() in CALLS and sys.byteorder == "little"
INTERNET_ADDRESS_BYTES = (16, 28)  # sockaddr_in, sockaddr_in6; a path's address is longer
KILLED = -31  # SIGSYS, as subprocess shows it
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
KILL_PROCESS, ALLOW = 0x80000000, 0x7FFF0000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of the kernel's filter machine
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # places in what a filter sees


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]


def forbid() -> None:
    """Forbid it from here on, to this process and all that it starts; there is no way back."""
    architecture, connect, sendto = CALLS[platform.machine()]
    ipv4, ipv6 = INTERNET_ADDRESS_BYTES
    code = [  # what, how many lines to skip if so, and if not, operand
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 0, 9, architecture),
        (LOAD, 0, 0, NUMBER),
        (EQUAL, 0, 2, connect),
        (LOAD, 0, 0, FIRST_ARGUMENT + 8 * 2),
        (EQUAL, 4, 3, ipv4),
        (EQUAL, 0, 4, sendto),
        (LOAD, 0, 0, FIRST_ARGUMENT + 8 * 5),
        (EQUAL, 1, 0, ipv4),
        (EQUAL, 0, 1, ipv6),
        (RETURN, 0, 0, KILL_PROCESS),
        (RETURN, 0, 0, ALLOW),
    ]
    packed = b"".join(struct.pack("<HBBI", *line) for line in code)
    libc = ctypes.CDLL(None, use_errno=True)
    program = _Program(len(code), packed)
    refused = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if refused or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter")
