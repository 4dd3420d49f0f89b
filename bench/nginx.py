"""The peer: nginx with one worker and a static answer, over TLS with client certificates."""
import os
import pathlib
import subprocess
import time

CONFIG = """
{user}
daemon off;
worker_processes 1;
pid {path}/nginx.pid;
error_log {path}/error.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    sendfile on;
    tcp_nodelay on;
    keepalive_requests 100000000;
    open_file_cache max=100;
    open_file_cache_valid 1h;
    client_max_body_size 0;
    client_body_temp_path {path}/body;
    types {{ }}
    default_type application/cbor;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_protocols TLSv1.3;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_client_certificate {ca};
        ssl_verify_client optional;
        ssl_session_cache shared:s:10m;
        root {path}/root;
    }}
}}
"""


class Nginx:
    def __init__(self, path, port, data_dir):
        self.path, self.port = pathlib.Path(path), port
        (self.path / "root").mkdir(parents=True)
        pki = pathlib.Path(data_dir) / "pki"
        (self.path / "nginx.conf").write_text(CONFIG.format(
            user="user root;" if os.getuid() == 0 else "", path=self.path, port=port, certificate=pki / "server.crt", key=pki / "server.key",
            ca=pki / "ca.crt"))

    def put(self, name, body):
        (self.path / "root" / name).write_bytes(body)

    def start(self, wrapper=()):
        self.process = subprocess.Popen([*wrapper, "nginx", "-c", str(self.path / "nginx.conf"),
                                         "-e", str(self.path / "error.log")])
        time.sleep(0.5)
        return self

    def stop(self):
        self.process.terminate()
        self.process.wait()
