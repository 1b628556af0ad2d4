"""What the training examples share: `--torch` trains the same once more with PyTorch itself, from the same weights.

For times that can be compared give each library one core: OPENBLAS_NUM_THREADS=1 (PyTorch gets one here).
"""

import argparse
import time
from typing import Any, NamedTuple

import numpy as np


def weights(model):
    """The state of a model as NumPy arrays."""
    return {name: x.detach().numpy().copy() for name, x in model.state_dict().items()}


def put_weights(torch, model, arrays):
    """Write such a state into a model of either library."""
    model.load_state_dict({name: torch.from_numpy(x.copy()) for name, x in arrays.items()})


class Curve(NamedTuple):
    """What a training yielded, and returned at its end; and the seconds of each epoch (of the first, compiling included)."""

    losses: np.ndarray
    result: Any
    seconds: np.ndarray


def trained(steps):
    """A training is a generator: it yields the loss of each epoch."""
    losses, seconds = [], []
    while True:
        began = time.perf_counter()
        try:
            losses.append(next(steps))
        except StopIteration as end:
            return Curve(np.array(losses), end.value, np.array(seconds))
        seconds.append(time.perf_counter() - began)


def curves(train, start, epochs, peer):
    """The curve of train(library, start(library), epochs) for jitgrad.eager and, with `peer`, for PyTorch."""
    import jitgrad.eager

    libraries = {"jitgrad": jitgrad.eager}
    if peer:
        import torch

        torch.set_num_threads(1)  # more only wait for one another on arrays of this size
        libraries["torch"] = torch
    return {name: trained(train(library, start(library), epochs)) for name, library in libraries.items()}


def difference(found):
    """The largest difference between the two curves."""
    return float(np.abs(found["jitgrad"].losses - found["torch"].losses).max())


def show(found, every=1):
    """Print the curves next to each other, and the times."""
    both = len(found) > 1
    print(f"{'epoch':>6} {'jitgrad':>12}" + (f" {'torch':>12} {'difference':>12}" if both else ""))
    for k in range(every - 1, len(found["jitgrad"].losses), every):
        ours = found["jitgrad"].losses[k]
        theirs = found["torch"].losses[k] if both else None
        print(f"{k + 1:>6} {ours:>12.6f}" + (f" {theirs:>12.6f} {abs(ours - theirs):>12.1e}" if both else ""))
    for name, curve in found.items():
        first, rest = curve.seconds[:2].sum(), np.median(curve.seconds[2:]) if len(curve.seconds) > 2 else np.nan
        print(f"{name}: {first:.2f} s for the first two epochs, then {1e3 * rest:.2f} ms each")
    if both:
        print(f"largest difference of the losses: {difference(found):.1e}")


def arguments(about, epochs):
    """--epochs and --torch."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--epochs", type=int, default=epochs)
    parser.add_argument("--torch", action="store_true", help="train with PyTorch too, from the same weights, and compare")
    return parser.parse_args()
