"""A floor for the speed of a download."""

from __future__ import annotations

import socket
import threading

from src.common.files import human_size
from src.downloads.connections import Connections

MIN_SPEED = 1000  # bytes per second
WINDOW = 60.0  # seconds
CHUNK = 1 << 16  # bytes


class SpeedFloor:
    """Cuts connections on which less than `min_speed` bytes per second arrive over WINDOW; 0 never cuts.

    with SpeedFloor(1000) as floor:
        sock = floor.dial(host, port, seconds)
        ...
        floor.received += len(block)    # blocks of at most floor.chunk bytes
    """

    def __init__(self, min_speed: float = MIN_SPEED):
        self.received = 0
        self.broken = False  # whether the connections were cut
        self._least = min_speed * WINDOW
        self._connections = Connections()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.fault = f'slower than {human_size(min_speed)}/s, see --min-speed'

    def __enter__(self) -> SpeedFloor:
        if self._least:
            self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._done.set()
        if self._least:
            self._thread.join()
        self._connections.close()

    @property
    def chunk(self) -> int:
        """How many bytes to read at once: so few that a slow transfer is counted several times in WINDOW."""
        return max(1, min(CHUNK, int(self._least / 8))) if self._least else CHUNK

    def dial(self, host: str, port: int, seconds: float) -> socket.socket:
        """A connection that is cut when it is too slow."""
        sock = socket.create_connection((host.strip('[]'), port), seconds)
        self._connections.add(sock)
        if self.broken:
            self._connections.cut()
        return sock

    def _watch(self) -> None:
        before = 0
        while not self._done.wait(WINDOW):
            if self.received - before < self._least:
                self.broken = True
                self._connections.cut()
                return
            before = self.received
