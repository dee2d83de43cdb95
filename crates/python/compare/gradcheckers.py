"""Gradient checkers side by side: 12 functions of numpy, each with a right gradient and four wrong ones.

    python compare/gradcheckers.py     # needs impasto, scipy; torch where it is installed

Each checker has its usual options. scipy's check_grad returns a norm; it counts as wrong above 1e-5 of the gradient's.
"""

import importlib.util
import pathlib
import sys
import time

import impasto
import numpy as np

# The peers' wrappers, from the trial on more functions.
sys.path.insert(0, str(pathlib.Path(__file__).parents[3] / "tests" / "peers"))
from gradcheck import scipy_check_grad, torch_gradcheck

rng = np.random.default_rng(0)
A = rng.normal(size=(6, 6))
A = A @ A.T + np.eye(6)
B = rng.normal(size=(6, 6))
softmax = lambda x: np.exp(x - x.max()) / np.exp(x - x.max()).sum()
sigmoid = lambda x: 1 / (1 + np.exp(-x))

FUNCTIONS = {
    "squares": (lambda x: (x**2).sum(), lambda x: 2 * x, 1),
    "sines": (lambda x: np.sin(x).sum(), np.cos, 1),
    "quadratic form": (lambda x: x @ A @ x / 2, lambda x: A @ x, 1),
    "log sum exp": (lambda x: np.log(np.exp(x).sum()), softmax, 1),
    "norm": (np.linalg.norm, lambda x: x / np.linalg.norm(x), 1),
    "variance": (np.var, lambda x: 2 * (x - x.mean()) / x.size, 1),
    "logistic loss": (lambda w: np.log1p(np.exp(-B @ w)).sum(), lambda w: -B.T @ sigmoid(-B @ w), 1),
    "small logs": (lambda x: np.log(1e-3 + x**2).sum(), lambda x: 2 * x / (1e-3 + x**2), 1e-2),
    "large values": (lambda x: (x**3).sum() + 1e6, lambda x: 3 * x**2, 100),
    "steep": (lambda x: np.exp(20 * x).sum(), lambda x: 20 * np.exp(20 * x), 0.3),
    "tiny": (lambda x: 1e-9 * np.cos(x).sum(), lambda x: -1e-9 * np.sin(x), 1),
    "cubes of a product": (lambda x: ((B @ x) ** 3).sum(), lambda x: 3 * B.T @ (B @ x) ** 2, 1),
}


def last(gradient, factor):
    gradient = np.array(gradient)
    gradient[-1] *= factor
    return gradient


GRADIENTS = {
    "right": lambda g: g,
    "1.001 times": lambda g: lambda x: 1.001 * g(x),
    "1.000001 times": lambda g: lambda x: 1.000001 * g(x),
    "rolled": lambda g: lambda x: np.roll(g(x), 1),
    "last element 1 % off": lambda g: lambda x: last(g(x), 1.01),
}


def by_impasto(f, g, x):
    return impasto.gradcheck(f, g, x).verdict


def by_taylor(f, g, x):
    return impasto.taylor(f, g, x).verdict


def by(peer):
    return lambda f, g, x: "right" if peer(f, g, x) else "wrong"


CHECKERS = {"impasto.gradcheck": by_impasto, "impasto.taylor": by_taylor, "scipy check_grad": by(scipy_check_grad)}
if importlib.util.find_spec("torch"):
    CHECKERS["torch gradcheck"] = by(torch_gradcheck)

print("| checker | " + " | ".join(GRADIENTS) + " | of 60 | ms each |")
print("|---" * (len(GRADIENTS) + 3) + "|")
for name, checker in CHECKERS.items():
    counts, seconds = [], 0.0
    for kind, change in GRADIENTS.items():
        count = 0
        for f, g, size in FUNCTIONS.values():
            x = size * np.random.default_rng(1).normal(size=6)
            checker(f, g, x)  # what is loaded the first time
            begin = time.perf_counter()
            verdict = checker(f, change(g), x)
            seconds += time.perf_counter() - begin
            count += verdict == ("right" if kind == "right" else "wrong")
        counts.append(count)
    row = [name, *(f"{count} of 12" for count in counts), str(sum(counts)), f"{1e3 * seconds / 60:.2f}"]
    print("| " + " | ".join(row) + " |")
