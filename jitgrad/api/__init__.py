"""The transformations: what users call. See `public` for each, `derive` for what they do, `programs` for how they run."""

from .checkpoint import checkpoint
from .public import grad, hessian, hvp, jacobian, jit, jvp, stop_gradient, value_and_grad, vjp, vmap

__all__ = ["checkpoint", "grad", "hessian", "hvp", "jacobian", "jit", "jvp", "stop_gradient", "value_and_grad", "vjp", "vmap"]
