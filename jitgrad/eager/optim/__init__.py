"""`jitgrad.eager.optim`: optimisers and schedules of the learning rate. As torch.optim."""

from . import lr_scheduler
from .lbfgs import LBFGS
from .optimizer import Optimizer
from .rules import SGD, Adagrad, Adam, AdamW, RMSprop
from .variants import Adadelta, Adamax, NAdam, RAdam
