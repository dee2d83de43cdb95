"""A layer with its vector-Jacobian product, in Python with numpy:

    impasto gradcheck --exec "python3 numpy_layer.py"

The value is an array, tanh(x W + b), and there are three inputs. So the gradient is asked for with a cotangent in the shape
of the value, and is one array for each input: the gradient of the sum of cotangent * value. impasto_gradcheck.py, beside this
file, answers the questions.

    impasto gradcheck --exec "python3 numpy_layer.py --transposed" --picture errors.png

returns the gradient of W with its axes swapped, which fits, as W is square; the picture shows what is wrong.
"""

import sys

import numpy as np
from impasto_gradcheck import serve


def value(x, w, b):
    return np.tanh(x @ w + b)


def vjp(x, w, b, dy):
    dz = dy * (1.0 - value(x, w, b) ** 2)
    dw = x.T @ dz
    if "--transposed" in sys.argv:
        dw = dw.T
    return [dz @ w.T, dw, dz.sum(axis=0)]


def inputs(seed):
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=(4, 6)), "w": rng.normal(size=(6, 6)), "b": rng.normal(size=6)}


serve(value, vjp, inputs)
