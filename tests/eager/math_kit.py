"""Expressions of `math_cases` evaluated; their gradients against differences, and everything against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import jitgrad.eager as torch

from .math_cases import OTHER_NAMES, letters, values

STEP = 1e-5


def evaluated(expression: str, arrays: dict[str, np.ndarray], dtype: Any = None, grad: bool = True) -> tuple[Any, dict[str, Any]]:
    """(the result, the tensors that it was computed from)"""
    env = {k: torch.tensor(v, dtype=dtype or torch.float64, requires_grad=grad) for k, v in arrays.items()}
    return eval(expression, {"t": torch, "f": torch.nn.functional, **env}), env


def weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(len(shape)).uniform(0.5, 1.5, shape)


def scalar(expression: str, arrays: dict[str, np.ndarray]) -> float:
    """A weighted sum of the result."""
    out, _ = evaluated(expression, arrays, grad=False)
    return float((out.numpy() * weights(tuple(out.shape))).sum())


def gradient(expression: str, arrays: dict[str, np.ndarray], create: bool = False) -> tuple[list[Any], dict[str, Any]]:
    out, env = evaluated(expression, arrays)
    g = torch.tensor(weights(tuple(out.shape)))
    got = torch.autograd.grad(out, list(env.values()), g, create_graph=create, materialize_grads=True)
    return list(got), env


def moved(arrays: dict[str, np.ndarray], along: dict[str, np.ndarray], by: float) -> dict[str, np.ndarray]:
    return {k: v + by * along[k] for k, v in arrays.items()}


def check_gradients(expression: str, symmetric: bool = False) -> None:
    """First and second derivatives in a direction, against central differences."""
    arrays = {k: values()[k] for k in letters(expression)}
    rng = np.random.default_rng(7)
    along = {k: rng.normal(size=v.shape) for k, v in arrays.items()}
    if symmetric and "s" in along:
        along["s"] = along["s"] + along["s"].T
    up, down = moved(arrays, along, STEP), moved(arrays, along, -STEP)
    got, env = gradient(expression, arrays, create=True)
    slope = sum(float((g.detach().numpy() * along[k]).sum()) for k, g in zip(arrays, got, strict=True))
    wanted = (scalar(expression, up) - scalar(expression, down)) / (2 * STEP)
    np.testing.assert_allclose(slope, wanted, rtol=2e-6, atol=2e-7, err_msg=expression)
    if not any(g.requires_grad for g in got):
        return
    total = sum((g * torch.tensor(along[k])).sum() for k, g in zip(arrays, got, strict=True))
    second = torch.autograd.grad(total, list(env.values()), materialize_grads=True)
    curve = sum(float((h.numpy() * along[k]).sum()) for k, h in zip(arrays, second, strict=True))
    far = [sum(float((g.numpy() * along[k]).sum()) for k, g in zip(arrays, gradient(expression, at)[0], strict=True)) for at in (up, down)]  # noqa: E501
    np.testing.assert_allclose(curve, (far[0] - far[1]) / (2 * STEP), rtol=1e-5, atol=1e-6, err_msg=expression)


# ---- against PyTorch itself

RELAXED = {"digamma": 1e-8, "polygamma": 1e-6, "celu": 1e-7, "hardsigmoid": 1e-7}  # PyTorch computes these less exactly


def check_as_torch(expression: str, dtype: str) -> None:
    """Values, dtypes, gradients and the names of the graph."""
    peer = pytest.importorskip("torch")
    arrays = {k: values()[k] for k in letters(expression)}
    env = {k: peer.tensor(v, dtype=getattr(peer, dtype), requires_grad=True) for k, v in arrays.items()}
    wanted = eval(expression, {"t": peer, "f": peer.nn.functional, **env})
    got, mine = evaluated(expression, arrays, getattr(torch, dtype))
    name = None if got.grad_fn is None else got.grad_fn.name()
    assert str(got.dtype) == str(wanted.dtype) and tuple(got.shape) == tuple(wanted.shape)
    tol = max([1e-10 if dtype == "float64" else 2e-4, *(v for k, v in RELAXED.items() if k in expression)])
    np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), rtol=tol, atol=tol)
    if wanted.requires_grad:
        w = weights(tuple(wanted.shape))
        theirs = peer.autograd.grad(wanted, list(env.values()), peer.tensor(w, dtype=wanted.dtype), materialize_grads=True)
        ours = torch.autograd.grad(got, list(mine.values()), torch.tensor(w, dtype=got.dtype), materialize_grads=True)
        for k, a, b in zip(arrays, ours, theirs, strict=True):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=tol, atol=tol, err_msg=f"gradient by {k}")
    if expression not in OTHER_NAMES:
        assert name == (None if wanted.grad_fn is None else wanted.grad_fn.name())


# ---- errors


def check_error(expression: str, kind: type[Exception], message: str, **names: Any) -> None:
    """The expression of `t` (torch) and these names raises an error that says so."""
    with pytest.raises(kind) as e:
        eval(expression, {"t": torch, **names})
    assert message in str(e.value)
