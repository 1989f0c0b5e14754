"""strip-libraries.py STRIP… < names: take debug symbols out of shared libraries, each name ended by a zero byte.

A stripped library takes the place of the first only if the loader still takes it: binutils moves the segments of some files
that patchelf has written (scipy 1.9's among them) to addresses that are not page-aligned.
"""

import os
import struct
import subprocess
import sys


def loadable(path: str) -> bool:
    """Whether offset and address of each PT_LOAD segment of a 64-bit ELF file agree modulo its alignment (gABI, ch. 5)."""
    with open(path, "rb") as file:
        head = file.read(64)
        if head[:5] != b"\x7fELF\x02":
            return False
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        file.seek(table)
        entries = file.read(size * count)
    for start in range(0, size * count, size):
        kind, _flags, offset, address = struct.unpack_from("<IIQQ", entries, start)
        (alignment,) = struct.unpack_from("<Q", entries, start + 48)
        if kind == 1 and alignment > 1 and (address - offset) % alignment:
            return False
    return True


def strip(command: list[str], path: str) -> None:
    """Strip one file in its place, or leave it as it is."""
    part = f"{path}.stripped"
    done = subprocess.run([*command, "-o", part, path], stderr=subprocess.DEVNULL, check=False)
    if done.returncode == 0 and loadable(part):
        os.chmod(part, os.stat(path).st_mode & 0o777)
        os.replace(part, path)
    elif os.path.exists(part):
        os.remove(part)


for name in sys.stdin.buffer.read().split(b"\0"):
    if name:
        strip(sys.argv[1:], os.fsdecode(name))
