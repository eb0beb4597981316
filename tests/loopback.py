"""A Hub on the loopback for the real client: repositories in memory, and faults on demand.

It speaks what the client needs: resolve, model info, create, validate, preupload, LFS and commit,
and in Xet mode the two tokens. Not imported by anything but tests.
"""

import base64
import hashlib
import json
import os
import re
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote, urlsplit

import xet
import yaml

TOKEN = "hf_loopback"
USER = "user"


def blob_id(data):
    """The identity that the Hub gives a file: SHA-256 for weights, git's for text."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub:
    """The server's state.

    Attributes:
        repositories: user/name → its commits (hash → {path: bytes}), branches and privacy.
        requests: (method, path, token or None) of every request, in order.
        xet: The folder of Xet's storage, a folder for each repository, since only one session at a
            time can upload to one; without it, it is a Hub without Xet.
    """

    def __init__(self):
        self.server = Server(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self}))
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.reset()

    def reset(self):
        self.repositories, self.requests, self.faults, self.stored = {}, [], [], {}
        self.xet, self.xet_hashes, self.etag = None, {}, None
        # The client remembers Xet's tokens by commit, from one test to the next.
        self.salt = os.urandom(8).hex()

    def repository(self, name, private=False):
        new = SimpleNamespace(commits={}, branches={}, private=private)
        return self.repositories.setdefault(name, new)

    def commit(self, name, files, branch="main"):
        """A new commit with exactly these files; returns its hash."""
        repository = self.repository(name)
        text = f"{self.salt} {name} {branch} {len(repository.commits)}"
        commit = hashlib.sha1(text.encode()).hexdigest()
        repository.commits[commit] = dict(files)
        repository.branches[branch] = commit
        return commit

    def fault(self, kind, value=None, *, path="", method="", times=10**6):
        """Makes requests whose path has `path` go wrong.

        Kinds: status (value), reset, hang (value in seconds), slow (bytes a second), truncated
        (value in bytes), wrong (of the right size), commit (another one in X-Repo-Commit).
        """
        self.faults.append([kind, value, path, method, times])

    def fault_for(self, method, path):
        for fault in self.faults:
            kind, value, in_path, of_method, times = fault
            if times and in_path in path and of_method in ("", method):
                fault[-1] -= 1
                return kind, value
        return None, None

    def paths(self, method=""):
        return [path for made, path, _ in self.requests if method in ("", made)]


class Server(ThreadingHTTPServer):
    """A server that takes it in silence when a client goes away."""

    def handle_error(self, request, client_address):
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Refused(Exception):
    def __init__(self, status, code=None):
        self.status, self.code = status, code


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else 40 ms a request
    hub: Hub

    def log_message(self, *_):
        pass

    def do(self):
        url = urlsplit(self.path)
        token = self.headers.get("Authorization")
        self.hub.requests.append((self.command, url.path, token))
        self.kind, self.value = self.hub.fault_for(self.command, url.path)
        body = self.body()
        try:
            if self.kind == "hang":
                time.sleep(self.value)
            if self.kind in ("hang", "reset"):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            if self.kind == "status":
                raise Refused(self.value)
            self.user = None
            if token:
                if token != f"Bearer {TOKEN}":
                    raise Refused(401)
                self.user = USER
            self.route(url.path, parse_qs(url.query), body)
        except Refused as refusal:
            headers = {"X-Error-Code": refusal.code} if refusal.code else {}
            self.answer({"error": "refused"}, refusal.status, headers)
        except OSError:
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do

    def body(self):
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, data, status=200, headers=()):
        raw = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in {"Content-Length": len(raw), **dict(headers)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.kind == "wrong":
            raw = raw[:-1] + bytes([raw[-1] ^ 1])
        if self.kind == "truncated":
            self.close_connection, raw = True, raw[: self.value]
        step = max(1, self.value // 20) if self.kind == "slow" else len(raw) or 1
        for first in range(0, len(raw), step):
            self.wfile.write(raw[first : first + step])
            if self.kind == "slow":
                time.sleep(0.05)

    def route(self, path, query, body):
        if path == "/api/repos/create":
            return self.create(json.loads(body))
        if path == "/api/validate-yaml":
            return self.validate(json.loads(body)["content"])
        if match := re.fullmatch(r"/lfs/([0-9a-f]{64})", path):
            self.hub.stored[match[1]] = body
            return self.answer(b"")
        if match := re.fullmatch(r"/([^/]+/[^/]+)\.git/info/lfs/objects/batch", path):
            return self.batch(json.loads(body))
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            return self.resolve(*match.groups())
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/([a-z-]+)/([^/]+))?", path):
            name, verb, revision = match.groups()
            repository, commit = self.find(name, unquote(revision or "main"))
            if verb in (None, "revision"):
                return self.answer({"id": name, "sha": commit, "siblings": []})
            if verb == "xet-read-token" and self.hub.xet:
                return self.token(name)
            if self.user is None:
                raise Refused(401)
            if verb == "xet-write-token" and self.hub.xet:
                return self.token(name)
            if verb == "preupload":
                return self.preupload(repository.commits.get(commit, {}), json.loads(body))
            if verb == "commit":
                return self.commit(name, repository, commit, body, "create_pr" in query)
        raise Refused(404)

    def token(self, name):
        """In the headers for the client, in the body for hf_xet."""
        storage, until = f"local://{self.hub.xet / name}", int(time.time()) + 3600
        headers = {
            "X-Xet-Cas-Url": storage,
            "X-Xet-Access-Token": "xet",
            "X-Xet-Token-Expiration": until,
        }
        return self.answer({"casUrl": storage, "accessToken": "xet", "exp": until}, 200, headers)

    def validate(self, card):
        """Refuses a card whose metadata is no mapping with a licence."""
        front = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
        try:
            data = yaml.safe_load(front[1]) if front else None
        except yaml.YAMLError:
            data = None
        good = isinstance(data, dict) and isinstance(data.get("license"), str)
        errors = [] if good else [{"message": "no valid metadata"}]
        self.answer({"errors": errors, "warnings": []}, 200 if good else 400)

    def find(self, name, revision):
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and self.user is None):
            raise Refused(404 if self.user else 401, "RepoNotFound")
        commit = repository.branches.get(revision, revision)
        if repository.commits and commit not in repository.commits:
            raise Refused(404, "RevisionNotFound")
        return repository, commit

    def resolve(self, name, revision, file):
        repository, commit = self.find(name, unquote(revision))
        files = repository.commits[commit]
        told = "f" * 40 if self.kind == "commit" else commit
        if file not in files:
            raise Refused(404, "EntryNotFound")
        data = files[file]
        etag = blob_id(data) if self.hub.etag is None else self.hub.etag
        headers = {"X-Repo-Commit": told, "ETag": f'"{etag}"'}
        if xet_hash := self.hub.xet_hashes.get(hashlib.sha256(data).hexdigest()):
            token = f"{self.hub.endpoint}/api/models/{name}/xet-read-token/{commit}"
            headers |= {"X-Xet-Hash": xet_hash, "Link": f'<{token}>; rel="xet-auth"'}
        if match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            first = int(match[1])
            headers["Content-Range"] = f"bytes {first}-{len(data) - 1}/{len(data)}"
            return self.answer(data[first:], 206, headers)
        return self.answer(data, 200, headers)

    def create(self, asked):
        if self.user is None:
            raise Refused(401)
        if (owner := asked.get("organization") or self.user) != self.user:
            raise Refused(403)
        name = f"{owner}/{asked['name']}"
        status = 409 if name in self.hub.repositories else 200
        if status == 200:
            self.hub.repository(name, asked.get("visibility") == "private")
            self.hub.commit(name, {".gitattributes": b""})
        return self.answer({"url": f"{self.hub.endpoint}/{name}", "id": name}, status)

    def preupload(self, files, asked):
        answers = []
        for file in asked["files"]:
            binary = b"\0" in base64.b64decode(file["sample"])
            lfs = binary or file["path"].endswith(".safetensors")
            identity = None
            if (old := files.get(file["path"])) is not None:
                identity = hashlib.sha256(old).hexdigest() if lfs else blob_id(old)
            mode = "lfs" if lfs else "regular"
            answers.append(
                {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": identity}
            )
        return self.answer({"files": answers})

    def batch(self, asked):
        for entry in asked["objects"]:
            href = f"{self.hub.endpoint}/lfs/{entry['oid']}"
            entry["actions"] = {"upload": {"href": href, "header": {}}}
        objects = {"transfer": "basic", "objects": asked["objects"]}
        return self.answer(objects, 200, {"Content-Type": "application/vnd.git-lfs+json"})

    def commit(self, name, repository, head, body, as_pull_request):
        files = dict(repository.commits[head])
        for line in body.splitlines():
            key, value = json.loads(line).values()
            if key == "header" and value.get("parentCommit", head) != head:
                raise Refused(412)
            if key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            if key == "lfsFile":
                files[value["path"]] = self.large(name, value["oid"], value["size"])
        made = self.hub.commit(name, files, "refs/pr/1" if as_pull_request else "main")
        url = f"{self.hub.endpoint}/{name}"
        request = f"{url}/discussions/1" if as_pull_request else None
        return self.answer(
            {"commitUrl": f"{url}/commit/{made}", "commitOid": made, "pullRequestUrl": request}
        )

    def large(self, name, sha256, size):
        """The content of a file that was uploaded before the commit, in either mode."""
        if sha256 not in self.hub.stored:
            folder = self.hub.xet and self.hub.xet / name
            found = folder and xet.stored_hash(folder, sha256)
            if not found:
                raise Refused(400)
            self.hub.xet_hashes[sha256] = found
            self.hub.stored[sha256] = xet.stored_bytes(folder, found, size)
        return self.hub.stored[sha256]
