"""The description of the machine, and timing in alternating rounds."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from src.common import cli

NUMBERS = ('numpy', 'scikit-learn')
RUNTIMES = ('tensorflow', 'keras', 'ai-edge-litert', 'openvino', 'nncf', 'onnxruntime')
LOW_PRECISION = ('avx512_bf16', 'amx_bf16')  # names in /proc/cpuinfo


def machine() -> dict[str, str | int | float | list[str] | dict[str, str]]:
    """The CPU and its bfloat16 instructions, usable cores, memory in GB, system, and installed versions."""
    cpu = _table(Path('/proc/cpuinfo'))
    memory = _table(Path('/proc/meminfo')).get('MemTotal', '0 kB')
    flags = cpu.get('flags', '').split()
    return {
        'cpu': cpu.get('model name') or platform.processor() or platform.machine(),
        'cores': len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        'bfloat16': [name for name in LOW_PRECISION if name in flags],
        'memory_gb': round(int(memory.split()[0]) * 1024 / 1e9, 1),
        'system': f'{platform.system()} {platform.machine()}',
        'versions': {'python': platform.python_version()} | _versions(),
    }


def machine_line() -> str:
    """`machine` as one line."""
    facts = machine()
    versions = ', '.join(f'{name} {version}' for name, version in facts['versions'].items())
    bfloat16 = f' with {" and ".join(facts["bfloat16"])}' if facts['bfloat16'] else ''
    return f'{facts["cpu"]}{bfloat16}, {facts["cores"]} cores, {facts["memory_gb"]} GB; {versions}'


def add_rounds(made: argparse.ArgumentParser, default: int) -> None:
    """`--rounds`."""
    made.add_argument('--rounds', type=cli.whole_number(1), default=default, help='default: %(default)s')


def rounds(contenders: dict[str, Callable[[], object]], n: int) -> dict[str, list[float]]:
    """Seconds of each contender in each of `n` rounds, by name.

    Contenders alternate, in reverse order in every second round, so that a slowdown of the machine affects
    all of them equally. The caller warms them up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(n):
        for name in list(contenders) if number % 2 == 0 else reversed(contenders):
            begun = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def _versions() -> dict[str, str]:
    found = {}
    for name in (*RUNTIMES, *NUMBERS):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _table(path: Path) -> dict[str, str]:
    """The first value of each key in a file of `key: value` lines; {} if there is no such file."""
    table: dict[str, str] = {}
    if path.is_file():
        for line in path.read_text().splitlines():
            key, _, value = line.partition(':')
            table.setdefault(key.strip(), value.strip())
    return table
