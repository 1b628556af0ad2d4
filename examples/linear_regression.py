"""The straight line through eleven points, as one writes it in PyTorch: y = 2 x + 1.

    python examples/linear_regression.py [--torch]

The script is an article's; `import jitgrad.eager as torch` is all that differs. With --torch it runs on PyTorch too.
"""

import numpy as np
from side_by_side import arguments, curves, put_weights, show


def network(torch):
    nn = torch.nn

    class LinearRegressionModel(nn.Module):
        def __init__(self, input_dim, output_dim):
            super().__init__()
            self.Linear = nn.Linear(input_dim, output_dim)

        def forward(self, x):
            return self.Linear(x)

    model = LinearRegressionModel(1, 1)
    put_weights(torch, model, {"Linear.weight": np.array([[0.5]], np.float32), "Linear.bias": np.array([0.0], np.float32)})
    return model


def train(torch, model, epochs):
    """Yields the loss of each epoch; returns the line that was found."""
    x_train = np.arange(11, dtype=np.float32).reshape(-1, 1)
    y_train = 2 * x_train + 1
    device = torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    model.to(device)
    criterion = torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for epoch in range(epochs):
        inputs = torch.from_numpy(x_train).to(device)
        labels = torch.from_numpy(y_train).to(device)
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        yield loss.item()
    return {name: p.item() for name, p in model.named_parameters()}


def main():
    given = arguments(__doc__.splitlines()[0], epochs=1000)
    found = curves(train, network, epochs=given.epochs, peer=given.torch)
    show(found, every=max(1, given.epochs // 20))
    for name, (_, line, _) in found.items():
        print(f"{name}: y = {line['Linear.weight']:.4f} x + {line['Linear.bias']:.4f}")


if __name__ == "__main__":
    main()
