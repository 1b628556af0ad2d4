"""PyTorch's autograd on jitgrad's programs: `import jitgrad.eager as torch`.

Operations on tensors are recorded; when a value is needed (printing, `item`, `numpy`, `backward`), what is behind it runs as one
compiled program. `docs/from-pytorch.md` says what differs from PyTorch.

>>> import jitgrad.eager as torch
>>> x = torch.tensor([2.0], requires_grad=True)
>>> y = torch.tensor([3.0], requires_grad=True)
>>> z = x**2 + 3 * y
>>> z.backward()
>>> x.grad, y.grad
(tensor([4.]), tensor([3.]))
"""

from . import autograd, linalg, methods, naming, nn, optim, random, return_types, special, tape, utils, viz
from .activations import *
from .autograd import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .calculus import *
from .complex_tensors import *
from .constants import *
from .conversion import *
from .creation import *
from .device import device
from .dtypes import *
from .dtypes import float32 as float
from .dtypes import int32 as int
from .extremes import *
from .foreign import from_jitgrad
from .interop import *
from .joining import *
from .linalg import chain_matmul, cholesky_solve, det, inverse, logdet, matrix_power
from .linalg import torch_cross as cross
from .linalg import torch_slogdet as slogdet
from .linear import *
from .masks import *
from .methods import is_inference
from .nn.functional import (
    adaptive_avg_pool1d,
    alpha_dropout,
    avg_pool1d,
    bilinear,
    conv1d,
    conv2d,
    conv_transpose1d,
    conv_transpose2d,
    dropout,
    group_norm,
    layer_norm,
    max_pool1d,
    max_pool2d,
    pixel_shuffle,
    rms_norm,
)
from .norms import *
from .ordering import *
from .pointwise import *
from .printing import *
from .random import *
from .reductions import *
from .rows import *
from .scatter import *
from .serialization import *
from .shape_methods import *
from .shapes import *
from .special import mvlgamma, polygamma
from .switches import *
from .tensor import Size, Tensor
from .turning import *

naming.take_words(globals(), __name__)
naming.take_words(vars(linalg), linalg.__name__)
