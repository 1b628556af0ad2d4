"""Corners where programs drawn at random once differed from PyTorch: each with the numbers that PyTorch gives."""

import pickle

import numpy as np
import pytest

import jitgrad.eager as torch
from jitgrad.eager.run import settings

F = torch.nn.functional
NAN = float("nan")


@pytest.fixture(params=[0, 10**9], ids=["compiled", "interpreted"], autouse=True)
def way(request, monkeypatch):
    monkeypatch.setattr(settings, "compile_after", request.param)


def double(x, grad=False):
    return torch.tensor(x, dtype=torch.float64, requires_grad=grad)


VALUES = [
    ("F.cosine_similarity(double([[1, 2], [3, 4]]), double([2]))", [3 / 10**0.5, 7 / 50**0.5]),
    ("torch.tensor([0, 1, -1, 2, 3, -1]) ** torch.tensor([-1, -2, -3, -1, 2, -2])", [0, 1, -1, 0, 9, 1]),
    ("2 ** torch.tensor([-1, 0, 3])", [0, 1, 8]),
    ("torch.addcmul(torch.tensor([1, 2]), torch.tensor([1, 2]), torch.tensor([1, 2]), value=1.5)", [2, 6]),
    ("double([1, 2]).clamp(double([NAN, 0]))", [NAN, 2]),
    ("double([1, 2]).clamp(max=double([3, NAN]))", [1, NAN]),
    ("torch.heaviside(double([NAN, 0, 1, -1]), double([0.5, 0.5, 0.5, 0.5]))", [0, 0.5, 1, 0]),
    ("F.hinge_embedding_loss(double([1, 2, 3]), double([1, -1, 0]), reduction='none')", [1, 0, 3]),
    ("double(2).unfold(0, 1, 1)", [2]),
    ("double(2).movedim(-1, 0)", 2),
    ("torch.zeros(0, 3).softmax(0).shape", [0, 3]),
    ("torch.zeros(2, 0).log_softmax(1).shape", [2, 0]),
    ("torch.zeros(2, 0).logsumexp(1)", [-np.inf, -np.inf]),
    ("torch.zeros(2, 0).logcumsumexp(1).shape", [2, 0]),
    ("torch.diff(torch.zeros(0, 2), dim=0).shape", [0, 2]),
    ("torch.searchsorted(torch.zeros(0, 2), torch.zeros(0, 2)).shape", [0, 2]),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", VALUES, ids=[t for t, _ in VALUES])
def test_values(text, expected):
    got = eval(text, {**globals()})
    np.testing.assert_allclose(np.array(got.tolist() if isinstance(got, torch.Tensor) else got), expected, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.smooth_l1_loss])
def test_a_target_without_axes_counts_for_the_dtype_of_a_loss(loss):
    assert loss(torch.ones(3), double(2)).dtype is torch.float64


@pytest.mark.parametrize(
    "f",
    [
        lambda z: F.normalize(z, dim=0),
        lambda z: F.pad(z, (1, 1)),
        lambda z: F.linear(z, z),
        lambda z: F.pairwise_distance(z, z),
        lambda z: F.layer_norm(z, (2,)),
        lambda z: F.adaptive_avg_pool1d(z[None], 1),
    ],
)
def test_what_does_not_know_complex_numbers_says_so(f):
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        f(torch.tensor([1 + 2j, 3 - 1j]))


def test_backward_to_a_result_retains_its_gradient():
    x = double([1, 2], True)
    y = x * x
    (3 * y).sum().backward(inputs=[y], retain_graph=True)
    assert y.retains_grad and y.grad.tolist() == [3, 3] and x.grad is None
    y.sum().backward()
    assert y.grad.tolist() == [4, 4] and x.grad.tolist() == [2, 4]


def test_backward_to_a_leaf_runs_what_follows_its_gradient():
    x, seen = double([1, 2], True), []
    x.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    x.sum().backward(inputs=[x])
    assert seen == [[1, 1]]


@pytest.mark.parametrize("said, error", [(1, TypeError), (torch.ones(1), RuntimeError)])
def test_what_follows_a_gradient_gives_nothing(said, error):
    x = double([1, 2], True)
    x.register_post_accumulate_grad_hook(lambda p: said)
    with pytest.raises(error):
        x.sum().backward()


def test_a_leaf_that_requires_a_gradient_no_more_gets_none():
    x, w = double([1, 2], True), double(1, True)
    for _ in range(3):  # the third time by a plan, if there is one
        y = (x * x).sum() * w
        x.requires_grad_(False)
        y.backward()
        x.requires_grad_(True)
        assert x.grad is None
        assert w.grad.item() == 5
        w.grad = None


def test_broadcast_tensors_gives_what_has_the_shape_as_it_is():
    x = double([1, 2], True)
    assert torch.broadcast_tensors(x, double(1))[0] is x


OVERWRITES = [
    ("bernoulli_(1.0)", [1.0, 2.0]), ("normal_()", [1.0, 2.0]), ("zero_()", [1.0, 2.0]),
    ("fill_(2.0)", [1j, 2.0]), ("zero_()", [1j, 2.0]),
]  # fmt: skip


@pytest.mark.parametrize("write, first", OVERWRITES)
def test_what_is_overwritten_gets_a_gradient_of_zero(write, first):
    x = torch.tensor(first, requires_grad=True)
    y = x * 2
    eval(f"y.{write}", {"y": y})
    assert y.requires_grad
    (y * y).real.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_cells_of_windows_that_overlap():
    x = double([[1, 2, 3, 4], [5, 6, 7, 8]])
    x.unfold(1, 2, 1)[::3, torch.tensor([2, 0]), 1] *= 2
    assert x.tolist() == [[1, 4, 3, 8], [5, 6, 7, 8]]
    y = double([1, 2, 3])
    y.as_strided((2, 2), (1, 1))[0, 1] = 9
    assert y.tolist() == [1, 9, 3]
    z = torch.zeros(1, 4, dtype=torch.complex64)
    z.unfold(1, 2, 2)[0, 1] = 7j
    torch.view_as_real(z).unfold(1, 2, 2)[0, 1, 0, 1] = 3
    assert z.tolist() == [[0, 0, 7j, 3 + 7j]]


@pytest.mark.parametrize("f, name", [(torch.unique, "_unique2"), (torch.unique_consecutive, "unique_consecutive")])
def test_what_has_no_derivative_is_an_error_on_the_way_back(f, name):
    y = f(double([1, 2, 2], True))
    assert y.requires_grad
    with pytest.raises(NotImplementedError, match=f"the derivative for '{name}' is not implemented."):
        y.sum().backward()


def test_a_line_search_keeps_to_max_eval():
    """As many evaluations as PyTorch makes: the line search is cut where a step of the optimiser has no more."""
    x, seen = double([3, -4], True), []
    optimizer = torch.optim.LBFGS([x], max_iter=3, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (1 - x[0]) ** 2 + 20 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        seen.append(loss.item())
        return loss

    counts = []
    for _ in range(6):
        optimizer.step(closure)
        counts.append(len(seen))
    assert counts == [3, 6, 9, 12, 16, 20]
    assert seen[-1] == pytest.approx(0.5826761303100693, rel=1e-8)


def test_the_diagonal_of_a_view():
    x = torch.zeros(2, 2, 3)
    x[:, 0].fill_diagonal_(1)
    assert x.tolist() == [[[1, 0, 0], [0, 0, 0]], [[0, 1, 0], [0, 0, 0]]]
    y = torch.zeros(2, 3)
    y.t().fill_diagonal_(1)
    assert y.tolist() == [[1, 0, 0], [0, 1, 0]]


# [[1, 2i], [0, 3]] times its conjugate transpose is [[5, 6i], [-6i, 9]]: sum of the squares of the singular values 14,
# product of them 3 (the size of the determinant).
def test_factors_of_complex_matrices():
    a = torch.tensor([[1, 2j], [0, 3]], dtype=torch.complex128)
    u, s, vh = torch.linalg.svd(a)
    assert (u.dtype, s.dtype, vh.dtype) == (torch.complex128, torch.float64, torch.complex128)
    np.testing.assert_allclose([(s * s).sum().item(), s.prod().item()], [14, 3], rtol=1e-12)
    np.testing.assert_allclose(u.numpy() * s.numpy() @ vh.numpy(), a.numpy(), atol=1e-12)
    np.testing.assert_allclose(torch.linalg.svdvals(a).numpy(), s.numpy(), rtol=1e-12)
    np.testing.assert_allclose(torch.linalg.cond(a).item(), s[0].item() / s[1].item(), rtol=1e-12)
    q, r = torch.linalg.qr(a)
    np.testing.assert_allclose(q.numpy() @ r.numpy(), a.numpy(), atol=1e-12)
    np.testing.assert_allclose(torch.linalg.pinv(a).numpy(), [[1, -2j / 3], [0, 1 / 3]], atol=1e-12)
    assert torch.linalg.matrix_rank(a).item() == 2
    assert torch.linalg.matrix_rank(torch.tensor([[1, 1j], [1j, -1]])).item() == 1
    hermitian = torch.tensor([[2, 1j], [-1j, 2]], dtype=torch.complex128)
    np.testing.assert_allclose(torch.linalg.eigvalsh(hermitian).numpy(), [1, 3], rtol=1e-12)
    np.testing.assert_allclose(np.sort_complex(torch.linalg.eigvals(a).numpy()), [1, 3], rtol=1e-12)


FACTORS = ["svd", "svdvals", "qr", "pinv", "cond", "matrix_rank", "eig", "eigvals", "eigh", "eigvalsh"]


@pytest.mark.parametrize("name", FACTORS)
def test_factors_are_of_matrices_of_floats(name):
    with pytest.raises(RuntimeError, match="Expected a floating point or complex tensor as input. Got Long"):
        getattr(torch.linalg, name)(torch.ones(2, 2, dtype=torch.int64))
    with pytest.raises(RuntimeError, match="must have at least 2 dimensions"):
        getattr(torch.linalg, name)(torch.ones(2))


def test_the_triangular_factor_alone():
    q, r = torch.linalg.qr(torch.tensor([[0.0, 2.0], [3.0, 0.0]]), "r")
    assert q.shape == (0,) and r.abs().tolist() == [[3, 0], [0, 2]]


def test_factors_of_what_needs_a_gradient():
    x = double([[2, 0], [0, 1]], True)
    with pytest.raises(NotImplementedError, match="no derivative here"):
        torch.linalg.svdvals(x)
    with torch.no_grad():
        assert torch.linalg.svdvals(x).tolist() == [2, 1]


COMPLEX = torch.tensor([1j, 2])
PAIRS = [
    "COMPLEX.median()", "COMPLEX.nanmedian()", "COMPLEX.max(0)", "COMPLEX.min(0)", "COMPLEX.aminmax()", "COMPLEX.aminmax(dim=0)",
    "COMPLEX.histc()", "torch.isin(COMPLEX, COMPLEX)", "torch.isin(torch.ones(2), COMPLEX)",
    "torch.searchsorted(COMPLEX, COMPLEX)", "torch.searchsorted(torch.ones(2), COMPLEX)",
    "torch.bucketize(COMPLEX, torch.ones(2))",
    "COMPLEX.unique()", "COMPLEX.unique(dim=0)", "COMPLEX.unique_consecutive()", "torch.bernoulli(COMPLEX)",
    "torch.normal(COMPLEX, 1.0)", "torch.normal(0.0, COMPLEX)", "torch.multinomial(COMPLEX, 1)",
]  # fmt: skip


@pytest.mark.parametrize("text", PAIRS)
def test_what_has_an_order_refuses_complex_numbers(text):
    with pytest.raises(NotImplementedError, match="not implemented for 'ComplexFloat'"):
        eval(text, {**globals()})


def test_the_conjugate_of_one_number():
    assert torch.tensor(1 + 2j).H.item() == 1 - 2j and double(3).H.item() == 3


def test_a_complex_number_is_true_by_either_part():
    z = torch.tensor([0j, 1j, 1, 1 + 1j])
    assert z.to(torch.bool).tolist() == z.bool().tolist() == [False, True, True, True]


EMPTY = [
    ("torch.zeros(0).mode()", IndexError, r"mode\(\): Expected reduction dim 0 to have non-zero size."),
    ("torch.zeros(3, 0).mode()", IndexError, r"mode\(\): Expected reduction dim 1 to have non-zero size."),
    ("torch.zeros(0, 3).median(0)", IndexError, r"median\(\): Expected reduction dim 0 to have non-zero size."),
    ("torch.zeros(0, 3).kthvalue(1, 0)", IndexError, r"kthvalue\(\): Expected reduction dim 0 to have non-zero size."),
    ("torch.zeros(0).quantile(0.5)", RuntimeError, r"quantile\(\) input tensor must be non-empty"),
]


@pytest.mark.parametrize("text, error, said", EMPTY, ids=[t for t, *_ in EMPTY])
def test_what_picks_a_number_wants_one(text, error, said):
    with pytest.raises(error, match=said):
        eval(text, {**globals()})


def slope(text, x, y):
    x, y = double(x, True), double(y, True)
    out = eval(text, {**globals(), "x": x, "y": y})
    out.backward(torch.ones_like(out))
    return [v.grad.tolist() if v.grad is not None else None for v in (x, y)]


INF = float("inf")
SLOPES = [
    ("x ** y", [0, 0, 0, 2], [0, 0.5, 2, 1], [0, INF, 0, 1], [0, 0, 0, 2 * np.log(2)]),
    ("0 ** y + x", [0, 0], [0, 2], [1, 1], [0, 0]),
    ("torch.float_power(x, y)", [0], [0], [0], [0]),
    ("torch.atan2(x, y)", [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, -1, 0]),
    ("x ** 0.5 + y", [4, 0], [0, 0], [0.25, INF], [1, 1]),
    ("x ** -0.5 + y", [4], [0], [-1 / 16], [1]),
    ("F.elu(x) + F.selu(y)", [1000, 0, -1000], [1000, 1, -1000], [1, 1, 0], [1.0507009873554805, 1.0507009873554805, 0]),
    ("F.celu(x, 0.5) + y", [1000, 0], [0, 0], [1, 1], [1, 1]),
    ("x.norm(0.5) + y", [0, 4], [0], [0, 1], [1]),
]


@pytest.mark.parametrize("text, x, y, x_bar, y_bar", SLOPES, ids=[t for t, *_ in SLOPES])
def test_slopes_where_a_function_ends_or_jumps(text, x, y, x_bar, y_bar):
    got = slope(text, x, y)
    np.testing.assert_allclose(got[0], x_bar, rtol=1e-12)
    np.testing.assert_allclose(got[1], y_bar, rtol=1e-12)


def test_slopes_of_elu_in_single_precision():
    x = torch.tensor([100.0, -200.0], requires_grad=True)
    F.elu(x).sum().backward()
    assert x.grad.tolist() == [1, 0]


def test_roots_of_infinity():
    np.testing.assert_array_equal((double([-np.inf, np.inf]) ** 0.5).tolist(), [NAN, np.inf])
    np.testing.assert_array_equal((double([-np.inf, np.inf]) ** -0.5).tolist(), [NAN, 0])


def test_a_power_keeps_its_base_and_not_its_result():
    x = double([4, 9], True)
    y = x**0.5
    y += 1
    y.sum().backward()
    np.testing.assert_allclose(x.grad.tolist(), [1 / 4, 1 / 6], rtol=1e-12)
    base = double([4, 9], True) * 1
    out = base**0.5
    base += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        out.sum().backward()


@pytest.mark.parametrize("f", [torch.sign, torch.sgn])
def test_signs(f):
    assert f(torch.tensor([True, False])).tolist() == [True, False]
    assert f(torch.tensor([3, -2, 0])).tolist() == [1, -1, 0]
    assert f(double([-3, NAN, 0, np.inf])).tolist() == [-1, 0, 0, 1]


WRONG = [
    ("torch.einsum('ii->i', torch.ones(2, 3))", RuntimeError, "i is repeated for operand 0 but the sizes don't match, 3 != 2"),
    ("torch.einsum('ii', torch.ones(1, 3))", RuntimeError, "i is repeated for operand 0 but the sizes don't match, 3 != 1"),
    ("torch.roll(double(1), 1, -1)", IndexError, "Dimension specified as -1 but tensor has no dimensions"),
    ("torch.roll(torch.tensor(1j), 1, 0)", IndexError, "Dimension specified as 0 but tensor has no dimensions"),
    ("torch.repeat_interleave(double(1), 2, 0)", IndexError, "Dimension specified as 0 but tensor has no dimensions"),
    ("torch.zeros(2).scatter(0, torch.tensor([0]), 1j)", RuntimeError, "value cannot be converted to type float"),
    ("COMPLEX.scatter_reduce(0, torch.tensor([0]), COMPLEX, 'prod')", NotImplementedError, "only sums"),
]


@pytest.mark.parametrize("text, error, said", WRONG, ids=[t for t, *_ in WRONG])
def test_wrong_input_is_named(text, error, said):
    with pytest.raises(error, match=said):
        eval(text, {**globals()})


def test_scatter_of_complex_numbers():
    z, at = torch.tensor([1j, 2, 3]), torch.tensor([0, 0])
    assert z.scatter(0, at[:1], 2 + 1j).tolist() == [2 + 1j, 2, 3]
    assert z.scatter(0, at, 2 + 1j, reduce="add").tolist() == [4 + 3j, 2, 3]
    np.testing.assert_allclose(z.scatter_reduce(0, at, COMPLEX, "mean").tolist(), [(2 + 2j) / 3, 2, 3], rtol=1e-6)
    assert z.scatter_reduce(0, at, COMPLEX, "sum", include_self=False).tolist() == [2 + 1j, 2, 3]


def test_signs_in_place():
    x, z = torch.tensor([True, False]), torch.tensor([3j, 0])
    assert x.sgn_().tolist() == [True, False] and z.sgn_().tolist() == [1j, 0]


TABLE = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
OTHER_WORDS = [
    ("TABLE.sum(axis=0, keepdims=True)", [[4, 7]]),
    ("torch.mean(TABLE, axis=1)", [1.5, 4]),
    ("TABLE.max(axis=0).values", [3, 5]),
    ("torch.stack([TABLE, TABLE], axis=2).shape", [2, 2, 2]),
    ("torch.linalg.vector_norm(TABLE, 1, axis=1)", [3, 8]),
    ("torch.flip(TABLE, dims=[0])", [[3, 5], [1, 2]]),
    ("TABLE.permute(dims=(1, 0))", [[1, 3], [2, 5]]),
    ("torch.reshape(input=TABLE, shape=(4,))", [1, 2, 3, 5]),
    ("torch.zeros(size=(2,))", [0, 0]),
    ("torch.flip(input=TABLE, dims=(1,))", [[2, 1], [5, 3]]),
    ("torch.unsqueeze(input=TABLE, dim=0).shape", [1, 2, 2]),
]


@pytest.mark.parametrize("text, expected", OTHER_WORDS, ids=[t for t, _ in OTHER_WORDS])
def test_other_words_for_arguments(text, expected):
    got = eval(text, {**globals()})
    assert (got.tolist() if isinstance(got, torch.Tensor) else list(got)) == expected


@pytest.mark.parametrize("text", ["TABLE.sum(dim=0, axis=0)", "torch.chunk(TABLE, input=TABLE, chunks=2)"])
def test_an_argument_is_given_once(text):
    with pytest.raises(TypeError, match="got two values for one argument"):
        eval(text, {**globals()})


def test_functions_with_other_words_are_found_by_pickle():
    assert pickle.loads(pickle.dumps(torch.softmax)) is torch.softmax
