"""Expressions in the operations of tensors, for `torch` and for jitgrad.eager alike: `t` is the module, the letters are tensors.

    x, y (3, 4)   any      p, q (3, 4) positive     u, w (3, 4) in (-0.9, 0.9)    c (4,) any    k () any
    m, n (3, 3)   any      s (3, 3) positive definite          b (2, 3, 4), d (2, 4, 3) any      v (3,), e (4,) any
"""

from __future__ import annotations

import re

import numpy as np

SHAPES = {
    **dict.fromkeys("xypquw", (3, 4)), "c": (4,), "k": (), "m": (3, 3), "n": (3, 3), "s": (3, 3), "b": (2, 3, 4),
    "d": (2, 4, 3), "v": (3,), "e": (4,),
}  # fmt: skip


def values(seed: int = 0) -> dict[str, np.ndarray]:
    """What the letters stand for."""
    rng = np.random.default_rng(seed)
    out = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    for name in "pq":
        out[name] = np.abs(out[name]) + 0.3
    for name in "uw":
        out[name] = 0.9 * np.tanh(out[name])
    out["s"] = out["s"] @ out["s"].T + np.eye(3)
    return out


def letters(expression: str) -> list[str]:
    """The tensors of an expression."""
    return [name for name in SHAPES if re.search(rf"\b{name}\b", expression)]


POINTWISE = """
x + y; x - y; x * y; x / p; x + 2; 2 - x; x * 3; x / 2; 2 / p; x + c; x * k; -x; +x; abs(x); p ** y; p ** 2; x ** 3
p ** 0.5; 2 ** x
p ** -1; x ** 2.0; x % 2; x % p; t.add(x, y, alpha=2); t.sub(x, y, alpha=0.5); t.rsub(x, y); t.rsub(x, 2); t.mul(x, 2.5)
t.div(x, p, rounding_mode='trunc') * x; t.div(x, p, rounding_mode='floor') * x; t.fmod(x, 0.7); t.fmod(x, p); t.remainder(x, p)
t.float_power(p, 2.5); t.float_power(p, y); t.square(x); t.lerp(x, y, 0.3); t.lerp(x, y, 0.8); t.lerp(x, y, u); t.addcmul(x, y, p)
t.addcmul(x, y, p, value=0.5); t.addcdiv(x, y, p, value=2); t.maximum(x, y); t.minimum(x, y); t.fmax(x, y); t.fmin(x, y)
x.clamp(min=0); x.clamp(-0.5, 0.5); x.clamp(max=0.2); x.clamp(y - 1, y + 1); x.clip(-1, 1); t.clamp_min(x, 0); t.clamp_max(x, 0)
t.atan2(x, y); t.hypot(x, y); t.logaddexp(x, y); t.logaddexp2(x, y); t.xlogy(x, p); t.copysign(x, y); t.ldexp(x, y)
t.exp(x); t.expm1(x); t.exp2(x); t.log(p); t.log1p(p); t.log2(p); t.log10(p); t.sqrt(p); t.sin(x); t.cos(x); t.tan(u)
t.sinh(x); t.cosh(x); t.tanh(x); t.asin(u); t.acos(u); t.atan(x); t.asinh(x); t.acosh(p + 1); t.atanh(u); t.sigmoid(x); t.sinc(x)
t.sign(x) * x; t.floor(x) * x; t.ceil(x) * x; t.trunc(x) * x; t.round(x) * x; t.frac(x); t.reciprocal(p); t.rsqrt(p)
t.deg2rad(x); t.rad2deg(x); t.erf(x); t.erfc(x); t.lgamma(p); t.digamma(p); t.logit(p / 10); t.logit(p / 10, eps=0.1)
t.nan_to_num(x); t.special.entr(p); t.special.ndtr(x); t.special.xlog1py(x, p); t.polygamma(1, p); t.polygamma(2, p)
t.mvlgamma(p + 2, 2); t.special.expit(x); t.positive(x); x.clone(); t.round(x, decimals=1) * x
x.true_divide(p); t.arctan2(x, y); x.pow(2).neg().abs(); t.where(x > 0, x, y)
"""

ACTIVATIONS = """
t.relu(x); f.relu6(x * 5); f.leaky_relu(x, 0.1); f.elu(x, 0.7); t.selu(x); t.celu(x, 0.7); f.gelu(x)
f.gelu(x, approximate='tanh')
f.silu(x); f.mish(x); f.softplus(x); f.softplus(x, 2, 1); f.softsign(x); f.hardtanh(x, -0.5, 0.5); f.hardsigmoid(x * 3)
f.hardswish(x * 3); f.logsigmoid(x); f.tanhshrink(x); f.softshrink(x, 0.3); f.hardshrink(x, 0.3); t.threshold(x, 0.1, 2.0)
t.prelu(x, e); t.prelu(x, c[:1]); f.glu(x); t.softmax(x, 0); x.softmax(-1); x.log_softmax(1); f.softmin(x, 1); f.normalize(x)
"""

REDUCTIONS = """
x.sum(); x.sum(0); x.sum((0, 1)); x.sum(-1, keepdim=True); x.mean(); x.mean(1); x.mean((0, 1), keepdim=True); p.prod(); x.prod(1)
x.max(); x.min(); x.max(1)[0]; x.min(0, keepdim=True)[0]; x.max(dim=0).values; x.amax(1); x.amin((0, 1)); x.amax()
t.max(x, y); t.min(x, y)
t.aminmax(x)[0]; t.aminmax(x, dim=1)[1]; x.var(); x.var(1); x.std(); x.std(0, keepdim=True); x.var(1, unbiased=False)
x.std((0, 1), correction=0)
t.var_mean(x, 1)[0]; t.var_mean(x, 1)[1]; t.std_mean(x)[0]; x.norm(); x.norm(dim=0); x.norm(1); x.norm(3, dim=1)
x.norm(float('inf'))
x.logsumexp(0); x.logsumexp((0, 1), keepdim=True); x.cumsum(0); x.cumprod(1); t.nansum(x); t.nanmean(x, 1); t.dist(x, y)
t.dist(x, y, 1)
t.cosine_similarity(x, y); t.cosine_similarity(x, y, dim=0); f.pairwise_distance(x, y); t.cdist(x, y); t.cdist(x, y, p=1)
t.cdist(b, b + 1)
x.median(); x.median(1)[0]; x.sort(1)[0]; x.sort(0, descending=True)[0]; x.topk(2)[0]; x.kthvalue(2)[0]; x.mode(1)[0]; x.msort()
x.cummax(1)[0]; x.cummin(0)[0]; t.logcumsumexp(x, 1); t.nanmedian(x); x.sort(1).values; x.topk(2, dim=0, largest=False).values
t.quantile(x, 0.3); t.quantile(x, 0.5, dim=1); t.renorm(x, 2, 0, 1.0); t.diff(x); t.trapezoid(x); t.cumulative_trapezoid(x)
t.sum(x, dim=[0]); t.std(x, dim=1); t.mean(x, dim=(0,)); t.count_nonzero(x) * x
"""

LINEAR = """
m @ n; x @ e; v @ x; v @ v; t.mm(m, n); t.mv(x, e); t.dot(e, c); t.outer(v, e); t.inner(x, y); t.inner(v, v); t.bmm(b, d)
b @ d; b @ e
m @ b; b @ x.T; t.matmul(e, d); t.addmm(m, x, y.T); t.addmm(v, x, y.T, beta=0.5, alpha=2); t.addmv(v, x, e); t.baddbmm(m, b, d)
t.addbmm(m, b, d, beta=2); t.addr(x, v, e); t.einsum('ij,kj->ik', x, y); t.einsum('ij->j', x); t.einsum('ii', m)
t.einsum('ii->i', m)
t.einsum('bij,bjk->bik', b, d); t.einsum('...ij,...jk', b, d); t.einsum('i,j', v, e); t.einsum('ij,jk,kl->il', m, n, s)
t.einsum(m, [0, 1], n, [1, 2], [0, 2])
t.tensordot(x, y); t.tensordot(x, y, dims=([1], [1])); t.tensordot(m, n, 1); t.kron(m, v); t.kron(x, y); t.trace(m)
t.linalg.inv(s)
t.inverse(s); t.linalg.solve(s, m); t.linalg.solve(s, v); t.linalg.det(s); t.det(m); t.linalg.slogdet(s)[1]; t.logdet(s)
t.slogdet(s)[1]
t.linalg.cholesky(s); t.linalg.solve_triangular(s, m, upper=True); t.linalg.multi_dot([m, n, v]); t.linalg.multi_dot([v, m, n, x])
t.linalg.matrix_power(m, 3); t.linalg.matrix_power(s, -2); t.linalg.matrix_power(m, 0) + m; t.linalg.cross(m, n)
t.cross(x[:3, :3], m, dim=1)
t.linalg.norm(x); t.linalg.norm(v, 3); t.linalg.norm(x, 'fro'); t.linalg.norm(x, 1); t.linalg.norm(x, float('inf'))
t.linalg.vector_norm(x, 2.5, dim=0)
t.linalg.matrix_norm(x); t.linalg.matrix_norm(b, 1); t.linalg.vecdot(x, y); t.linalg.diagonal(m); t.linalg.matmul(m, n)
t.vdot(v, v)
t.cholesky_solve(m, t.linalg.cholesky(s)); t.cov(x); t.corrcoef(x); t.linalg.vander(v); t.chain_matmul(m, n)
"""

# Where PyTorch's graph ends in another step: it is made of several operations there, or of others.
OTHER_NAMES = {
    "t.quantile(x, 0.3)", "t.quantile(x, 0.5, dim=1)", "t.linalg.multi_dot([m, n, v])", "t.linalg.multi_dot([v, m, n, x])",
    "t.vdot(v, v)", "t.cholesky_solve(m, t.linalg.cholesky(s))", "t.chain_matmul(m, n)", "t.corrcoef(x)", "t.linalg.vander(v)",
}  # fmt: skip
GROUPS = {"pointwise": POINTWISE, "activations": ACTIVATIONS, "reductions": REDUCTIONS, "linear": LINEAR}


def cases(group: str) -> list[str]:
    """The expressions of a group."""
    return [c.strip() for line in GROUPS[group].strip().splitlines() for c in line.split(";")]
