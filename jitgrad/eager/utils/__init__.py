"""`torch.utils`: what stands beside the operations."""

from . import checkpoint

__all__ = ["checkpoint"]
