"""The transformations: what users call. See `public` for each, `derive` for what they do, `programs` for how they run."""

from .checkpoint import checkpoint
from .custom import custom_vjp
from .memory import memory_plan
from .public import grad, hessian, hvp, jacobian, jit, jvp, stop_gradient, value_and_grad, vjp, vmap

__all__ = ["checkpoint", "custom_vjp", "grad", "hessian", "hvp", "jacobian", "jit", "jvp", "memory_plan", "stop_gradient"]
__all__ += ["value_and_grad", "vjp", "vmap"]
