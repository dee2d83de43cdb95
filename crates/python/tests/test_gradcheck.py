"""The gradient checker from Python: verdicts on functions right and wrong, forms of inputs and answers, exceptions."""

import math
import signal
import subprocess
import sys
import threading

import impasto
import numpy as np
import pytest


def at(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


W = at(3, 4, seed=1)
A = at(5, 5, seed=2)
A = A @ A.T + np.eye(5)


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


# name: (f, right gradient, wrong gradient, inputs)
FUNCTIONS = {
    "squares": (lambda x: (x**2).sum(), lambda x: 2 * x, lambda x: x, [at(7)]),
    "sin of a product": (
        lambda x, y: np.sin(x * y).sum(),
        lambda x, y: (y * np.cos(x * y), x * np.cos(x * y)),
        lambda x, y: (x * np.cos(x * y), y * np.cos(x * y)),
        [at(3, 2), at(3, 2, seed=3)],
    ),
    "quadratic form": (lambda x: x @ A @ x / 2, lambda x: A @ x, lambda x: -(A @ x), [at(5)]),
    "log sum exp": (
        lambda x: np.log(np.exp(x).sum()),
        softmax,
        lambda x: np.exp(x) / len(x),
        [at(9)],
    ),
    "log det": (
        lambda x: np.linalg.slogdet(x)[1],
        lambda x: np.linalg.inv(x).T,
        np.linalg.inv,
        [A + 0.3 * at(5, 5, seed=4)],
    ),
    "norm": (np.linalg.norm, lambda x: x / np.linalg.norm(x), lambda x: x / (x**2).sum(), [at(6)]),
    "number": (math.sin, math.cos, lambda x: math.cos(x) * 1.001, [0.7]),
    "variance": (np.var, lambda x: 2 * (x - x.mean()) / x.size, lambda x: 2 * (x - x.mean()), [at(8)]),
    "logistic loss": (
        lambda w, x: np.log1p(np.exp(-x @ w)).sum(),
        lambda w, x: (-x.T @ (1 / (1 + np.exp(x @ w))), -np.outer(1 / (1 + np.exp(x @ w)), w)),
        lambda w, x: (-x.T @ (1 / (1 + np.exp(x @ w))), np.outer(1 / (1 + np.exp(x @ w)), w)),
        [at(4), at(6, 4, seed=5)],
    ),
    "one element": (
        lambda x: (x**3).sum(),
        lambda x: 3 * x**2,
        lambda x: 3 * x**2 + 1e-4 * (np.arange(x.size) == 5).reshape(x.shape),
        [at(4, 3)],
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_verdicts(name):
    f, right, wrong, inputs = FUNCTIONS[name]
    report = impasto.gradcheck(f, right, *inputs)
    assert report and report.ok and report.verdict == "right", str(report)
    assert report.worst_error < 1e-8 and report.compared > 0 and report.slopes == []
    report = impasto.gradcheck(f, wrong, *inputs)
    assert not report and report.verdict == "wrong", str(report)
    assert str(report).startswith("wrong gradient: ") and "analytic" in str(report)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_order_of_the_taylor_remainder(name):
    f, right, wrong, inputs = FUNCTIONS[name]
    found = impasto.taylor(f, right, *inputs)
    assert found.ok and found.order > 1.75 and len(found.orders) == len(inputs), str(found)
    found = impasto.gradcheck(f, wrong, *inputs).taylor()
    assert found.verdict == "wrong" and abs(found.order - 1) < 0.25, str(found)
    assert any(row[2] for row in found.rows[0]) or len(inputs) > 1


def test_vjps():
    def layer(x, w):
        return np.tanh(x @ w)

    def vjp(x, w, dy):
        inner = dy * (1 - layer(x, w) ** 2)
        return inner @ w.T, x.T @ inner

    x = at(2, 3, seed=6)
    for report in [
        impasto.gradcheck(layer, x, W, vjp=vjp),
        impasto.gradcheck(layer, None, x, W, vjp=vjp),
    ]:
        assert report.ok and report.compared == (x.size + W.size) * 8
    report = impasto.gradcheck(layer, x, W, vjp=lambda x, w, dy: (vjp(x, w, dy)[0], 1.01 * vjp(x, w, dy)[1]))
    assert report.verdict == "wrong"
    assert report.inputs[0] == "input 0: right"
    assert report.inputs[1].startswith("input 1: 12 of 12 elements wrong") and "1.010000 times" in report.inputs[1]
    with pytest.raises(TypeError, match="vjp=vjp"):
        impasto.gradcheck(layer, lambda x, w: (x, w), x, W)
    with pytest.raises(TypeError, match="not both"):
        impasto.gradcheck(layer, lambda x, w: (x, w), x, W, vjp=vjp)


def test_what_is_said_of_each_input():
    f = lambda a, b: (a**2).sum() * (b**3).sum()
    wrong = lambda a, b: (2 * a * (b**3).sum(), (3 * b**2 * (a**2).sum()).T)
    report = impasto.gradcheck(f, wrong, at(2), at(3, 3, seed=7), names=["a", "b"])
    assert report.inputs[0] == "a: right"
    assert report.inputs[1] == "b: 6 of 9 elements wrong; the gradient of b is transposed"
    assert "  b: 6 of 9" in str(report) and report.hints == ["the gradient of b is transposed"]
    worst = report.slopes[0]
    assert worst["input"] == 1 and worst["verdict"] == "wrong" and len(worst["element"]) == 2
    assert math.isclose(worst["error"], abs(worst["analytic"] - worst["numeric"]))


def test_kinks():
    f, g = (lambda x: np.abs(x).sum()), np.sign
    x = np.array([1.0, 0.0, -2.0])
    assert impasto.gradcheck(f, g, x).verdict == "kink"
    report = impasto.gradcheck(f, g, x, subgradients=True)
    assert report.ok and report.verdict == "right at a kink" and report.inputs == ["input 0: right, 1 at kinks"]
    assert impasto.gradcheck(f, g, x).taylor().verdict == "kink"


def test_precision():
    f, g = (lambda x: np.sin(x).sum()), np.cos
    x = at(6).astype(np.float32)
    seen = set()
    assert impasto.gradcheck(lambda x: (seen.add(x.dtype), f(x))[1], g, x).ok
    assert seen == {np.dtype("float32")}
    assert not impasto.gradcheck(f, lambda x: 1.1 * g(x), x).ok
    coarse = lambda x: float(np.float32(f(x)))
    assert impasto.gradcheck(coarse, g, at(3)).verdict in ("coarse", "undecided")
    for x in [at(3) + 1j, at(3).astype(np.float16), at(3).astype(object)]:
        with pytest.raises(TypeError, match=str(x.dtype)):
            impasto.gradcheck(f, g, x)


class Tensor:
    """What torch's tensors have of it, for machines without torch."""

    def __init__(self, array, requires_grad=False):
        self.array, self.requires_grad = np.asarray(array), requires_grad

    def new_tensor(self, array):
        return Tensor(array)

    def requires_grad_(self, wanted):
        self.requires_grad = wanted
        return self

    def detach(self):
        return Tensor(self.array)

    def numpy(self):
        if self.requires_grad:
            raise RuntimeError("call detach() first")
        return self.array


class Lazy:
    """What jax's arrays have of it."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_tensors_and_arrays_of_others():
    f, g = (lambda x: np.sin(np.asarray(x)).sum()), np.cos
    assert impasto.gradcheck(lambda x: Lazy(np.array(f(x))), lambda x: Lazy(g(x)), at(3)).ok
    assert impasto.gradcheck(lambda x: Tensor(f(x), True), lambda x: (Tensor(g(x), True),), at(3)).ok

    def of_tensor(x):
        assert isinstance(x, Tensor) and x.requires_grad
        return Tensor(f(x.array), True)

    assert impasto.gradcheck(of_tensor, lambda x: Tensor(g(x.array)), Tensor(at(3), True)).ok


def test_torch():
    torch = pytest.importorskip("torch")
    x = torch.randn(3, 2, dtype=torch.float64, requires_grad=True)
    f = lambda x: torch.sin(x).prod()
    assert impasto.gradcheck(f, lambda x: torch.autograd.grad(f(x), x), x).ok
    assert not impasto.gradcheck(f, lambda x: torch.cos(x), x).ok


def test_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    f = lambda x: jax.numpy.sin(x).prod()
    assert impasto.gradcheck(f, jax.grad(f), at(3, 2)).ok


def test_forms_of_inputs_and_answers():
    x = np.asfortranarray(at(3, 4))
    assert impasto.gradcheck(lambda x: (W * x).sum() ** 2, lambda x: 2 * (W * x).sum() * W, x).ok
    assert impasto.gradcheck(lambda x: (x[::2] ** 2).sum(), lambda x: np.where(np.arange(6) % 2, 0, 2 * x), at(6)).ok
    assert impasto.gradcheck(lambda x: x[0] * x[1], lambda x: [x[1], x[0]], [2, 3]).ok
    assert impasto.gradcheck(lambda x: (x**2).sum(), lambda x: 2 * x, at(3).astype(">f8")).ok
    assert impasto.gradcheck(lambda x: np.array([[x**2]]), lambda x: 2 * x, np.float64(3.0)).ok
    assert impasto.gradcheck(lambda x, unused: x**2, lambda x, unused: (2 * x, None), 3.0, 1.0).ok
    report = impasto.gradcheck(lambda x, y: x * y, lambda x, y: (y, None), 3.0, 1.0)
    assert "no gradient at all for input 1" in str(report)
    assert "has shape [2], but the input has shape [3]" in str(impasto.gradcheck(np.sum, lambda x: x[:2], at(3)))
    assert "NaN" in str(impasto.gradcheck(lambda x: np.nan, lambda x: x, at(3)))


def test_wrong_calls():
    f, g, x = np.sum, np.ones_like, at(3)
    for call, error, words in [
        (lambda: impasto.gradcheck(f, g), TypeError, "no inputs"),
        (lambda: impasto.gradcheck(f, x), TypeError, "grad is a function"),
        (lambda: impasto.gradcheck(x, g, x), TypeError, "f is a function"),
        (lambda: impasto.gradcheck(f, g, x, rtol=-1), ValueError, "rtol"),
        (lambda: impasto.gradcheck(f, g, x, eps=0), ValueError, "eps"),
        (lambda: impasto.gradcheck(f, g, x, directions=0), ValueError, "1 or more"),
        (lambda: impasto.gradcheck(f, g, x, names=["a", "b"]), ValueError, "names"),
        (lambda: impasto.gradcheck(f, g, np.array([1.0, np.nan])), ValueError, "NaN"),
        (lambda: impasto.gradcheck(f, g, "abc"), TypeError, "dtype"),
        (lambda: impasto.gradcheck(lambda x, y: x.sum(), lambda x, y: x, x, x), TypeError, "tuple or list"),
        (lambda: impasto.gradcheck(lambda x, y: x.sum(), lambda x, y: (x,), x, x), TypeError, "1 arrays"),
        (lambda: impasto.gradcheck(f, None, x), TypeError, "give the gradient"),
    ]:
        with pytest.raises(error, match=words):
            call()


def test_exceptions():
    def f(x):
        if x < 1:
            raise ValueError("negative")
        return math.sqrt(x - 1)

    assert impasto.gradcheck(f, lambda x: 0.5 / math.sqrt(x - 1), 1.001).ok
    with pytest.raises(ValueError, match="negative"):
        impasto.gradcheck(f, lambda x: 1.0, 0.5)
    with pytest.raises(ZeroDivisionError):
        impasto.gradcheck(f, lambda x: 1 / 0, 2.0)

    def interrupted(x):
        if x != 2.0:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt):
        impasto.gradcheck(interrupted, lambda x: 1.0, 2.0)


def test_ctrl_c():
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    slow = lambda x: (x**2).sum()
    with pytest.raises(KeyboardInterrupt):
        timer.start()
        while True:
            impasto.gradcheck(slow, lambda x: 2 * x, at(100, 100))
    timer.join()


def test_hessians():
    x = at(5)
    report = impasto.check_hessian_vector(lambda x: x**3 + A @ x, lambda x, v: 3 * x**2 * v + A @ v, x)
    assert report.ok, str(report)
    assert not impasto.check_hessian_vector(lambda x: x**3 + A @ x, lambda x, v: 3 * x**2 * v, x)
    skew = np.triu(np.ones((5, 5)))
    assert "symmetric" in str(impasto.check_hessian_vector(lambda x: skew @ x, lambda x, v: skew @ v, x))
    # Of two inputs: f = x² y.
    grad = lambda x, y: (2 * x * y, x**2)
    product = lambda x, y, u, v: (2 * y * u + 2 * x * v, 2 * x * u)
    assert impasto.check_hessian_vector(grad, product, 0.7, -1.1).ok
    with pytest.raises(TypeError):
        report.taylor()


def test_derivatives_by_differences():
    found = impasto.numeric_gradient(lambda x: np.sin(x).sum(), at(2, 3))
    np.testing.assert_allclose(found, np.cos(at(2, 3)), atol=1e-9)
    assert found.values.shape == found.errors.shape == (2, 3) and found.errors.max() < 1e-8 and found.evaluations > 12
    first, second = impasto.numeric_gradient(lambda x, y: x @ y, at(3), at(3, seed=1)).values
    np.testing.assert_allclose(first, at(3, seed=1), atol=1e-9)
    np.testing.assert_allclose(second, at(3), atol=1e-9)
    jacobian = impasto.numeric_jacobian(lambda x, y: W @ x + y, at(4), at(3))
    np.testing.assert_allclose(jacobian.values[0], W, atol=1e-9)
    np.testing.assert_allclose(jacobian.values[1], np.eye(3), atol=1e-9)
    with pytest.raises(TypeError, match="numeric_jacobian"):
        impasto.numeric_gradient(lambda x: x, at(3))


def test_the_seed_repeats_a_check():
    f, g = (lambda x: np.sin(x).sum()), np.cos
    one, again, other = (impasto.gradcheck(f, g, at(50), directions=3, seed=s).worst_error for s in (1, 1, 2))
    assert one == again and one != other


def test_assert_gradient():
    impasto.testing.assert_gradient(np.sum, np.ones_like, at(3))
    with pytest.raises(AssertionError, match="(?s)wrong gradient: 3 of 3 slopes.*analytic.*wrong sign"):
        impasto.testing.assert_gradient(np.sum, lambda x: -np.ones_like(x), at(3))


def test_import_is_quick_and_imports_nothing():
    code = "import time; t = time.perf_counter(); import impasto, sys; print(time.perf_counter() - t, 'numpy' in sys.modules)"
    times = [subprocess.check_output([sys.executable, "-c", code], text=True).split() for _ in range(3)]
    assert all(numpy == "False" for _, numpy in times)


def test_help_is_readable():
    for name in impasto.__all__:
        thing = getattr(impasto, name)
        assert thing.__doc__ and len(thing.__doc__.splitlines()[0]) < 100, name
        assert all(len(line) <= 132 for line in thing.__doc__.splitlines()), name
