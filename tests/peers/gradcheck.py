"""Gradient checkers on the same functions: impasto, torch.autograd.gradcheck, scipy.optimize.check_grad, jax check_grads.

    python tests/peers/gradcheck.py --impasto target/release/impasto --seed 1 --draws 3
    python tests/peers/gradcheck.py --impasto target/release/impasto --count

Functions are drawn by kinds from a seed, each with its right gradient and with wrong ones. The first form prints, for each
checker, how many right gradients it calls right and how many wrong ones it does not; the second counts evaluations per
element. Checkers that are not installed are left out. Needs numpy.

torch.autograd.gradcheck takes the function in float64 with its default tolerances; scipy's check_grad gives one number, which
is compared with 1e-5 of the gradient's norm; JAX's check_grads, in reverse mode with its default tolerances, calls the numpy
function back.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import warnings

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "examples", "gradcheck"))


# Kinds: each draws (name, point, f, gradient, {name of a fault: wrong gradient}).

def logarithmic(rng, low, high):
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def usual(gradient):
    """Faults that any gradient can have."""
    return {
        "sign": lambda x: -gradient(x),
        "factor 1.001": lambda x: 1.001 * gradient(x),
        "factor 1.3": lambda x: 1.3 * gradient(x),
        "one element": lambda x: gradient(x) * np.where(np.arange(x.size) == x.size // 2, 1.05, 1.0),
    }


def blackbody(rng):
    x = np.array([logarithmic(rng, 1e-6, 3e-6), logarithmic(rng, 800.0, 8000.0)])
    c1, c2 = 3.741771852e-16, 1.438776877e-2
    f = lambda x: c1 / x[0] ** 5 / np.expm1(c2 / (x[0] * x[1]))

    def g(x):
        z = c2 / (x[0] * x[1])
        share = z * np.exp(z) / np.expm1(z)
        return f(x) * np.array([(share - 5) / x[0], share / x[1]])

    return "black body", x, f, g, usual(g)


def option(rng):
    x = np.array([rng.uniform(80, 120), rng.uniform(0.1, 0.6), rng.uniform(0.1, 2.0)])
    k, r = 100.0, 0.03
    cdf = lambda z: 0.5 * math.erfc(-z / math.sqrt(2))
    pdf = lambda z: math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    def ds(x):
        d1 = (math.log(x[0] / k) + (r + x[1] ** 2 / 2) * x[2]) / (x[1] * math.sqrt(x[2]))
        return d1, d1 - x[1] * math.sqrt(x[2])

    def f(x):
        d1, d2 = ds(x)
        return x[0] * cdf(d1) - k * math.exp(-r * x[2]) * cdf(d2)

    def g(x):
        d1, d2 = ds(x)
        discounted = k * math.exp(-r * x[2])
        return np.array([cdf(d1), x[0] * pdf(d1) * math.sqrt(x[2]), x[0] * pdf(d1) * x[1] / 2 / math.sqrt(x[2]) + r * discounted * cdf(d2)])

    return "call option", x, f, g, usual(g)


def gamma_likelihood(rng):
    y = rng.gamma(2.0, 1.5, size=20)
    x = np.array([rng.uniform(0.5, 5), rng.uniform(0.2, 4)])
    f = lambda x: float(np.sum(-(x[0] - 1) * np.log(y) + y / x[1]) + y.size * (math.lgamma(x[0]) + x[0] * math.log(x[1])))

    def digamma(z):
        total = 0.0
        while z < 10:
            total, z = total - 1 / z, z + 1
        return total + math.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6) + 1 / (240 * z**8) - 1 / (132 * z**10)

    g = lambda x: np.array([-np.log(y).sum() + y.size * (digamma(x[0]) + math.log(x[1])), -y.sum() / x[1] ** 2 + y.size * x[0] / x[1]])
    return "gamma likelihood", x, f, g, usual(g)


def least_squares(rng):
    n = int(rng.integers(2, 8))
    a, b, at = rng.normal(size=(12, n)), rng.normal(size=12), rng.normal(size=n)
    scale = logarithmic(rng, 1e-6, 1e6)
    f = lambda x: scale * float(np.sum((a @ x - b) ** 2))
    g = lambda x: 2 * scale * a.T @ (a @ x - b)
    return f"least squares of size {scale:.0e}", at, f, g, usual(g) | {"half": lambda x: g(x) / 2}


def at_the_fit(rng):
    a, x = rng.normal(size=(6, 3)), rng.normal(size=3)
    b = a @ x
    f = lambda x: float(np.sum((a @ x - b) ** 2))
    g = lambda x: 2 * a.T @ (a @ x - b)
    return "a fit without residue", x, f, g, {"not 0": lambda x: g(x) + 1e-3, "a term": lambda x: g(x) + 1e-2 * x}


def log_det(rng):
    n = int(rng.integers(2, 6))
    root = rng.normal(size=(n, n))
    at = (root @ root.T + 0.3 * np.eye(n)).ravel()
    f = lambda x: float(np.linalg.slogdet(x.reshape(n, n))[1])
    g = lambda x: np.linalg.inv(x.reshape(n, n)).T.ravel()
    return "log det", at, f, g, usual(g)


def spectral_line(rng):
    at, width = logarithmic(rng, 100, 1e5), logarithmic(rng, 1e-3, 1e-1)
    x = np.array([at + width * rng.uniform(0.3, 1.5), 0.7])
    line = lambda z: 1 / (1 + ((z - at) / width) ** 2)
    slope = lambda z: -2 * (z - at) / width**2 * line(z) ** 2
    f = lambda x: float(x[1] * line(x[0]) + (x[0] / at) ** 2)
    g = lambda x: np.array([x[1] * slope(x[0]) + 2 * x[0] / at**2, line(x[0])])
    return f"a line of width {width:.0e} at {at:.0e}", x, f, g, usual(g) | {"line forgotten": lambda x: np.array([2 * x[0] / at**2, line(x[0])])}


def light_curve(rng):
    period, x = logarithmic(rng, 0.1, 30), np.array([2.45e6 + rng.uniform(0, 1e4), 0.3])
    w = 2 * np.pi / period
    f = lambda x: float(1 + x[1] * np.sin(w * x[0]) + 0.2 * np.cos(2 * w * x[0]))
    g = lambda x: np.array([x[1] * w * np.cos(w * x[0]) - 0.4 * w * np.sin(2 * w * x[0]), np.sin(w * x[0])])
    return f"a light curve of period {period:.1e}", x, f, g, usual(g)


def barrier(rng):
    d = logarithmic(rng, 1e-8, 1e-2)
    x = np.array([2 - d, 0.4])
    f = lambda x: float(-np.log(2 - x[0]) + x[1] ** 2) if x[0] < 2 else math.nan
    g = lambda x: np.array([1 / (2 - x[0]), 2 * x[1]])
    return f"a barrier at {d:.0e}", x, f, g, usual(g)


def bisection(rng):
    tolerance = logarithmic(rng, 1e-12, 1e-8)
    x = np.array([rng.uniform(0.5, 5.0)])

    def solve(p):
        low, high = -10.0, 10.0
        while high - low > tolerance:
            m = (low + high) / 2
            low, high = (m, high) if m**3 + m < p else (low, m)
        return (low + high) / 2

    f = lambda x: solve(x[0])
    g = lambda x: np.array([1 / (3 * solve(x[0]) ** 2 + 1)])
    faults = usual(g)
    del faults["factor 1.001"], faults["one element"]
    return f"bisection to {tolerance:.0e}", x, f, g, faults


def softmax_loss(rng):
    n, k, d = 5, int(rng.integers(2, 6)), 3
    a, t = rng.normal(size=(n, d)), rng.integers(0, k, size=n)
    at = rng.normal(size=d * k) * logarithmic(rng, 0.1, 10)

    def parts(x):
        z = a @ x.reshape(d, k)
        z = z - z.max(1, keepdims=True)
        return z, np.exp(z) / np.exp(z).sum(1, keepdims=True)

    def f(x):
        z, _ = parts(x)
        return float(np.mean(np.log(np.exp(z).sum(1)) - z[np.arange(n), t]))

    def g(x):
        _, p = parts(x)
        p = p.copy()
        p[np.arange(n), t] -= 1
        return (a.T @ p / n).ravel()

    return "softmax regression", at, f, g, usual(g) | {"sum for mean": lambda x: n * g(x)}


def pendulum(rng):
    at = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1), rng.uniform(0.5, 5)])

    def run(x, with_slopes=False):
        h, q, p = 0.05, x[0], x[1]
        dq, dp = np.array([1.0, 0, 0]), np.array([0, 1.0, 0])
        for _ in range(60):
            dp = dp - h * (x[2] * math.cos(q) * dq + np.array([0, 0, math.sin(q)]))
            p = p - h * x[2] * math.sin(q)
            q, dq = q + h * p, dq + h * dp
        return dq if with_slopes else q

    return "a pendulum", at, lambda x: float(run(x)), lambda x: run(x, True), usual(lambda x: run(x, True))


def spring(rng):
    at = rng.normal(size=6) * logarithmic(rng, 1e-3, 1e3)
    rest = float(np.abs(at).mean())

    def f(x):
        r = np.linalg.norm(x[:3] - x[3:])
        return float((r - rest) ** 2)

    def g(x):
        d = x[:3] - x[3:]
        r = np.linalg.norm(d)
        one = 2 * (r - rest) * d / r
        return np.concatenate([one, -one])

    return "a spring", at, f, g, usual(g) | {"reaction forgotten": lambda x: g(x) * np.array([1, 1, 1, 0, 0, 0])}


def magnitudes(rng):
    at = np.array([logarithmic(rng, 1e4, 1e8), logarithmic(rng, 1e-8, 1e-4)])
    f = lambda x: float(np.log(x[0]) + 3e3 * x[1] + x[1] ** 2 / at[1])
    g = lambda x: np.array([1 / x[0], 3e3 + 2 * x[1] / at[1]])
    return "magnitudes", at, f, g, usual(g)


def huber(rng):
    at = rng.normal(size=7) * 2
    f = lambda x: float(np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5).sum())
    g = lambda x: np.clip(x, -1, 1)
    return "Huber", at, f, g, usual(g)


def autocorrelation(rng):
    n = 12
    at = rng.normal(size=n)
    f = lambda x: float(np.sum(np.abs(np.fft.rfft(x)) ** 4)) / n
    g = lambda x: np.fft.irfft(np.abs(np.fft.rfft(x)) ** 2 * np.fft.rfft(x) * np.where(np.arange(n // 2 + 1) % (n // 2) == 0, 1, 0.5), n) * 4 * n / n
    return "a spectrum", at, f, g, usual(g)


def geometry(rng):
    at = rng.normal(size=9)
    f = lambda x: float(0.5 * np.linalg.norm(np.cross(x[3:6] - x[:3], x[6:] - x[:3])))

    def g(x):
        a, b, c = x[:3], x[3:6], x[6:]
        n = np.cross(b - a, c - a)
        n = n / np.linalg.norm(n)
        return 0.5 * np.concatenate([np.cross(b - c, n), np.cross(c - a, n), np.cross(a - b, n)])

    return "a triangle's area", at, f, g, usual(g)


KINDS = [
    blackbody, option, gamma_likelihood, least_squares, at_the_fit, log_det, spectral_line, light_curve, barrier, bisection,
    softmax_loss, pendulum, spring, magnitudes, huber, autocorrelation, geometry,
]


# Checkers: each says True (right), False (wrong) or None (undecided) of f, gradient and a point.

def impasto(command, seed, draws):
    """The verdicts of `impasto gradcheck --exec` for all cases, one process each."""

    def check(case):
        number, fault = case
        program = f"{sys.executable} {os.path.abspath(__file__)} --serve {number} --fault '{fault}' --seed {seed} --draws {draws}"
        done = subprocess.run([command, "gradcheck", "--json", "--exec", program], capture_output=True, text=True)
        answer = json.loads(done.stdout) if done.stdout else {}
        verdict = answer.get("verdict", f"broken: {done.stderr}")
        return {"right": True, "wrong": False}.get(verdict)

    return check


def torch_gradcheck(f, g, x, fast=False):
    import torch

    class Wrapped(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return torch.tensor(f(x.detach().numpy()), dtype=torch.float64)

        @staticmethod
        def backward(ctx, dy):
            (x,) = ctx.saved_tensors
            return dy * torch.from_numpy(np.asarray(g(x.detach().numpy()), dtype=float))

    return torch.autograd.gradcheck(Wrapped.apply, torch.tensor(x, requires_grad=True), raise_exception=False, fast_mode=fast)


def scipy_check_grad(f, g, x):
    from scipy.optimize import check_grad

    return bool(check_grad(f, g, x) <= 1e-5 * np.linalg.norm(g(x)))


def jax_check_grads(f, g, x):
    import jax
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    shape = jax.ShapeDtypeStruct((), np.float64)

    @jax.custom_vjp
    def wrapped(x):
        return jax.pure_callback(lambda x: np.float64(f(np.asarray(x))), shape, x)

    def backward(x, dy):
        of = jax.pure_callback(lambda x: np.asarray(g(np.asarray(x)), dtype=np.float64), jax.ShapeDtypeStruct(x.shape, np.float64), x)
        return (dy * of,)

    wrapped.defvjp(lambda x: (wrapped(x), x), backward)
    try:
        check_grads(wrapped, (x,), order=1, modes=["rev"])
    except AssertionError:
        return False
    return True


def cases(seed, draws):
    """All functions with their faults: (kind, name, x, f, right gradient, faults)."""
    drawn = []
    for number, kind in enumerate(KINDS):
        for draw in range(draws):
            drawn.append((kind.__name__,) + kind(np.random.default_rng([seed, number, draw])))
    return drawn


def serve_case(arguments):
    from impasto_gradcheck import serve

    _, _, x, f, g, faults = cases(arguments.seed, arguments.draws)[arguments.serve]
    serve(f, faults.get(arguments.fault, g), [x])


def compare(arguments):
    warnings.simplefilter("ignore")
    checkers = {}
    if arguments.impasto:
        checkers["impasto"] = impasto(arguments.impasto, arguments.seed, arguments.draws)
    for name, module, check in [
        ("torch gradcheck", "torch", torch_gradcheck),
        ("scipy check_grad", "scipy.optimize", scipy_check_grad),
        ("jax check_grads", "jax", jax_check_grads),
    ]:
        try:
            __import__(module)
            checkers[name] = check
        except ImportError:
            print(f"{name}: {module} is not installed", file=sys.stderr)
    table = {name: {"right": [0, 0, 0], "wrong": [0, 0, 0]} for name in checkers}
    for number, (kind, name, x, f, g, faults) in enumerate(cases(arguments.seed, arguments.draws)):
        for fault, gradient in {"": g, **faults}.items():
            for checker, check in checkers.items():
                try:
                    said = check((number, fault)) if checker == "impasto" else check(f, gradient, x)
                except Exception as why:
                    said = None
                    print(f"{checker}: {name}: {why}", file=sys.stderr)
                row = table[checker]["wrong" if fault else "right"]
                row[{True: 0, None: 1, False: 2}[said]] += 1
                if checker == "impasto" and said is not (fault == ""):
                    print(f"impasto says {said} of {name}, {fault or 'right'}, at {x.tolist()}", file=sys.stderr)
    print("| checker | right gradients: right, undecided, wrong | wrong gradients: right, undecided, wrong |")
    print("|---|---|---|")
    for checker, rows in table.items():
        print(f"| {checker} | {', '.join(map(str, rows['right']))} | {', '.join(map(str, rows['wrong']))} |")


def count(arguments):
    """Evaluations per element of sum(sin(x)) for several sizes."""
    print("| elements | impasto | torch gradcheck | torch, fast | scipy check_grad |")
    print("|---|---|---|---|---|")
    for n in [10, 1000, 100_000]:
        x = np.linspace(0.3, 2.0, n)
        calls = [0]

        def f(x):
            calls[0] += 1
            return float(np.sin(x).sum())

        row = []
        program = f"{sys.executable} {os.path.abspath(__file__)} --serve-sines {n}"
        done = subprocess.run([arguments.impasto, "gradcheck", "--json", "--exec", program], capture_output=True, text=True)
        row.append(json.loads(done.stdout)["evaluations"])
        for fast in [False, True]:
            if n > 1000 and not fast:
                row.append(None)
                continue
            calls[0] = 0
            torch_gradcheck(f, np.cos, x, fast)
            row.append(calls[0])
        from scipy.optimize import check_grad

        if n > 1000:
            row.append(None)
        else:
            calls[0] = 0
            check_grad(f, np.cos, x)
            row.append(calls[0])
        print("| " + " | ".join([str(n)] + ["not run" if c is None else f"{c} ({c / n:.3g} per element)" for c in row]) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--impasto", help="the command impasto")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--count", action="store_true", help="count evaluations per element")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--serve-sines", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--fault", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        serve_case(arguments)
    elif arguments.serve_sines is not None:
        from impasto_gradcheck import serve

        serve(lambda x: float(np.sin(x).sum()), np.cos, [np.linspace(0.3, 2.0, arguments.serve_sines)])
    elif arguments.count:
        count(arguments)
    else:
        compare(arguments)


if __name__ == "__main__":
    main()
