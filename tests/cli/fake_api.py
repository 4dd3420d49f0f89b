"""A management API just large enough for the command line: answers are set by tests, requests are
kept. Plain HTTP on the loopback interface."""
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Api:
    def __init__(self):
        self.answers = {}  # (method, path pattern) -> list of answers; the last one stays
        self.requests = []  # (method, path with query, headers, body)
        self.blobs = {}
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def set(self, method, path, *answers):
        """An answer is a dict or list (200), (status, dict), (status, dict, headers), or a
        function of (path, headers, body) that returns one."""
        self.answers[method, path] = list(answers)

    def made(self, method):
        return [r for r in self.requests if r[0] == method]

    def _find(self, method, path):
        bare = path.split("?")[0]
        for (m, pattern), answers in self.answers.items():
            if m == method and re.fullmatch(pattern, bare):
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return 404, {"title": "Not found", "status": 404, "detail": f"there is no {bare}"}

    def answer(self, method, path, headers, body):
        with self.lock:
            self.requests.append((method, path, dict(headers), body))
            found = self._find(method, path)
        if callable(found):
            found = found(path, headers, body)
        if not isinstance(found, tuple):
            found = (200, found)
        return found + ({},) if len(found) == 2 else found

    def _handler(api):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def _reply(self, status, body, headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if isinstance(body, list) and body and callable(body[0]):
                    self.send_header("Content-Type", "text/event-stream")
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self.close_connection = True
                    try:
                        body[0](self.wfile)
                    except OSError:
                        pass
                    return
                if isinstance(body, (dict, list)):
                    kind = "application/json" if status < 400 else "application/problem+json"
                    body = json.dumps(body).encode()
                    self.send_header("Content-Type", kind)
                body = body or b""
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def _blob(self, digest):
                if self.command == "PUT":
                    body = self.rfile.read(int(self.headers["Content-Length"]))
                    assert hashlib.sha256(body).hexdigest() == digest
                    api.requests.append(("PUT", self.path, dict(self.headers), b""))
                    api.blobs[digest] = body
                    return self._reply(201, b"", {})
                api.requests.append((self.command, self.path, dict(self.headers), b""))
                return self._reply(200 if digest in api.blobs else 404, b"", {})

            def _any(self):
                blob = re.fullmatch("/api/v1/blobs/([0-9a-f]{64})", self.path)
                if blob and ("PUT", "blobs") not in api.answers:
                    return self._blob(blob[1])
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self._reply(*api.answer(self.command, self.path, self.headers, body))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = _any

        return Handler
