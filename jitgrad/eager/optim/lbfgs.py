"""L-BFGS: quasi-Newton steps from the differences of the last gradients, with a line search if asked for.

The gradient is computed by the closure of the user, as a program; what is done with it here is a handful of products of vectors,
in NumPy. Products of vectors are numbers of double precision. Nocedal & Wright, Numerical Optimization (2006), algorithms 7.4
and 7.5; the line search is algorithms 3.5 and 3.6 with cubic interpolation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..creation import from_numpy
from ..modes import enable_grad, no_grad
from ..tensor import Tensor
from .optimizer import Optimizer, options

DECREASE, CURVATURE = 1e-4, 0.9  # Wolfe's conditions: c1 and c2 of Nocedal & Wright
LEAST_CURVATURE = 1e-10  # pairs with a smaller s.y are not remembered


class LBFGS(Optimizer):
    """L-BFGS; `step` needs a closure that computes the loss and its gradient.

    line_search_fn: None (steps of length lr) or "strong_wolfe".

    >>> import jitgrad.eager as torch
    >>> x = torch.tensor([3.0, -1.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (x[0] - 1) ** 2 + 10 * (x[1] - 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> loss = optimizer.step(closure)
    >>> [round(v, 3) for v in x.tolist()]
    [1.0, 2.0]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        defaults = options(
            lr=lr, max_iter=max_iter, max_eval=max_iter * 5 // 4 if max_eval is None else max_eval, tolerance_grad=tolerance_grad,
            tolerance_change=tolerance_change, history_size=history_size, line_search_fn=line_search_fn,
        )  # fmt: skip
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")
        if line_search_fn not in (None, "strong_wolfe"):
            raise RuntimeError("only 'strong_wolfe' is supported")
        self._params: list[Tensor] = self.param_groups[0]["params"]

    def step(self, closure: Callable[[], Any]) -> Any:  # type: ignore[override]
        """Up to max_iter iterations; returns the loss at the start."""
        group, state = self.param_groups[0], self.state[self._params[0]]
        at = Evaluation(self._params, closure)
        state["func_evals"] = state.get("func_evals", 0) + 1
        state.setdefault("n_iter", 0)
        f, g = at.here()
        first, evaluations = at.loss, 1
        if np.abs(g).max() <= group["tolerance_grad"]:
            return first
        memory = Memory.of(state, int(group["history_size"]))
        d, t = memory.d, memory.t
        for k in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            d = -g if state["n_iter"] == 1 else memory.direction(g)
            memory.g, memory.f = g.copy(), f
            lr = float(group["lr"])
            t = min(1.0, 1.0 / float(np.abs(g).sum())) * lr if state["n_iter"] == 1 else lr
            slope = float(g @ d)
            if slope > -group["tolerance_change"]:
                break
            small, count = False, 0
            if group["line_search_fn"] == "strong_wolfe":
                f, g, t, count = strong_wolfe(at, t, d, Point(0.0, f, g, slope), group["max_eval"] - evaluations)
                at.move(d, t)
                small = bool(np.abs(g).max() <= group["tolerance_grad"])
            else:
                at.move(d, t)
                if k != group["max_iter"]:  # the last gradient would be for nothing
                    f, g = at.here()
                    small, count = bool(np.abs(g).max() <= group["tolerance_grad"]), 1
            memory.d, memory.t = d, t
            evaluations += count
            state["func_evals"] += count
            change = float(np.abs(d * t).max()), abs(f - memory.f)
            if evaluations >= group["max_eval"] or small or change[0] <= group["tolerance_change"]:
                break
            if change[1] < group["tolerance_change"]:
                break
        memory.d, memory.t = d, t
        memory.save(state)
        return first


class Evaluation:
    """Loss and gradient of the parameters as one vector."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any]) -> None:
        self.params, self.closure, self.loss = params, closure, None
        self.dtype = np.result_type(*[p.dtype.compute for p in params])

    def here(self) -> tuple[float, np.ndarray]:
        with enable_grad():
            loss = self.closure()
        if self.loss is None:
            self.loss = loss
        parts = [np.zeros(p.numel()) if p._grad is None else p._grad.detach().numpy().ravel() for p in self.params]
        return float(loss.detach() if isinstance(loss, Tensor) else loss), np.concatenate(parts).astype(self.dtype)

    def values(self) -> list[np.ndarray]:
        return [p.detach().numpy().copy() for p in self.params]

    def put(self, values: list[np.ndarray]) -> None:
        with no_grad():
            for p, x in zip(self.params, values, strict=True):
                p.copy_(from_numpy(np.asarray(x)))

    def moved(self, start: list[np.ndarray], d: np.ndarray, t: float) -> list[np.ndarray]:
        """start + t d"""
        out, at = [], 0
        for x in start:
            out.append((x + t * d[at : at + x.size].reshape(x.shape)).astype(x.dtype))
            at += x.size
        return out

    def move(self, d: np.ndarray, t: float) -> None:
        self.put(self.moved(self.values(), d, t))

    def along(self, start: list[np.ndarray], d: np.ndarray, t: float) -> Point:
        """Loss, gradient and slope at start + t d; the parameters stay there."""
        self.put(self.moved(start, d, t))
        f, g = self.here()
        return Point(t, f, g, float(g @ d))


class Memory:
    """The pairs s = x_(k+1) - x_k, y = g_(k+1) - g_k, with 1 / s.y, and the last direction, step and gradient."""

    def __init__(self, size: int) -> None:
        self.size, self.scale, self.t, self.f = size, 1.0, 0.0, 0.0
        self.s: list[np.ndarray] = []
        self.y: list[np.ndarray] = []
        self.rho: list[float] = []
        self.d: np.ndarray | None = None
        self.g: np.ndarray | None = None

    def direction(self, g: np.ndarray) -> np.ndarray:
        """-H g for the inverse Hessian of the pairs, after taking in the pair of the last step: the two loops."""
        assert self.d is not None and self.g is not None
        s, y = self.d * self.t, g - self.g
        sy = float(y @ s)
        if sy > LEAST_CURVATURE:
            size = self.size
            self.s, self.y, self.rho = [*self.s, s][-size:], [*self.y, y][-size:], [*self.rho, 1.0 / sy][-size:]
            self.scale = sy / float(y @ y)
        q = -g
        alphas = []
        for s, y, rho in reversed(list(zip(self.s, self.y, self.rho, strict=True))):
            alphas.append(float(s @ q) * rho)
            q = q - alphas[-1] * y
        r = q * self.scale
        for s, y, rho, alpha in zip(self.s, self.y, self.rho, reversed(alphas), strict=True):
            r = r + s * (alpha - float(y @ r) * rho)
        return r.astype(g.dtype)

    # PyTorch's names: old_dirs are the y, old_stps the s.

    @classmethod
    def of(cls, state: dict[str, Any], size: int) -> Memory:
        out = cls(size)
        if state.get("d") is not None:
            array = lambda x: np.array(x.detach().numpy())
            out.d, out.t, out.g = array(state["d"]), float(state["t"]), array(state["prev_flat_grad"])
            out.y, out.s = [array(x) for x in state["old_dirs"]], [array(x) for x in state["old_stps"]]
            out.rho, out.scale, out.f = [float(x) for x in state["ro"]], float(state["H_diag"]), float(state["prev_loss"])
        return out

    def save(self, state: dict[str, Any]) -> None:
        if self.d is None or self.g is None:
            return
        state.update(
            d=from_numpy(self.d), t=self.t, old_dirs=[from_numpy(y) for y in self.y], old_stps=[from_numpy(s) for s in self.s],
            ro=list(self.rho), H_diag=self.scale, prev_flat_grad=from_numpy(self.g), prev_loss=self.f,
        )  # fmt: skip


# ---- the line search


class Point(NamedTuple):
    """A point of the line: where, the loss, the gradient, and the slope of the loss there."""

    t: float
    f: float
    g: np.ndarray
    slope: float


def strong_wolfe(at: Evaluation, t: float, d: np.ndarray, start: Point, trials: int) -> tuple[float, np.ndarray, float, int]:
    """A step with f(t) <= f(0) + c1 t f'(0) and |f'(t)| <= c2 |f'(0)|: (loss, gradient, step, evaluations).

    After so many trials the best point so far has to do. The parameters are put back to where they were.
    """
    x = at.values()
    low, high, count = bracket(at, x, t, d, start, trials)
    if high is not None:
        low, count = zoom(at, x, d, start, low, high, count, trials)
    at.put(x)
    return low.f, low.g, low.t, count + 1


def too_high(p: Point, start: Point) -> bool:
    return p.f > start.f + DECREASE * p.t * start.slope


def flat(p: Point, start: Point) -> bool:
    return abs(p.slope) <= -CURVATURE * start.slope


def bracket(
    at: Evaluation, x: list[np.ndarray], t: float, d: np.ndarray, start: Point, trials: int
) -> tuple[Point, Point | None, int]:
    """Go on until a good step is found (then the second is None), or two points that have one between them."""
    before, now = start, at.along(x, d, t)
    for k in range(trials):
        if too_high(now, start) or (k > 1 and now.f >= before.f):
            return before, now, k
        if flat(now, start):
            return now, None, k
        if now.slope >= 0:
            return before, now, k
        t = cubic(before, now, now.t + 0.01 * (now.t - before.t), now.t * 10)
        before, now = now, at.along(x, d, t)
    return start, now, trials


def zoom(
    at: Evaluation, x: list[np.ndarray], d: np.ndarray, start: Point, one: Point, other: Point, count: int, trials: int
) -> tuple[Point, int]:
    """Shrink the interval. `low` is the better end; a trial near an end twice in a row is moved away from it."""
    low, high = (one, other) if one.f <= other.f else (other, one)
    size = float(np.abs(d).max())
    stuck = False
    while count < trials and abs(high.t - low.t) * size >= 1e-9:
        left, right = sorted((low.t, high.t))
        t = cubic(low, high, left, right) if low.t <= high.t else cubic(high, low, left, right)
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:
            if stuck or t >= right or t <= left:
                t, stuck = (right - margin if abs(t - right) < abs(t - left) else left + margin), False
            else:
                stuck = True
        else:
            stuck = False
        now = at.along(x, d, t)
        count += 1
        if too_high(now, start) or now.f >= low.f:
            high = now
            low, high = (low, high) if low.f <= high.f else (high, low)
            continue
        if flat(now, start):
            return now, count
        low, high = now, (low if now.slope * (high.t - low.t) >= 0 else high)
    return low, count


def cubic(a: Point, b: Point, least: float, most: float) -> float:
    """Where the cubic through both points (a left of b) has its minimum, between `least` and `most`. Nocedal & Wright, (3.59)."""
    d1 = a.slope + b.slope - 3 * (a.f - b.f) / (a.t - b.t)
    square = d1 * d1 - a.slope * b.slope
    if not square >= 0:
        return (least + most) / 2
    d2 = square**0.5
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, least), most)
