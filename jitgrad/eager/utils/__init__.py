"""`torch.utils`: what stands beside the operations."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
