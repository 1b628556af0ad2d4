"""Functions of the user's own that several files of tests are about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jitgrad.eager as torch


def saving(value: Callable[[Any], Any], pull: Callable[[Any, Any], Any]) -> type[torch.autograd.Function]:
    """A Function that keeps its input x: value(x), and back pull(g, x)."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return value(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return pull(g, x)

    return Own


WrongCube = saving(lambda x: x**3, lambda g, x: 2 * g * x)  # with the gradient of x ** 2


class CustomReLU(torch.autograd.Function):
    """As in the article on a Function of one's own."""

    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input
