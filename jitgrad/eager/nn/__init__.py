"""`jitgrad.eager.nn`: networks. As torch.nn."""

from .module import Module
from .parameter import Buffer, Parameter
