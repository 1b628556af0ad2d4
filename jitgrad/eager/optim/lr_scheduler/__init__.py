"""Schedules of the learning rate. As torch.optim.lr_scheduler."""

from .base import LRScheduler
from .cycles import CosineAnnealingLR, CosineAnnealingWarmRestarts, OneCycleLR
from .factors import ConstantLR, ExponentialLR, LambdaLR, LinearLR, MultiplicativeLR, MultiStepLR, PolynomialLR, StepLR
from .plateau import ReduceLROnPlateau
from .several import ChainedScheduler, SequentialLR
