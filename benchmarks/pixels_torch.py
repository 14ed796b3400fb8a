"""PyTorch's side of `benchmarks.pixels`: the same networks, channels last. Needs only PyTorch and NumPy, so
that it may run in another environment.

    python -m benchmarks.pixels_torch cnn_deep bfloat16 128 8
"""

from __future__ import annotations

import json
import sys

import torch
from torch import nn

from benchmarks.pixels_turn import images_per_second, random_pictures


def cnn_deep() -> nn.Module:
    layers: list[nn.Module] = []
    channels = 3
    for filters in (32, 64, 128):
        layers += [nn.Conv2d(channels, filters, 3, padding=1), nn.ReLU(), nn.Conv2d(filters, filters, 1)]
        layers += [nn.ReLU(), nn.MaxPool2d(2), nn.BatchNorm2d(filters, 1e-3, 0.01), nn.Dropout(0.1)]
        channels = filters
    dense = [nn.Flatten(), nn.Linear(2048, 256), nn.ReLU(), nn.Dropout(0.4), nn.Linear(256, 10)]
    return nn.Sequential(*layers, *dense)


class Scaled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x / 16


def cnn_best() -> nn.Module:
    stem = nn.Conv2d(3, 24, 2, bias=False)
    stem.weight.requires_grad_(False)
    layers: list[nn.Module] = [stem, nn.GELU('tanh')]
    channels = 24
    for filters in (64, 256, 256):
        layers += [nn.Conv2d(channels, filters, 3, padding=1, bias=False), nn.MaxPool2d(2)]
        layers += [_norm(filters), nn.GELU('tanh')]
        layers += [nn.Conv2d(filters, filters, 3, padding=1, bias=False), _norm(filters), nn.GELU('tanh')]
        channels = filters
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(channels, 10), Scaled())


def _norm(channels: int) -> nn.Module:
    norm = nn.BatchNorm2d(channels, 1e-3, 0.4)
    norm.weight.requires_grad_(False)
    return norm


def rate(name: str, precision: str, batch: int, seconds: float) -> float:
    """Training pictures a second, with steps of SGD with momentum."""
    network = (
        {'cnn_deep': cnn_deep, 'cnn_best': cnn_best}[name]().to(memory_format=torch.channels_last).train()
    )
    optimizer = torch.optim.SGD(
        [p for p in network.parameters() if p.requires_grad], 0.01, 0.9, nesterov=True
    )
    pixels, labels = random_pictures(batch)
    labels = torch.from_numpy(labels)

    def step(number: int) -> float:
        x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() * (2 / 255) - 1  # in channels-last order
        with torch.autocast('cpu', torch.bfloat16, enabled=precision == 'bfloat16'):
            logits = network(x)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return images_per_second(step, batch, seconds)


if __name__ == '__main__':
    name, precision, batch, seconds = sys.argv[1:]
    images = rate(name, precision, int(batch), float(seconds))
    print(json.dumps({'rate': images, 'version': torch.__version__}))
