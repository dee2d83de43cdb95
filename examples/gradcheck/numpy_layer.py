"""A layer with its vector-Jacobian product, in Python with numpy:

    impasto gradcheck --exec "python3 numpy_layer.py"

The value is an array, tanh(x W + b), and there are three inputs. So the question for the gradient has a cotangent in the
shape of the value, and the answer is one array for each input: the gradient of the sum of cotangent * value.

    impasto gradcheck --exec "python3 numpy_layer.py --transposed" --picture errors.png

returns the gradient of W with its axes swapped, which fits, as W is square; the picture shows what is wrong.
"""

import json
import sys

import numpy as np


def value(x, w, b):
    return np.tanh(x @ w + b)


def vjp(x, w, b, dy):
    dz = dy * (1.0 - value(x, w, b) ** 2)
    dw = x.T @ dz
    if "--transposed" in sys.argv:
        dw = dw.T
    return [dz @ w.T, dw, dz.sum(axis=0)]


for line in sys.stdin:
    question = json.loads(line)
    inputs = [np.array(array) for array in question.get("inputs", [])]
    if question["ask"] == "inputs":
        rng = np.random.default_rng(question["seed"])
        answer = {"inputs": [rng.normal(size=shape).tolist() for shape in [(4, 6), (6, 6), (6,)]]}
    elif question["ask"] == "value":
        answer = {"value": value(*inputs).tolist()}
    else:
        answer = {"gradient": [array.tolist() for array in vjp(*inputs, np.array(question["cotangent"]))]}
    print(json.dumps(answer), flush=True)
