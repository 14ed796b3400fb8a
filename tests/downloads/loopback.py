"""A web server on this machine with scripted responses.

site = Site()
site.answers = [serves_ranges(body, cut=1000), serves(code=404)]
"""

from __future__ import annotations

import http.server
import socket
import threading


class Site:
    """A web server on loopback. Each of `answers` serves one request, the last all that follow."""

    def __init__(self):
        self.answers, self.asked, self.sent = [], [], []
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                site.asked.append({'path': self.path, **self.headers})
                answer = site.answers.pop(0) if len(site.answers) > 1 else site.answers[0]
                site.sent.append(answer(self) or 0)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):  # the client hung up, as it should
                pass

        self.server = Server(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self.server.server_port}'
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def serves(body=b'', code=200, cut=None, **headers):
    """Sends `body`, but only its first `cut` bytes; underscores in header names stand for hyphens."""

    def answer(handler) -> int:
        handler.send_response(code)
        for name, value in {'Content_Length': len(body), **headers}.items():
            if value is not None:
                handler.send_header(name.replace('_', '-'), str(value))
        handler.end_headers()
        handler.wfile.write(body[:cut])
        return len(body[:cut])

    return answer


def serves_ranges(body, cut=None, **headers):
    """Heeds Range and If-Range."""

    def answer(handler) -> int:
        asked, condition = handler.headers.get('Range'), handler.headers.get('If-Range')
        if not asked or condition not in (None, headers.get('ETag'), headers.get('Last_Modified')):
            return serves(body, cut=cut, **headers)(handler)
        start = int(asked[len('bytes=') : -1])
        place = f'bytes {start}-{len(body) - 1}/{len(body)}'
        return serves(body[start:], 206, cut, Content_Range=place, **headers)(handler)

    return answer


def resets(handler) -> None:
    """Ends the connection with a reset instead of an answer."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b'\1\0\0\0\0\0\0\0')
    handler.connection.close()
