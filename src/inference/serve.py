"""Serve frozen models: a page for people, TensorFlow Serving's REST interface for programs.

    python -m src.inference.serve
    python -m src.inference.serve --model frozen/flowers.pb --port 8080
    curl --data-binary @my_dog.jpg http://127.0.0.1:8501/classify

Without --model it serves the model that consts.py names once that is frozen, and until then the 120 dog
breeds that come with Rootstock. --model may be given several times, and may name a folder of versions
(1.pb, 2.pb, ...); a new version, or a file that is replaced, is picked up without losing a request.
Ctrl-C or SIGTERM ends it after what it began is answered.

It listens to this machine only, unless --host says otherwise; there is no password.
"""

from __future__ import annotations

import argparse
import os
import signal
import threading
import time
from pathlib import Path

from src.common import cli, commands, errors
from src.common.errors import UserError
from src.common.progress import say
from src.inference.predictor import default_model

MB = 1_000_000
# Threads beyond those that may wait for the graph: they tell the others that there is no room.
SPARE_THREADS = 16
CONNECTIONS = 1000
SILENT_SECONDS = 30  # a connection that sends nothing for so long is closed
RECEIVED_AT_ONCE = 1 << 17  # most photos in one or two turns of waitress' loop; its default takes a dozen
SENT_AT_ONCE = 1 << 16  # head and body together, by waitress' loop; its default sends each apart, by threads
STOP_SECONDS = 30


def serve(sources: list[Path], host: str, port: int, queue: int, limits, watch_seconds: float) -> None:
    """Load the models and answer until SIGINT or SIGTERM. Raises UserError when a model cannot be loaded
    or the port is taken."""
    from waitress import create_server
    from waitress.wasyncore import dispatcher

    from src.inference.server.app import create_app
    from src.inference.server.gate import Gate
    from src.inference.server.metrics import Metrics
    from src.inference.server.models import Models

    metrics = Metrics()
    models = Models(sources, metrics.ran)
    gate = Gate(queue, metrics.queued)
    try:
        server = create_server(
            create_app(models, gate, metrics, limits),
            host=host,
            port=port,
            threads=queue + SPARE_THREADS,
            connection_limit=CONNECTIONS,
            channel_timeout=SILENT_SECONDS,
            max_request_body_size=2 * limits.request_bytes,  # the application answers 413 in JSON before
            asyncore_use_poll=True,
            recv_bytes=RECEIVED_AT_ONCE,
            send_bytes=SENT_AT_ONCE,
            ident='',
            clear_untrusted_proxy_headers=True,
        )
    except OSError as error:
        raise UserError(
            f'cannot listen to {host}:{port} ({error.strerror}): choose another --port'
        ) from error
    stopping = threading.Event()

    def stop(*_) -> None:
        """Take no more connections; end once what was begun is answered."""
        stopping.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)  # once more ends it at once
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        gate.close()
        dispatcher.close(server)
        threading.Thread(target=_end_when_idle, args=[server], daemon=True).start()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    threading.Thread(target=models.watch, args=[watch_seconds, stopping], daemon=True).start()
    for name in models.names:
        with models.use(name) as served:
            say(f'{name}: version {served.version}, {len(served.labels):,} classes')
    say(f'open http://{"127.0.0.1" if host == "0.0.0.0" else host}:{server.effective_port}/  (Ctrl-C ends)')
    server.run()
    models.close()
    say('stopped; every request that was taken is answered')


def _end_when_idle(server) -> None:
    """Wait until no request is at work and no answer unsent, then end the server's loop."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline and any(
        channel.requests or channel.total_outbufs_len for channel in list(server.active_channels.values())
    ):
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGINT)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.serve', __doc__)
    made.add_argument(
        '--model', type=Path, action='append', metavar='PB|DIR', help='frozen graph, or folder of versions'
    )
    made.add_argument('--host', default='127.0.0.1', help='0.0.0.0: all networks (default: %(default)s)')
    made.add_argument(
        '--port', type=cli.whole_number(0), metavar='N', default=8501, help='default: %(default)s'
    )
    made.add_argument(
        '--allow-urls', action='store_true', help='fetch pictures from public web addresses that clients give'
    )
    made.add_argument(
        '--max-picture-mb',
        type=cli.whole_number(1),
        metavar='MB',
        default=20,
        help='largest picture (default: %(default)s)',
    )
    made.add_argument(
        '--max-request-mb',
        type=cli.whole_number(1),
        metavar='MB',
        default=60,
        help='largest request (default: %(default)s)',
    )
    made.add_argument(
        '--queue',
        type=cli.whole_number(1),
        metavar='N',
        default=64,
        help='pictures at work at once; more are answered 503 (default: %(default)s)',
    )
    made.add_argument(
        '--watch-seconds',
        type=cli.real_number(0.1, 86400),
        metavar='S',
        default=2,
        help='between looks for new versions (default: %(default)s)',
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    try:
        from src.inference.server.app import Limits
    except ImportError as error:
        raise UserError(f'{error.name} is missing: run {commands.to_install("serve")}') from error
    limits = Limits(args.max_picture_mb * MB, args.max_request_mb * MB, args.allow_urls)
    serve(args.model or [default_model()], args.host, args.port, args.queue, limits, args.watch_seconds)


if __name__ == '__main__':
    errors.run(main)
