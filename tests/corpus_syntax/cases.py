"""What the corpus is made with: the list of cases, and a few globals that its functions read."""

CASES = []
SCALE = 3.0
TABLE = {"a": 1, "b": [1, 2, 3]}
XS = [0.5, 1.5, -2.0, 3.0, 0.0, 4.0]


def case(*argument_lists):
    """Register a function with the lists of arguments to call it with."""

    def register(f):
        CASES.extend((f, arguments) for arguments in argument_lists)
        return f

    return register


class Counting:
    """Called, it gives its argument back and remembers it: to see what is evaluated, and in which order."""

    def __init__(self):
        self.log = []

    def __call__(self, k):
        self.log.append(k)
        return k
