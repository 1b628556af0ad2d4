"""`jitgrad.eager.optim`: optimisers. As torch.optim."""

from .optimizer import Optimizer
from .rules import SGD, Adagrad, Adam, AdamW, RMSprop
