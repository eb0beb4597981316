"""Whatever a Hub answers: nothing is written outside the cache, nothing bad is loaded, and what
fails does so in time, in one line.
"""

import gzip
import json
import os
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hostile_hub import COMMIT, HostileHub

import drawzoo
from drawzoo.disk.paths import hub_cache
from drawzoo.engine.saving import write_model
from drawzoo.schema.manifest import CONFIG, FILES, WEIGHTS, Published, pins
from drawzoo.store import client as hub_client
from drawzoo.store import published as published_store
from drawzoo.store.fetching import repository_folder, snapshot

NAME = "draw-mnist"
REPOSITORY = "user/hostile"
TARGETS = {"pinned": (NAME, "--source", "hub"), "stranger": (f"hf-hub:{REPOSITORY}",)}

GOOD = 0
PATIENT = 60.0
"""Seconds that a sound answer may take on a busy machine."""


# What is done to an answer.


def header(name, value):
    return lambda answer: answer.headers.update({name: value})


def without(*names):
    return lambda answer: [answer.headers.pop(name) for name in names]


def status(code, body=b"", **headers):
    def twist(answer):
        answer.status, answer.body = code, body
        answer.headers |= {"Content-Length": len(body)} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }

    return twist


def body(change, *, announced=True):
    def twist(answer):
        answer.body = change(answer.body)
        if announced:
            answer.headers["Content-Length"] = len(answer.body)

    return twist


def redirect(location, code=302):
    return status(code, b"", Location=location)


def sent(send, **headers):
    """Hands the connection and the answer's head to `send`, without a length unless given."""

    def twist(answer):
        content = answer.body
        answer.headers.pop("Content-Length")
        answer.headers |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer.body = lambda handler, head: send(handler, head, content)

    return twist


def reset(handler, head, content):
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.connection.close()


def reset_in_the_middle(handler, head, content):
    handler.wfile.write(head + content[: len(content) // 2])
    reset(handler, head, content)


def raw(data):
    return sent(lambda handler, head, content: handler.wfile.write(data))


def silent(handler, head, content):
    handler.hub.over.wait(30)


def packed(answer):
    answer.body = gzip.compress(bytes(10**7))
    answer.headers |= {"Content-Encoding": "gzip", "Content-Length": len(answer.body)}


def safetensors(head, content=b""):
    return body(lambda _: struct.pack("<Q", len(head)) + head + content)


def announcing(size):
    return sent(
        lambda handler, head, content: (handler.wfile.write(head), handler.flood(bytes(1 << 16))),
        Content_Length=size,
    )


def endless(handler, head, content):
    handler.wfile.write(head)
    handler.flood(bytes(1 << 16))


def chunked(handler, head, content):
    handler.wfile.write(head + b"5\r\nabcde\r\n-1\r\n")


def drip_body(handler, head, content):
    handler.wfile.write(head)
    handler.drip(content)


def drip_chunk_size(handler, head, content):
    handler.wfile.write(head)
    handler.drip(b"0")


def drip_head(handler, head, content):
    handler.wfile.write(head[:20])
    handler.drip(b"X-Padding: a\r\n")


def continues(handler, head, content):
    handler.drip(b"HTTP/1.1 100 Continue\r\n\r\n")


def deep(_):
    return b"[" * 100_000


WORLD = "{world}"  # is replaced by the watched folder

# Case → which answers, what is done to them, exit codes for a pinned model and for a stranger's.
CASES = {
    # The name of a file, the client might think.
    "ETag, absolute path": ("", header("ETag", f'"{WORLD}/outside/x.pth"'), GOOD, GOOD),
    "ETag, relative path": ("", header("ETag", '"../../../../x.pth"'), GOOD, GOOD),
    "ETag, two dots": ("", header("ETag", '".."'), GOOD, GOOD),
    "ETag, encoded": ("", header("ETag", '"%2e%2e%2fx"'), GOOD, GOOD),
    "ETag, empty": ("", header("ETag", ""), GOOD, GOOD),
    "ETag, none": ("", without("ETag"), GOOD, GOOD),
    "ETag, long": ("", header("ETag", "a" * 20_000), GOOD, GOOD),
    "ETag, NUL": ("", header("ETag", '"a\0b"'), 10, 10),
    "ETag, quotes": ("", header("ETag", 'W/""a"b""'), GOOD, GOOD),
    "linked ETag": ("", header("X-Linked-Etag", f'"{WORLD}/outside/x.pth"'), GOOD, GOOD),
    "linked size": ("", header("X-Linked-Size", "-1"), GOOD, GOOD),
    "Xet": ("", header("X-Xet-Hash", "../../x"), GOOD, GOOD),
    "file name": (
        "",
        header("Content-Disposition", f'attachment; filename="{WORLD}/outside/x.pth"'),
        GOOD,
        GOOD,
    ),
    "link": ("", header("Link", f'<file://{WORLD}/outside>; rel="xet-auth"'), GOOD, GOOD),
    # Another commit than asked for.
    "other commit": ("resolve", header("X-Repo-Commit", 40 * "f"), 10, 10),
    "commit is a path": ("resolve", header("X-Repo-Commit", f"{WORLD}/outside"), 10, 10),
    "commit is short": ("revision", body(lambda _: b'{"sha": "c0ffee"}'), None, 10),
    "commit is a path, resolved": (
        "revision",
        body(lambda _: b'{"sha": "../../../outside"}'),
        None,
        10,
    ),
    "commit is no text": ("revision", body(lambda _: b'{"sha": [1]}'), None, 10),
    "commit is nothing": ("revision", body(lambda _: b"{}"), None, 10),
    "list for an object": ("revision", body(lambda _: b'[{"sha": 1}]'), None, 10),
    "deep answer": ("revision", body(deep), None, 10),
    "answer is no text": ("revision", body(lambda _: bytes(range(256))), None, 10),
    "siblings are paths": (
        "revision",
        body(
            lambda raw: json.dumps(
                json.loads(raw) | {"siblings": [{"rfilename": "../../../outside/x.pth"}]}
            ).encode()
        ),
        None,
        GOOD,
    ),
    "long answer": ("revision", body(lambda raw: raw + b" " * (2 << 20)), None, 6),
    # Redirects.
    "to itself": ("", redirect(""), 10, 10),
    "in a circle": (f"/{REPOSITORY}/", redirect(f"/{REPOSITORY}/resolve/x"), 10, 10),
    "to a file": ("", redirect(f"file://{WORLD}/secret"), 10, 10),
    "to no place": ("", redirect("http://"), 10, 10),
    "to nonsense": ("", redirect("http://[:::1]:port/\u00ff"), 10, 10),
    "to FTP": ("", redirect("ftp://127.0.0.1/x"), 10, 10),
    "to data": ("", redirect("data:application/json,{}"), 10, 10),
    "to a closed port": ("", redirect("http://127.0.0.1:9/x"), 10, 10),
    "to other bytes": ("resolve", redirect("/api/models/a/b/revision/x"), 6, 3),
    "without a place": ("", status(302), 10, 10),
    # Refusals.
    **{
        f"{code}": ("resolve", status(code, b"<html>" * 10_000), 10, 10)
        for code in (204, 206, 304, 400, 401, 403, 404, 418, 429, 500, 503, 599)
    },
    "404 with a long body": ("", sent(lambda h, head, _: endless(h, head, _)), 6, 6),
    "error code": ("", status(404, b"", X_Error_Code="\x7f" * 500), 10, 10),
    # Lengths.
    "length too small": (WEIGHTS, header("Content-Length", 10), 6, 6),
    "length too large": (WEIGHTS, header("Content-Length", 10**6), 6, 10),
    "length negative": (WEIGHTS, header("Content-Length", -1), 10, 10),
    "length no number": (WEIGHTS, header("Content-Length", "many"), 10, 10),
    "length huge": (WEIGHTS, header("Content-Length", 9 * "9" + 30 * "9"), 10, 10),
    "length none": (WEIGHTS, without("Content-Length"), GOOD, GOOD),
    "none, and cut": (
        WEIGHTS,
        sent(lambda h, head, raw: h.wfile.write(head + raw[:-9])),
        6,
        6,
    ),
    "1 GB of weights": (WEIGHTS, announcing(1 << 30), 6, 6),
    "1 GB of configuration": (CONFIG, announcing(1 << 30), 6, 6),
    "endless configuration": (CONFIG, sent(endless), 6, 6),
    "endless weights": (WEIGHTS, sent(endless), 6, 6),
    "cut": (WEIGHTS, body(lambda raw: raw[:-1], announced=False), 10, 10),
    "nothing": (WEIGHTS, body(lambda raw: b""), 6, 6),
    "broken chunks": (WEIGHTS, sent(chunked, Transfer_Encoding="chunked"), 10, 10),
    # What is sent.
    "gzip bomb": (CONFIG, packed, 10, 10),
    "HTML": (CONFIG, body(lambda raw: b"<!DOCTYPE html><html></html>"), 6, 3),
    "HTML type": ("", header("Content-Type", "text/html; charset=\x80"), GOOD, GOOD),
    "list": (CONFIG, body(lambda raw: b"[]"), 6, 3),
    "deep": (CONFIG, body(deep), 6, 3),
    "pickle": (WEIGHTS, body(lambda raw: b"\x80\x04\x95ctest\n."), 6, 6),
    "giant header": (WEIGHTS, body(lambda raw: b"\xff" * 7 + b"\0{}"), 6, 6),
    "paths for tensors": (
        WEIGHTS,
        safetensors(b'{"../../x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', bytes(4)),
        6,
        6,
    ),
    "promises 100 GB": (
        WEIGHTS,
        safetensors(b'{"a":{"dtype":"F32","shape":[25000000000],"data_offsets":[0,100000000000]}}'),
        6,
        6,
    ),
    "one bit": (WEIGHTS, body(lambda raw: raw[:-4] + b"\0\0\xc0\x7f"), 6, 6),
    # The line.
    "reset": ("", sent(reset), 10, 10),
    "reset in the middle": (WEIGHTS, sent(reset_in_the_middle, Content_Length=3000), 10, 10),
    "no HTTP": ("", raw(b"SSH-2.0-OpenSSH_9\r\n"), 10, 10),
    "long headers": ("", raw(b"HTTP/1.1 200 OK\r\nA: " + b"a" * 300_000), 10, 10),
    "status of letters": ("", raw(b"HTTP/1.1 abc OK\r\n\r\n"), 10, 10),
}

# Those that would go on for ever.
STALLS = {
    "silence": ("", sent(silent), 10, 10),
    "drips a body": (CONFIG, sent(drip_body), 10, 10),
    "drips weights": (WEIGHTS, sent(drip_body, Content_Length=500), 10, 10),
    "drips a chunk's size": (CONFIG, sent(drip_chunk_size, Transfer_Encoding="chunked"), 10, 10),
    "drips headers": ("", sent(drip_head), 10, 10),
    "continues for ever": ("", sent(continues), 10, 10),
}

CASES |= STALLS


class Writes:
    """What this process opens to write, makes, moves and links, while it is watched."""

    EVENTS = ("open", "os.mkdir", "os.rename", "os.link", "os.symlink")

    def __init__(self):
        self.paths = None
        sys.addaudithook(self.see)

    def see(self, event, args):
        if self.paths is None or event not in self.EVENTS:
            return
        if event == "open":
            path, _, flags = args
            if isinstance(path, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
            self.paths.append(path)
        else:
            self.paths += [arg for arg in args if isinstance(arg, str | bytes | os.PathLike)]


WRITES = Writes()


@pytest.fixture
def world(monkeypatch, tmp_path):
    """The watched folder: home, working folder, temporary folder, and the cache in it."""
    world = tmp_path / "world"
    for name in ("home", "tmp", "here", "outside"):
        (world / name).mkdir(parents=True)
    (world / "secret").write_text("secret")
    monkeypatch.setenv("HOME", str(world / "home"))
    monkeypatch.setenv("TMPDIR", str(world / "tmp"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("HF_HOME", str(world / "hf"))
    monkeypatch.chdir(world / "here")
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return world


@pytest.fixture
def server(monkeypatch, tiny, tmp_path):
    from huggingface_hub import constants

    folder = tmp_path / "model"
    folder.mkdir()
    model = drawzoo.build(tiny())
    write_model(folder, model.config, model.state_dict())
    for name in set(FILES) - {CONFIG, WEIGHTS}:
        (folder / name).write_bytes(f"content of {name}".encode())
    published = Published(
        repository=REPOSITORY, commit=COMMIT, parameters=1, files=pins(folder), figures=[]
    )
    server = HostileHub()
    server.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    server.published = published
    monkeypatch.setattr(constants, "ENDPOINT", server.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", PATIENT)
    yield server
    server.close()


def tree(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", CASES)
def test_answer(monkeypatch, world, server, invoke, case, target):
    where, twist, *codes = CASES[case]
    expected = codes[target == "stranger"]
    if expected is None:
        pytest.skip("a pinned model asks nothing of this kind")
    known = {NAME: server.published} if target == "pinned" else {}
    monkeypatch.setattr(published_store, "read", lambda path: known)

    def made(answer):
        twist(answer)
        answer.headers = {
            name: str(value).replace(WORLD, str(world)) for name, value in answer.headers.items()
        }

    server.where, server.twist = where, made
    monkeypatch.setattr(hub_client, "DEADLINE", 0.4 if case in STALLS else PATIENT)
    cache, before = hub_cache(), tree(world)
    start = time.monotonic()
    WRITES.paths = []
    try:
        code, out, said = invoke("pull", *TARGETS[target])
    finally:
        written, WRITES.paths = WRITES.paths, None
    elapsed = time.monotonic() - start
    after = tree(world)

    assert any(where in path for path in server.requests)
    assert code == expected, said
    # Nothing but a stall waits for the deadline, and a stall waits for its own.
    assert elapsed < PATIENT
    outside = {path: raw for path, raw in after.items() if not path.is_relative_to(world / "hf")}
    assert outside == before
    for path in map(os.fsdecode, written):
        place = Path(path)
        assert place.is_relative_to(cache) or cache.is_relative_to(place), path
    folder = snapshot(REPOSITORY, COMMIT, cache)
    if expected == GOOD:
        names = FILES if target == "pinned" else (CONFIG, WEIGHTS)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            name: server.files[name] for name in names
        }
        assert out == f"{folder}\n"
        assert not list(repository_folder(REPOSITORY, cache).glob("incoming-*"))
        return
    assert out == ""
    line = said.removeprefix("Error: ").removesuffix("\n")
    assert said == f"Error: {line}\n" and line.isprintable() and len(line) <= 300
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_honest_answers_are_taken(server, world, monkeypatch, invoke):
    """The cases fail for what is wrong in them and for nothing else."""
    monkeypatch.setattr(published_store, "read", lambda path: {NAME: server.published})
    monkeypatch.setattr(hub_client, "DEADLINE", PATIENT)
    for target in TARGETS.values():
        assert invoke("pull", *target)[0] == GOOD


def test_there_are_many():
    assert len(CASES) >= 40
