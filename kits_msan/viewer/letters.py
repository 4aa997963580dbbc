"""Bytes as text for scripts, 15 bits a letter: base64 takes a quarter more."""

import numpy as np

BITS = 15
FIRST = 0x3000  # no letter from here on by 15 bits ends a line or a text, or is half of a pair


def letters(data: bytes) -> str:
    """Any bytes as text; `bytesOf` in js/volume.js is the way back.

    The first letter says how many bits of the last one are filled up. The code is our choice.
    """
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    spare = -len(bits) % BITS
    groups = np.pad(bits, (0, spare)).reshape(-1, BITS)  # (letters, 15)
    codes = np.packbits(np.pad(groups, ((0, 0), (1, 0))), axis=1).view(">u2").ravel()  # (letters,)
    return (np.concatenate([[spare], codes]) + FIRST).astype("<u2").tobytes().decode("utf-16-le")


def script_file(script: str) -> bytes:
    """What to write for a script that holds letters: UTF-16, which takes two bytes a letter where UTF-8 takes three.

    Browsers know it by the mark at its beginning, from disk as from a server.
    """
    return f"\ufeff{script}".encode("utf-16-le")
