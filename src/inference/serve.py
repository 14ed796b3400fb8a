"""Serve frozen models: a page for people, TensorFlow Serving's REST interface for programs.

    python -m src.inference.serve
    python -m src.inference.serve --model flowers --port 8080
    curl --data-binary @my_dog.jpg http://127.0.0.1:8501/classify

Without --model it serves the model that ships with Rootstock (120 dog breeds) and says so. --model may be
repeated, and may name a folder of versions (1.pb, 2.tflite, ...). A new version or a replaced file is loaded
without losing a request. Ctrl-C or SIGTERM ends the server as soon as all requests that have arrived are
answered, and after 30 seconds in any case. With the file version_labels.json in a folder of versions, such as
{"stable": 1}, version 1 is served besides the newest, at /v1/models/NAME/labels/stable. The server reads it
again when it changes.

A frozen graph that Rootstock did not make is served too if it takes encoded pictures (JPEG, PNG and so on):
put its class names into old.txt beside old.pb, one a line, in the order of its output. /openapi.json
describes all routes.

TensorFlow runs a frozen graph (.pb) in the server's own process. LiteRT runs a .tflite file in a process for
each core. With --model NAME the file NAME.tflite is served instead of NAME.pb if it was made from that graph
and LiteRT is installed; with --model PATH that very file is served. LiteRT has no gradients, so /explain
(Grad-CAM) of a .tflite file needs the frozen graph that it was made from beside it. TensorFlow loads that
graph at the first /explain.

The server accepts connections from this machine only, unless --host says otherwise. With --token-file all
requests need a token, except for the page itself, which asks for one, /healthz, /readyz and /openapi.json.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from src.common import cli, errors
from src.common.process import interrupts, memory
from src.common.progress import say
from src.inference.choice import wanted_model
from src.inference.default_model import default_model, why_default
from src.inference.versions import Source, source_of
from src.inference.views import add_views
from src.records.age import remark_on_age

if TYPE_CHECKING:
    from src.inference.server.http.tokens import Tokens
    from src.inference.server.service import Limits

MB = 1_000_000
PICTURE_MB = 20
PACKAGES = ('flask', 'waitress', 'prometheus_client')  # of the extra `serve`
# Threads beyond the pictures that may be in progress: they answer 503.
SPARE_THREADS = 16
MOST_QUEUED = 4096  # of --queue: each has a thread
LOADING_SECONDS = 3  # for a new version that is being loaded when the server ends


def serve(
    sources: list[Source],
    host: str,
    port: int,
    limits: Limits,
    watch_every: float,
    views: int = 1,
    tokens: Tokens | None = None,
) -> None:
    """Load the models and answer requests until SIGINT or SIGTERM.

    `sources`, and the file of `tokens`, are checked for changes every `watch_every` seconds.
    The probabilities are averaged over `views` views. With `tokens` only requests with one of them are
    answered.
    Raises UserError if a model cannot be loaded or was not validated with so many views, the host is unknown
    or the port is taken.
    """
    from src.inference.server.http.sockets import bind, url_for_others, url_of

    for number in _ending_signals():  # `kill` also ends the loading so that no temporary file is left
        signal.signal(number, interrupts.interrupt)
    sockets = bind(host, port)  # before TensorFlow is loaded, which takes seconds

    from src.images.decode import DECODING
    from src.inference.runtimes.worker import end_loading
    from src.inference.server.admission import WAIT_SECONDS, AdmissionLimit
    from src.inference.server.app import SERVICE, create_app
    from src.inference.server.http.listening import Listener
    from src.inference.server.metrics import Metrics
    from src.inference.server.models import Models
    from src.inference.server.service import useful_bytes
    from src.inference.workers import CORES

    memory.keep_freed()
    DECODING.patience = WAIT_SECONDS
    metrics = Metrics()
    models = Models(sources, metrics.ran, views, workers=CORES)
    admission = AdmissionLimit(limits.queue, metrics.queued, limits.per_client, 'pictures')
    if not limits.request_bytes:
        limits = replace(limits, request_bytes=useful_bytes(limits.picture_bytes, models))
    app = create_app(models, admission, metrics, limits, tokens)
    threads = limits.queue + SPARE_THREADS
    listener = Listener(app, sockets, threads, limits.request_bytes, tokens, metrics.refused)
    stopping = threading.Event()

    def stop(*_) -> None:
        """Accept no more connections, and end when the requests in progress are answered."""
        interrupts.handled()
        stopping.set()
        for number in _ending_signals():  # a second signal ends it at once
            signal.signal(number, interrupts.interrupt)
        admission.close()
        listener.stop()

    for number in _ending_signals():
        signal.signal(number, stop)
    watchers = [
        threading.Thread(target=each.watch, args=[watch_every, stopping], daemon=True)
        for each in (models, tokens)
        if each
    ]
    for watcher in watchers:
        watcher.start()
    for name in models.names:
        with models.use(name) as served:
            say(f'{name}: version {served.version}, {len(served.labels):,} classes, {served.file}')
    say(f'open {url_of(host, sockets)}  (Ctrl-C ends)')
    if others := url_for_others(host, sockets):
        say(f'on other machines of its network: {others}')
    outcome = listener.run(app.extensions[SERVICE].give_up)
    end_loading()
    for watcher in watchers:
        watcher.join(LOADING_SECONDS)
    models.close()
    say(f'stopped; {outcome}')


def _ending_signals() -> list[int]:
    """Ctrl-C, `kill`, and on Windows Ctrl-Break."""
    return [getattr(signal, name) for name in ('SIGINT', 'SIGTERM', 'SIGBREAK') if hasattr(signal, name)]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.inference.serve', __doc__, loads_graphs=True)

    def add(flag: str, kind: Callable[[str], Any], metavar: str, default: float, text: str) -> None:
        made.add_argument(
            flag, type=kind, metavar=metavar, default=default, help=f'{text} (default: %(default)s)'
        )

    cli.add_model(
        made,
        wanted_model,
        'the one that ships; may be repeated, and may be a folder of versions',
        action='append',
    )
    made.add_argument(
        '--host', default='127.0.0.1', help='address to listen to; 0.0.0.0: all (default: %(default)s)'
    )
    add('--port', cli.whole_number(0, 65535), 'N', 8501, 'port; 0: a free one')
    made.add_argument(
        '--allow-urls',
        action='store_true',
        help='fetch pictures from the public web addresses that clients send',
    )
    made.add_argument(
        '--token-file',
        type=Path,
        metavar='FILE',
        help='require a bearer token, one of those in this file, one a line; it is read again when it '
        'changes (default: require none)',
    )
    made.add_argument(
        '--max-picture-mb',
        type=cli.whole_number(1),
        metavar='MB',
        help=f'largest encoded picture (default: {PICTURE_MB}, or --max-request-mb if that is less)',
    )
    made.add_argument(
        '--max-request-mb',
        type=cli.whole_number(1),
        metavar='MB',
        help='largest body of a request (default: enough for a picture of --max-picture-mb in base64, and '
        'for 32 uncompressed ones of the size that the model takes)',
    )
    add(
        '--queue',
        cli.whole_number(1, MOST_QUEUED),
        'N',
        128,
        'most pictures that wait or are computed; more are answered 503',
    )
    made.add_argument(
        '--per-client',
        type=cli.whole_number(1),
        metavar='N',
        help='most of them from one client. A client is an IP address; all clients behind a proxy are one '
        '(default: half of --queue)',
    )
    add(
        '--watch-seconds',
        cli.real_number(0.1, 86400),
        'S',
        2,
        'seconds between checks for new versions, labels and tokens',
    )
    add_views(made)
    args = made.parse_args(argv)
    for larger, smaller in (('--queue', '--per-client'), ('--max-request-mb', '--max-picture-mb')):
        most, wanted = (getattr(args, flag[2:].replace('-', '_')) for flag in (larger, smaller))
        if most and wanted and wanted > most:
            made.error(f'{smaller} {wanted} is above {larger} {most}: lower it, or raise {larger}')
    return args


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    errors.require_packages('serve', *PACKAGES)
    from src.inference.server.http.tokens import Tokens
    from src.inference.server.service import Limits

    tokens = Tokens(args.token_file) if args.token_file else None
    limits = Limits(
        picture_bytes=(args.max_picture_mb or min(PICTURE_MB, args.max_request_mb or PICTURE_MB)) * MB,
        request_bytes=(args.max_request_mb or 0) * MB,
        urls=args.allow_urls,
        queue=args.queue,
        per_client=args.per_client or max(1, args.queue // 2),
    )
    sources = [source_of(model, args.views) for model in args.model or ()]
    if not sources:
        sources = [Source(default_model(), beside=args.views == 1)]
        say(f'{sources[0].name}: {why_default(sources[0].path)}')
    for source in sources:
        remark_on_age(source.path)
    serve(sources, args.host, args.port, limits, args.watch_seconds, args.views, tokens)


if __name__ == '__main__':
    errors.run(main)
