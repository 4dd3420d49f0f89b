"""A server in the wrong hands: it has slipwayd's certificate and passes questions on to it, and
changes the answers as it likes.

The devices' keys are lent to it, so that slipwayd knows who asks; a liar that sits in slipwayd
itself would not need them. It can sign assignments as slipwayd does.
"""
import http.client
import http.server
import ssl
import threading

from fake import Key, cbor_decode, cbor_encode, cbor_item

MANDATE = {"device": 2, "sequence": 3, "nonce": 4, "action": 7, "sha256": 8, "target": 9}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        liar = self.server.liar
        status, headers, content = liar.ask(self.name(), self.command, self.path, body,
                                            self.headers)
        status, content = liar.change(self.name(), self.path, self.headers, status, content)
        self.send_response(status)
        for name in ("Content-Type", "ETag", "Retry-After", "Content-Range"):
            if headers.get(name):
                self.send_header(name, headers[name])
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_POST = do_HEAD = answer

    def name(self):
        certificate = self.connection.getpeercert()
        return dict(item[0] for item in certificate["subject"])["commonName"] if certificate else ""


class Tls(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def get_request(self):
        connection, address = super().get_request()
        return self.liar.context.wrap_socket(connection, server_side=True,
                                             do_handshake_on_connect=False), address

    def handle_error(self, *_):
        pass  # a client that went away


class Liar:
    """Lies are functions (headers, status, content) -> (status, content) by what the path holds,
    or by "poll" (message -> message)."""

    def __init__(self, world):
        self.world = world
        self.lies, self.poll_lie = {}, None
        server = world.server
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server.data / "pki/server.crt", server.data / "pki/server.key")
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self.context.load_verify_locations(server.ca)
        self.http = Tls(("127.0.0.1", 0), Handler)
        self.http.liar = self
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.http.server_address[1]}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def tell_the_truth(self):
        self.lies, self.poll_lie = {}, None

    def assign(self, signed, **changes):
        """The assignment with other members, signed by `key`: by default slipwayd's own."""
        key = changes.pop("key", self.world.server.data / "pki/assignment.key")
        _, at = cbor_item(signed, 2)  # behind the tag and the head of the array: protected
        payload, _ = cbor_item(signed, at + 1)  # behind the empty map
        members = cbor_decode(payload)
        members.update({MANDATE[name]: value for name, value in changes.items()})
        return self.signer(key).sign1(cbor_encode(members))

    def signer(self, path):
        copy = self.world.path / f"copy-of-{path.name}"
        if not copy.exists():
            copy.write_bytes(path.read_bytes())
        return Key(copy)

    def ask(self, name, method, path, body, headers):
        context = ssl.create_default_context(cafile=str(self.world.server.ca))
        if name:
            state = self.world.path / "devices" / name / "state"
            context.load_cert_chain(state / "device.crt", state / "device.key")
        connection = http.client.HTTPSConnection("127.0.0.1", self.world.server.port, timeout=30,
                                                 context=context)
        passed = {key: headers[key] for key in ("Content-Type", "Range") if headers.get(key)}
        try:
            connection.request(method, path, body or None, passed)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def change(self, name, path, headers, status, content):
        if path == "/device/v1/poll" and status == 200 and self.poll_lie:
            return status, cbor_encode(self.poll_lie(cbor_decode(content)))
        for part, lie in list(self.lies.items()):
            if part in path:
                return lie(headers, status, content)
        return status, content
