"""`jitgrad.eager.nn`: networks. As torch.nn.

>>> import jitgrad.eager as torch
>>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
>>> model(torch.zeros(5, 4)).shape
torch.Size([5, 1])
"""

from . import functional, init, utils
from .activation import *
from .around import *
from .attention import *
from .containers import *
from .conv import *
from .dropout import *
from .layers import *
from .loss import *
from .module import Module
from .norm import *
from .parameter import Buffer, Parameter
from .recurrent import *
