"""A convolutional network that reads handwritten digits: 8 x 8 pixels, the data set that comes with scikit-learn.

    pip install 'jitgrad[examples]'
    python examples/digits.py [--epochs 20] [--torch]

Trains on 1,437 of the 1,797 digits and asks for 97 % of the other 360. With --torch, PyTorch trains the same from the same
weights, on the same batches. Data: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (UCI, 1998).
"""

import numpy as np
from side_by_side import arguments, curves, put_weights, show, weights

ACCURACY = 0.97
TRAINED = 1437
BATCH = 64


def digits():
    """Images between 0 and 1 as (n, 1, 8, 8), and what they show."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit("this example reads its data from scikit-learn: pip install 'jitgrad[examples]'") from None
    found = load_digits()
    return (found.images[:, None] / 16).astype(np.float32), found.target.astype(np.int64)


def network(torch):
    nn = torch.nn
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def initial():
    """The weights that all begin with."""
    import jitgrad.eager as torch

    torch.manual_seed(1)
    return weights(network(torch))


def train(torch, model, epochs):
    """Yields the mean loss of each epoch; returns the part of the held-out digits that is read correctly."""
    images, labels = digits()
    order = np.random.default_rng(0).permutation(len(labels))
    known, held_out = order[:TRAINED], order[TRAINED:]
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(images[known]), torch.from_numpy(labels[known])),
        batch_size=BATCH,
        shuffle=True,
        generator=torch.Generator().manual_seed(2),
    )
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        yield total / TRAINED
    model.eval()
    with torch.no_grad():
        guess = model(torch.from_numpy(images[held_out])).argmax(dim=1).numpy()
    return float(np.mean(guess == labels[held_out]))


def start(torch):
    model = network(torch)
    put_weights(torch, model, initial())
    return model


def main():
    given = arguments(__doc__.splitlines()[0], epochs=20)
    found = curves(train, start, epochs=given.epochs, peer=given.torch)
    show(found)
    for name, (_, accuracy, _) in found.items():
        print(f"{name}: {100 * accuracy:.1f} % of the held-out digits")
    if found["jitgrad"].result < ACCURACY:
        raise SystemExit(f"less than {100 * ACCURACY:.0f} %")


if __name__ == "__main__":
    main()
