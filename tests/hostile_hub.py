"""A Hub on the loopback that answers byte by byte as a test says.

Not imported by anything but tests. It knows one commit, and is honest but for what a twist makes of
an answer.
"""

import json
import socketserver
import threading
import time
from types import SimpleNamespace

COMMIT = "c0ffee" + 34 * "0"


class HostileHub:
    """The server's state.

    Attributes:
        files: The files of every repository, name → bytes.
        where: Which answers are twisted: those to requests whose path has this in it.
        twist: Is handed such an answer (status, headers, body), and changes it; the body may be a
            function that is given a way to send bytes.
        requests: The paths of all requests.
    """

    def __init__(self):
        self.server = socketserver.ThreadingTCPServer(
            ("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": self})
        )
        self.server.daemon_threads = True
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.005,), daemon=True).start()
        self.files, self.where, self.twist, self.requests = {}, "", None, []
        self.over = threading.Event()

    def close(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path):
        headers = {
            "Content-Type": "application/octet-stream",
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{40 * "a"}"',
        }
        file = path.partition("?")[0].rpartition("/")[2]
        if "/revision/" in path:
            body, headers["Content-Type"] = json.dumps({"sha": COMMIT}).encode(), "application/json"
        elif f"/resolve/{COMMIT}/" in path and file in self.files:
            body = self.files[file]
        else:
            return SimpleNamespace(status=404, headers={"Content-Length": 0}, body=b"")
        return SimpleNamespace(
            status=200, headers=headers | {"Content-Length": len(body)}, body=body
        )


class _Handler(socketserver.StreamRequestHandler):
    hub: HostileHub

    def handle(self):
        path = self.rfile.readline().split()[1].decode()
        while self.rfile.readline().strip():
            pass
        self.hub.requests.append(path)
        answer = self.hub.answer(path)
        if self.hub.where in path and self.hub.twist:
            self.hub.twist(answer)
        head = [
            f"HTTP/1.1 {answer.status} Whatever",
            *(f"{k}: {v}" for k, v in answer.headers.items()),
        ]
        head.append("Connection: close")
        raw = "\r\n".join(head).encode("latin-1") + b"\r\n\r\n"
        try:
            if callable(answer.body):
                answer.body(self, raw)
            else:
                self.wfile.write(raw + answer.body)
        except OSError:
            pass

    def drip(self, raw):
        """Sends a byte again and again until the client has gone, or the test is over."""
        for number in range(10**6):
            if self.hub.over.is_set():
                return
            self.wfile.write(raw[number % len(raw) : number % len(raw) + 1])
            time.sleep(0.02)

    def flood(self, piece):
        """Sends as much as the client takes."""
        while not self.hub.over.is_set():
            self.wfile.write(piece)
