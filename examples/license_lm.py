"""An LSTM that learns to write the Python licence, character by character.

    python examples/license_lm.py [--epochs 40] [--torch]

The text comes with every installation: Numba's package holds the licences of what it builds on, Python's among them. Trains on
its first 2,400 characters and asks that 9 of 10 next characters be foretold. With --torch, PyTorch trains the same from the same
weights.
"""

import importlib.metadata

import numpy as np
from side_by_side import arguments, curves, put_weights, show, weights

ACCURACY = 0.90
HEADING = "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2"
LENGTH, STREAMS, STEPS = 2400, 8, 25  # characters; read in so many places at once; so many at a time


def licence():
    """The beginning of the Python licence."""
    for path in importlib.metadata.files("numba") or ():
        if "LICENSE" in path.name:
            text = path.read_text(encoding="utf-8")
            if HEADING in text:
                return text[text.index(HEADING) :][:LENGTH]
    raise SystemExit("this example reads the Python licence from Numba's package, and this installation of it has none")


def network(torch, characters):
    nn = torch.nn

    class Writer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(characters, 24)
            self.lstm = nn.LSTM(24, 96, batch_first=True)
            self.out = nn.Linear(96, characters)

        def forward(self, x, state=None):
            h, state = self.lstm(self.embedding(x), state)
            return self.out(h), state

    return Writer().double()  # in single precision two libraries drift apart in 400 steps: by 0.005 in the loss


def encoded():
    """(characters, text as numbers)"""
    text = licence()
    characters = sorted(set(text))
    number = {c: k for k, c in enumerate(characters)}
    return characters, np.array([number[c] for c in text], np.int64)


def initial():
    """The weights that all begin with."""
    import jitgrad.eager as torch

    torch.manual_seed(1)
    return weights(network(torch, len(encoded()[0])))


def train(torch, model, epochs):
    """Yields the mean loss of each epoch; returns the part of the next characters foretold correctly, and a text of its own."""
    characters, numbers = encoded()
    streams = numbers[: LENGTH // STREAMS * STREAMS].reshape(STREAMS, -1)
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    accuracy = 0.0
    for epoch in range(epochs):
        state, total, right, count = None, 0.0, 0, 0
        for at in range(0, streams.shape[1] - STEPS, STEPS):
            x = torch.tensor(streams[:, at : at + STEPS])
            y = torch.tensor(streams[:, at + 1 : at + STEPS + 1])
            logits, state = model(x, state)
            state = tuple(s.detach() for s in state)
            loss = criterion(logits.reshape(-1, len(characters)), y.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            total += loss.item()
            right += int((logits.argmax(-1) == y).sum())
            count += y.numel()
        yield total / len(range(0, streams.shape[1] - STEPS, STEPS))
        accuracy = right / count
    return (accuracy, write(torch, model, characters, "1. This LICENSE"))


def write(torch, model, characters, begin, length=120):
    """The likeliest continuation."""
    text = begin
    with torch.no_grad():
        logits, state = model(torch.tensor([[characters.index(c) for c in begin]]))
        for _ in range(length):
            text += characters[int(logits[0, -1].argmax())]
            logits, state = model(torch.tensor([[characters.index(text[-1])]]), state)
    return text


def start(torch):
    model = network(torch, len(encoded()[0]))
    put_weights(torch, model, initial())
    return model


def main():
    given = arguments(__doc__.splitlines()[0], epochs=40)
    found = curves(train, start, epochs=given.epochs, peer=given.torch)
    show(found, every=max(1, given.epochs // 10))
    for name, (_, (accuracy, text), _) in found.items():
        print(f"{name}: {100 * accuracy:.1f} % of the next characters. It writes:\n{text!r}")
    if found["jitgrad"].result[0] < ACCURACY:
        raise SystemExit(f"less than {100 * ACCURACY:.0f} %")


if __name__ == "__main__":
    main()
