"""Serve frozen models: a page for people, TensorFlow Serving's REST interface for programs.

    python -m src.inference.serve
    python -m src.inference.serve --model frozen/flowers.pb --port 8080
    curl --data-binary @my_dog.jpg http://127.0.0.1:8501/classify

Without --model it serves the model that ships with Rootstock (120 dog breeds), whatever else was trained,
and says so. --model may be given several times, and may name a folder of versions
(1.pb, 2.pb, ...); a new version, or a file that is replaced, is picked up without losing a request.
Ctrl-C or SIGTERM ends it after what it began is answered.

It listens to this machine only, unless --host says otherwise; there is no password.
"""

from __future__ import annotations

import argparse
import importlib.util
import signal
import threading
from pathlib import Path

from src.common import cli, commands, errors, paths
from src.common.errors import UserError
from src.common.names import resolve_model
from src.common.progress import say
from src.inference.default_model import default_model, frozen_source, why_default

MB = 1_000_000
# Threads beyond those that may wait for the graph: they tell the others that there is no room.
SPARE_THREADS = 16


def serve(sources: list[Path], host: str, port: int, queue: int, limits, watch_seconds: float) -> None:
    """Load the models and answer until SIGINT or SIGTERM. Raises UserError when a model cannot be loaded,
    the host is unknown or the port is taken."""
    from src.inference.server import listening

    sockets = listening.bind(host, port)  # first: it takes no time, and TensorFlow seconds

    from src.inference.server.admission import AdmissionLimit
    from src.inference.server.app import create_app
    from src.inference.server.metrics import Metrics
    from src.inference.server.models import Models

    metrics = Metrics()
    models = Models(sources, metrics.ran)
    admission = AdmissionLimit(queue, metrics.queued)
    app = create_app(models, admission, metrics, limits)
    # The application answers 413 in JSON before waitress' own limit is reached.
    listener = listening.Listener(app, sockets, queue + SPARE_THREADS, 2 * limits.request_bytes)
    stopping = threading.Event()

    def stop(*_) -> None:
        """Take no more connections; end once what was begun is answered."""
        stopping.set()
        for number in _ending_signals():  # once more ends it at once
            signal.signal(number, signal.default_int_handler)
        admission.close()
        listener.stop()

    for number in _ending_signals():
        signal.signal(number, stop)
    threading.Thread(target=models.watch, args=[watch_seconds, stopping], daemon=True).start()
    for name in models.names:
        with models.use(name) as served:
            say(f'{name}: version {served.version}, {len(served.labels):,} classes')
    say(f'open {listening.url_of(host, sockets)}  (Ctrl-C ends)')
    answered = listener.run()
    models.close()
    say(f'stopped; {"every request that was taken is" if answered else "some requests are not"} answered')


def _ending_signals() -> list[int]:
    """Ctrl-C, `kill`, and on Windows Ctrl-Break."""
    return [getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGBREAK') if hasattr(signal, name)]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.serve', __doc__)
    cli.add_model(
        made,
        resolve_model,
        'the one that ships; may be repeated, and may be a folder of versions',
        action='append',
    )
    made.add_argument('--host', default='127.0.0.1', help='0.0.0.0: all networks (default: %(default)s)')
    made.add_argument(
        '--port', type=cli.whole_number(0, 65535), metavar='N', default=8501, help='default: %(default)s'
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
    for package in ('flask', 'waitress', 'prometheus_client'):
        if not importlib.util.find_spec(package):
            raise UserError(f'the package {package} is missing: run {commands.to_install("serve")}')
    from src.inference.server.service import Limits

    limits = Limits(args.max_picture_mb * MB, args.max_request_mb * MB, args.allow_urls)
    models = [frozen_source(model) for model in args.model or ()] or [default_model()]
    if not args.model:
        say(f'{paths.shown(models[0])}: {why_default(models[0])}')
    serve(models, args.host, args.port, args.queue, limits, args.watch_seconds)


if __name__ == '__main__':
    errors.run(main)
