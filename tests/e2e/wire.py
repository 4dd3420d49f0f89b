"""A TCP relay between devices and their server that can be slowed down, cut, and counts."""
import contextlib
import socket
import threading
import time

PIECE = 4096


class Wire:
    """Relays connections to a port on loopback. `rate` bounds the bytes a second that each
    connection brings to its device; None: no bound."""

    def __init__(self, target_port, rate=None):
        self.target_port, self.rate = target_port, rate
        self.down = 0
        self.tries = []  # when somebody wanted to connect, time.monotonic()
        self.whole = True
        self.open = set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"https://127.0.0.1:{self.port}"

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                device, _ = self.listener.accept()
                self.tries.append(time.monotonic())
                threading.Thread(target=self.relay, args=(device,), daemon=True).start()

    def relay(self, device):
        try:
            with device, socket.socket() as server:
                server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
                if not self.whole:
                    return
                server.connect(("127.0.0.1", self.target_port))
                self.open |= {device, server}
                up = threading.Thread(target=self.pump, args=(device, server), daemon=True)
                up.start()
                self.pump(server, device, downwards=True)
                up.join()
        except OSError:
            pass
        finally:
            self.open -= {device, server}

    def pump(self, source, sink, downwards=False):
        try:
            while piece := source.recv(PIECE):
                sink.sendall(piece)
                if downwards:
                    self.down += len(piece)
                    if self.rate:
                        time.sleep(len(piece) / self.rate)
        except OSError:
            pass
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """Break what is open and let nobody through."""
        self.whole = False
        for end in tuple(self.open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def mend(self):
        self.whole = True

    def close(self):
        self.listener.close()
        self.cut()
