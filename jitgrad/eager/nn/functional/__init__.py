"""`jitgrad.eager.nn.functional`: the layers as functions. As torch.nn.functional."""

from ...norms import cosine_similarity, normalize, pairwise_distance
from ...pointwise import sigmoid, tanh
from .activations import *
from .attention import *
from .classes import *
from .conv import *
from .dropout import *
from .linear import *
from .losses import *
from .norm import *
from .padding import *
from .pool import *
