"""The storage of the loopback Hub in Xet mode: a folder that the client writes to by itself.

The released hf_xet takes `local://FOLDER` for the address of a storage server, a feature of its own
tests: chunks, xorbs and shards are the real ones, and only the transport is missing.
"""

import shutil
import struct
import tempfile
from pathlib import Path

ENTRY = 48
FOLLOWED_BY_CHECKS, FOLLOWED_BY_SHA256 = 1 << 31, 1 << 30


def stored_hash(folder, sha256):
    """The identity that Xet gave the file of that SHA-256; None if it is not there.

    It is read from the shards: after a header, each file has an entry with its hash, flags and
    number of segments, the segments, a check of each if so flagged, and its SHA-256 if so flagged.
    """
    for shard in Path(folder).glob("xet/xorbs/shards/*.mdb"):
        raw, at = shard.read_bytes(), ENTRY
        while raw[at : at + 32] != b"\xff" * 32 and at + ENTRY <= len(raw):
            found = _hex(raw[at : at + 32])
            flags, segments = struct.unpack_from("<II", raw, at + 32)
            at += ENTRY * (1 + segments * (2 if flags & FOLLOWED_BY_CHECKS else 1))
            if flags & FOLLOWED_BY_SHA256:
                if _hex(raw[at : at + 32]) == sha256:
                    return found
                at += ENTRY
    return None


def stored_bytes(folder, xet_hash, size):
    """The content of a file, as the client puts it together."""
    import hf_xet

    with tempfile.TemporaryDirectory() as place:
        # Who uploaded may still have it open, and nobody else can.
        shutil.copytree(folder, f"{place}/storage")
        session = hf_xet.XetSession()
        with session.new_file_download_group(
            endpoint=f"local://{place}/storage", token="x", token_expiry_unix_secs=2**40
        ) as group:
            group.start_download_file(hf_xet.XetFileInfo(xet_hash, size), f"{place}/file")
        return Path(place, "file").read_bytes()


def _hex(raw):
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", raw))
