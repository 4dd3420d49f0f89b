"""A device that says what a test wants, over TLS of its own: no agent in between."""
import http.client
import pathlib
import socket
import ssl

from fake import cbor_decode, cbor_encode, openssl

MIME = "application/cbor"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def message(self):
        return cbor_decode(self.body)

    @property
    def refusal(self):
        """(name of the error, sentence)"""
        return self.message[1], self.message[2]


class Raw:
    """Key, certificate and connection of one device."""

    def __init__(self, server, path, name):
        self.server, self.name = server, name
        self.path = pathlib.Path(path)
        self.path.mkdir(parents=True, exist_ok=True)
        self.key, self.cert = self.path / "device.key", self.path / "device.crt"
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                self.key)
        self.connection = None
        self.report_id = 0

    # ---- certificates ----

    def request(self, name=None):
        """A signing request, DER."""
        return openssl("req", "-new", "-key", self.key, "-subj", f"/CN={name or self.name}",
                       "-outform", "DER")

    def key_sha256(self):
        """As a list of pre-authorised devices names a key."""
        return openssl("dgst", "-sha256", "-r", data=openssl(
            "pkey", "-in", self.key, "-pubout", "-outform", "DER")).split()[0].decode()

    def keep(self, der):
        self.cert.write_bytes(openssl("x509", "-inform", "DER", data=der))

    def certify(self, ca, ca_key, subject, *options):
        """A certificate made behind the server's back."""
        request = openssl("req", "-new", "-key", self.key, "-subj", subject)
        self.cert.write_bytes(openssl("x509", "-req", "-CA", ca, "-CAkey", ca_key,
                                      "-set_serial", "4711", *(options or ("-days", "30")),
                                      data=request))

    # ---- TLS ----

    def context(self, cert=True, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=str(self.server.ca))
        context.minimum_version = context.maximum_version = version
        if cert and self.cert.exists():
            context.load_cert_chain(self.cert, self.key)
        return context

    def connect(self, context=None, session=None):
        """A connection that ask() uses until close()."""
        self.close()
        context = context or self.context()
        sock = socket.create_connection(("127.0.0.1", self.server.port), 20)
        self.connection = http.client.HTTPSConnection("127.0.0.1", self.server.port)
        self.connection.sock = context.wrap_socket(sock, server_hostname="127.0.0.1",
                                                   session=session)
        return self.connection.sock

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    # ---- the protocol ----

    def ask(self, method, path, body=None, headers=None, kind=MIME):
        """On the open connection, or on one for this question alone."""
        alone = self.connection is None
        if alone:
            self.connect()
        headers = {**({"Content-Type": kind} if body is not None else {}), **(headers or {})}
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            if alone:
                self.close()

    def post(self, word, message):
        return self.ask("POST", f"/device/v1/{word}", cbor_encode(message))

    def enroll(self, claim=None, name=None, **attributes):
        message = {1: name or self.name, 3: self.request(name), 4: attributes}
        if claim is not None:
            message[2] = claim
        answer = self.post("enroll", message)
        if answer.status == 201:
            self.keep(answer.message[1])
        return answer

    def renew(self):
        return self.post("renew", {3: self.request()})

    def poll(self, running=bytes(32), **more):
        message = {1: running, 2: "1.0", 3: 1, 4: 0, 5: bytes(8), 6: 0}
        message.update({int(key[1:]): value for key, value in more.items()})
        return self.post("poll", message)

    def report(self, assignment, phase, running=bytes(32), **more):
        self.report_id += 1
        return self.post("report", {1: self.report_id, 2: assignment, 3: phase, 5: running, 8: 1,
                                    **{int(key[1:]): value for key, value in more.items()}})
