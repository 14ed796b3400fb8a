"""Freed memory: blocks of large pictures are returned to the system, those of small ones are kept."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from src.common import paths

# Prints how many MB the process holds after blocks of 20 MB, and page faults for blocks of 400 kB.
MEASURE = """
import re, resource, sys
from pathlib import Path
from src.common.process import memory

def held():
    return int(re.search(r'VmRSS:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) >> 10

def faults(times, number):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        bytearray(b'x') * number
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if sys.argv[1] == 'set':
    memory.keep_freed()
before = held()
faults(3, 20_000_000)
print(held() - before)
faults(3, 400_000)
print(faults(100, 400_000))
"""


def measured(how: str) -> tuple[int, int]:
    command = [sys.executable, '-c', MEASURE, how]
    done = subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True, check=True)
    megabytes, faults = map(int, done.stdout.split())
    return megabytes, faults


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='other allocators are not affected')
def test_large_blocks_are_returned_and_small_ones_kept():
    kept, _ = measured('as it is')
    returned, faults = measured('set')
    assert returned < 10 < kept
    assert faults < 100  # a block has 98 pages
