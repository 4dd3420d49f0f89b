"""Serves repositories over HTTP/1.0, each under a number of its own, and notes what was asked."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        _, number, kind, rest = self.path.split("/", 3)
        repository = self.server.repositories[int(number)]
        name = unquote(rest)
        if kind == "metadata":
            status, content = repository.metadata(name)
        else:
            status, content = repository.target(name)
        if status != 200 or content is None:
            self.send_error(404 if status == 200 else status)
            return
        self.send_response(200)
        if len(self.path) % 2:  # some servers do not say, and only hang up at the end
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content)
        except ConnectionError:
            pass  # who has seen enough hangs up

    def do_HEAD(self):
        self.server.others.append(self.path)
        self.send_error(405)

    do_POST = do_PUT = do_OPTIONS = do_HEAD

    def log_message(self, *args):
        pass


class Server:
    def __init__(self):
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.http.repositories, self.http.others = {}, []
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()
        self.count = 0

    def add(self, repository):
        """The base address of the repository: with "metadata/" and "targets/" below."""
        self.count += 1
        self.http.repositories[self.count] = repository
        return f"http://127.0.0.1:{self.http.server_port}/{self.count}/"

    def drop(self, address):
        del self.http.repositories[int(address.rstrip("/").rsplit("/", 1)[1])]

    def stop(self):
        self.http.shutdown()
        self.http.server_close()
