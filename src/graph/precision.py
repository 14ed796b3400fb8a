"""The precision that a network computes in: float32, bfloat16 if the CPU has instructions for it, or int8.

bfloat16 has the range of float32 and 8 bits of its mantissa (Wang and Kanwar 2019, "BFloat16: the secret to
high performance on Cloud TPUs"). TensorFlow rewrites the graph when a session is created
(auto_mixed_precision_onednn_bfloat16), so files do not change, and outputs are float32.

Backbones alone compute in int8: LiteRT runs them, as .tflite models (lite/backbones.py).
"""

from __future__ import annotations

from pathlib import Path

from src.common import errors
from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.lite.interpreters import EXTRA, PACKAGE

INT8 = 'int8'
CHOICES = ('auto', 'float32', 'bfloat16')
OF_BACKBONES = (*CHOICES, INT8)
# With AVX-512 alone bfloat16 is emulated, which is slower than float32.
CPU_FLAGS = {'avx512_bf16', 'amx_bf16'}


def cpu_has_bfloat16(cpuinfo: Path = Path('/proc/cpuinfo')) -> bool:
    """Whether this CPU has instructions for bfloat16; False where there is no /proc/cpuinfo."""
    try:
        lines = cpuinfo.read_text(encoding='utf-8', errors='replace').splitlines()
    except OSError:
        return False
    return any(CPU_FLAGS & set(line.split()) for line in lines if line.startswith('flags'))


def resolve(choice: str) -> str:
    """'float32', 'bfloat16' or 'int8' for one of OF_BACKBONES. Raises UserError for bfloat16 on a CPU without
    it, and for int8 without LiteRT."""
    if choice == INT8:
        errors.require_packages(EXTRA, PACKAGE)
    if choice == 'bfloat16' and not cpu_has_bfloat16():
        raise UserError('this CPU has no instructions for bfloat16: use --precision float32')
    if choice == 'auto':
        return 'bfloat16' if cpu_has_bfloat16() else 'float32'
    return choice


def in_tensorflow(precision: str) -> str:
    """What TensorFlow computes in where bottlenecks are computed in `precision`: int8 is LiteRT's."""
    return 'float32' if precision == INT8 else precision


def session_config(precision: str) -> tf.ConfigProto:
    """The session configuration for `precision`, 'float32' or 'bfloat16'; of int8 as for float32."""
    config = tf.ConfigProto()
    if precision == 'bfloat16':
        options = config.graph_options.rewrite_options
        options.auto_mixed_precision_onednn_bfloat16 = type(options).ON
    return config
