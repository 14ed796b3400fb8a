"""Refuse graphs that act outside of TensorFlow: a graph is a program, and runs with the rights of its user.

    WriteFile, Save, summary writers     write files
    ReadFile, Restore, readers           read files
    PyFunc                               runs Python
    collective, RPC, TPU, data service   talk to other processes and computers
    Abort                                ends the process

TensorFlow marks what has an effect or a state as stateful (`is_stateful` of an OpDef), but not all that reads
files: those ops are named here. A stateful op that is not known to be HARMLESS is refused too, such as one of
a library of custom ops, or of a later TensorFlow. "Using TensorFlow Securely" has the reasons
(https://github.com/tensorflow/tensorflow/blob/master/SECURITY.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.files import count
from src.common.process import trust
from src.common.tf1 import op_def, tf
from src.graph.checks.variables import refuse_variables

FILES, OTHERS, PYTHON = 'reads or writes files', 'talks to other processes or computers', 'runs Python'
ENDS, HIDDEN, UNKNOWN = 'ends the process', 'runs a graph hidden in a text', 'may act outside of the graph'

_VERSION = r'(V\d)?'
# What an op does, and patterns of the names of such ops.
REFUSED = tuple(
    (effect, re.compile('|'.join(patterns)))
    for effect, patterns in {
        FILES: (
            *('WriteFile', 'ReadFile', r'(Experimental)?MatchingFiles(Dataset)?', 'ImmutableConst'),
            *('Save.*', 'DistributedSave', r'\w*Restore\w*', 'MergeV2Checkpoints'),
            *(rf'\w+Reader{_VERSION}', r'Reader[A-Z]\w*', 'RecordInput', 'ListSnapshotChunksDataset'),
            rf'(Experimental)?(CSV|FixedLengthRecord|LMDB|Sql|TFRecord|TextLine)Dataset{_VERSION}',
            rf'(Cache|Load|Save|Snapshot|SnapshotChunk)Dataset(Reader)?{_VERSION}',
            *(r'(Experimental)?DatasetToTFRecord', rf'InitializeTableFromTextFile{_VERSION}'),
            *('GenerateVocabRemapping', 'LoadAndRemapMatrix', 'FixedUnigramCandidateSampler', 'Skipgram'),
            *(rf'(Encode|Decode)Proto{_VERSION}', 'DumpTensor', 'CalibrationStatisticsSaver'),
            *('FileSystemSetConfiguration', r'\w*SummaryWriter', r'CreateSummary\w+', r'Write\w*Summary'),
            *('ImportEvent', r'\w*TRT\w+'),
        ),
        OTHERS: (
            *(r'Collective\w+', r'_?Nccl\w+', r'_?(Host)?(Send|Recv)', r'_?Xla(Send|Recv|Host)\w*'),
            *(r'(Delete)?Rpc\w+', r'DataService\w+', rf'RegisterDataset{_VERSION}', 'RemoteCall'),
            *('RemoteFusedGraphExecute', rf'Debug(Identity|NanCount|NumericSummary){_VERSION}'),
            *(r'\w*TPU\w*', r'(In|Out)feed\w+', 'WorkerHeartbeat', 'AllToAll', 'CrossReplicaSum'),
        ),
        PYTHON: ('PyFunc', 'PyFuncStateless', 'EagerPyFunc'),
        ENDS: ('Abort',),
        HIDDEN: ('DatasetFromGraph',),
    }.items()
)
# Stateful ops whose effects and states end with the session.
HARMLESS = re.compile(
    '|'.join(
        (
            # random numbers
            *(r'\w*Random\w*', 'Multinomial', r'(Parameterized)?TruncatedNormal', 'NonDeterministicInts'),
            *(r'SampleDistortedBoundingBox\w*', r'Stateful\w+'),
            *(r'Rng\w+', r'\w+CandidateSampler', r'\w*SeedGenerator'),
            # variables, tables, queues and other containers
            *(r'_?Var\w+', 'TemporaryVariable', r'Assign\w*Variable\w+', r'_?ReadVariable\w+'),
            *(r'Resource\w+', 'DestroyResourceOp', 'DisableCopyOnRead', r'\w*HashTable\w*'),
            *(r'LookupTable\w+', rf'InitializeTable{_VERSION}', 'InitializeTableFromDataset', 'Barrier'),
            *(r'\w*Queue\w*', r'Stack\w*', r'TensorArray\w*', r'(Unst|St)age\w*', r'(Ordered)?Map[A-Z]\w+'),
            r'\w*Mutex\w*',
            *(r'\w*ConditionalAccumulator', r'\w+ManySparse\w+TensorsMap', 'AddSparseToTensorsMap'),
            *(r'BoostedTrees\w+', r'IsBoostedTrees\w+', r'(Get|Delete)Session(Handle|Tensor)\w*'),
            *(r'\w+MemoryCache', 'MakeWeakResourceHandle', 'IsResourceHandleRefCounting'),
            # input pipelines without files
            *(r'\w*Iterator\w*', r'\w+Dataset\w*', r'DatasetTo\w+', r'\w*StatsAggregator\w*'),
            *(r'\w*ThreadPoolHandle', 'DummyIterationCounter'),
            # control flow, checks, and what prints on the screen
            *('_?If', '_?While', 'Case', r'Xla(If|While|Launch|CallModule|Dequantize|SparseCore\w+)'),
            *('RiscWhile', 'Assert', rf'CheckNumerics{_VERSION}', 'GuaranteeConst', rf'Print{_VERSION}'),
            *('_Arg', '_Retval', 'NegTrain', 'Timestamp', 'Empty', 'DeepCopy', r'CudnnRNN\w*'),
            *('DeviceIndex', 'VariableShape', 'IsTensorFloat32Enabled', '_ParallelConcatStart'),
        )
    )
)
# PrintV2 writes to any other `output_stream` as to a file (tensorflow/core/kernels/logging_ops.cc).
SCREEN = {b'', b'stdout', b'stderr', *(b'log(%s)' % level for level in (b'info', b'warning', b'error'))}


@cache
def effect_of(op: str) -> str:
    """What an op does outside of its graph, as the end of a sentence; '' for nothing."""
    for effect, names in REFUSED:
        if names.fullmatch(op):
            return effect
    known = op_def(op)
    return UNKNOWN if known is not None and known.is_stateful and not HARMLESS.fullmatch(op) else ''


def refuse_side_effects(graph_def: tf.GraphDef, path: Path, trusted: bool | None = None) -> None:
    """Raise UserError, which names the nodes, for a graph with an op that acts outside of it, also in its
    functions; for one with variables that it is not frozen. `trusted`: as in `trust.is_trusted`."""
    if trust.is_trusted(trusted):
        return
    found = list(_effects(graph_def))
    if not found:
        return
    refuse_variables(graph_def.node, path)  # a graph for training, which has to be frozen first
    name, op, effect = found[0]
    more = f' (and {count(len(found) - 1, "more node")})' if len(found) > 1 else ''
    raise UserError(
        f'{paths.shown(path)} contains {name} ({op}), which {effect}{more}. A graph is a program that runs '
        f'with your rights: add {trust.FLAG} if you trust the one who made it'
    )


def _effects(graph_def: tf.GraphDef) -> Iterator[tuple[str, str, str]]:
    """(name, op, effect) of the nodes that are refused."""
    functions = [
        (function.signature.name + '/', function.node_def) for function in graph_def.library.function
    ]
    for scope, nodes in (('', graph_def.node), *functions):
        for node in nodes:
            op = node.op
            if effect := effect_of(op):
                yield scope + node.name, op, effect
            elif op == 'PrintV2' and not _on_screen(node):
                yield scope + node.name, op, FILES


def _on_screen(node: tf.NodeDef) -> bool:
    if 'output_stream' not in node.attr:
        return True
    value = node.attr['output_stream']
    return not value.placeholder and value.s in SCREEN
