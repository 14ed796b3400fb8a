"""Serve frozen models: a page for people, TensorFlow Serving's REST interface for programs.

    python -m src.inference.serve
    python -m src.inference.serve --model flowers --port 8080
    curl --data-binary @my_dog.jpg http://127.0.0.1:8501/classify

Without --model it serves the model that ships with Rootstock (120 dog breeds) and says so. --model may be
repeated, and may name a folder of versions (1.pb, 2.tflite, ...). A new version or a replaced file is loaded
without losing a request. Ctrl-C or SIGTERM ends the server as soon as all requests that have arrived are
answered, and after 30 seconds in any case. The file version_labels.json in a folder of versions, such as
{"stable": 1}, keeps a version served beside the newest. It is read again when it changes, and so is the file
of tokens.

A frozen classifier that was made elsewhere, and takes encoded pictures, is served too: put its class names
beside it, old.txt beside old.pb, one a line. /openapi.json describes all routes.

A frozen graph (.pb) is run by TensorFlow, a .tflite file by LiteRT, in as many processes as there are cores.
For a model that is named, the .tflite file beside its frozen graph is served if it was made from it and
LiteRT is installed; a file that is given by its path is served as it is. /explain (Grad-CAM) of a .tflite
file uses the frozen graph beside it that it was made from, which TensorFlow loads at the first use.

It listens to this machine only, unless --host says otherwise. With --token-file it answers only requests
with a token, and the page asks for it.
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
    made.add_argument('--host', default='127.0.0.1', help='0.0.0.0: all networks (default: %(default)s)')
    add('--port', cli.whole_number(0, 65535), 'N', 8501, 'port')
    made.add_argument(
        '--allow-urls', action='store_true', help='fetch pictures from public web addresses that clients send'
    )
    made.add_argument(
        '--token-file',
        type=Path,
        metavar='FILE',
        help='answer only requests with one of the bearer tokens in this file, one a line, which is '
        'read again when it changes (default: answer all)',
    )
    made.add_argument(
        '--max-picture-mb',
        type=cli.whole_number(1),
        metavar='MB',
        help=f'largest picture (default: {PICTURE_MB}, or --max-request-mb if that is less)',
    )
    made.add_argument(
        '--max-request-mb',
        type=cli.whole_number(1),
        metavar='MB',
        help='largest request (default: what the models can use, one picture of --max-picture-mb in base64 '
        'or 32 uncompressed ones of the size that the model takes)',
    )
    add('--queue', cli.whole_number(1), 'N', 128, 'most pictures in progress; beyond them it answers 503')
    made.add_argument(
        '--per-client',
        type=cli.whole_number(1),
        metavar='N',
        help='most pictures in progress of one client, which is an IP address, or a proxy with all that is '
        'behind it (default: half of --queue)',
    )
    add(
        '--watch-seconds',
        cli.real_number(0.1, 86400),
        'S',
        2,
        'time between checks for new versions and tokens',
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
