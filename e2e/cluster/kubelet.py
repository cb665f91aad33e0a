"""The part of a kubelet's server that `kubectl logs` asks: what containers wrote."""

import http.server
import ssl
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from network import NODE_ADDRESS

PORT = 10250
# How often a log that is followed is looked at again.
FOLLOW_SECONDS = 0.2


def serve(logs, certificates):
    """Answers the API server from now on, in threads of its own. It takes any certificate here, so
    its own will do."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer(self, Path(logs))

        def log_message(self, *_):
            """Every question would be a line."""

    server = http.server.ThreadingHTTPServer((NODE_ADDRESS, PORT), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()


def answer(request, logs):
    """One question: /containerLogs/NAMESPACE/POD/CONTAINER?tailLines=N&follow=true"""
    asked = urlsplit(request.path)
    options = parse_qs(asked.query)
    parts = asked.path.strip("/").split("/")
    log = logs / f"{'.'.join(parts[1:])}.log"
    if parts[0] != "containerLogs" or not log.is_file():
        request.send_error(404, "the process node has only logs")
        return
    request.send_response(200)
    request.send_header("content-type", "text/plain")
    request.end_headers()
    with open(log, "rb") as lines:
        written = lines.readlines()
        wanted = int(options.get("tailLines", [len(written)])[0])
        request.wfile.writelines(written[len(written) - min(wanted, len(written)):])
        try:
            while options.get("follow") == ["true"]:
                request.wfile.write(lines.read())
                time.sleep(FOLLOW_SECONDS)
        except OSError:
            pass  # The reader has left.
