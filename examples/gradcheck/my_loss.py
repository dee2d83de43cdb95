"""A loss and its gradient in Python, as `impasto gradcheck --exec "python3 my_loss.py"` asks for them.

Nothing but the standard library is needed. The loss is that of logistic regression, mean of log(1 + exp(-y x.w)).
"""

import json
import math
import sys

X = [[0.5, -1.2, 1.0], [1.5, 0.3, 1.0], [-0.7, 0.8, 1.0], [-1.1, -0.4, 1.0]]
Y = [1.0, 1.0, -1.0, -1.0]


def margins(w):
    return [y * sum(a * b for a, b in zip(x, w)) for x, y in zip(X, Y)]


def loss(w):
    return sum(math.log1p(math.exp(-m)) for m in margins(w)) / len(X)


def gradient(w):
    factors = [-y / (1.0 + math.exp(m)) / len(X) for m, y in zip(margins(w), Y)]
    return [sum(f * x[j] for f, x in zip(factors, X)) for j in range(len(w))]


for line in sys.stdin:
    question = json.loads(line)
    if question["ask"] == "inputs":
        answer = {"inputs": [[0.1, -0.4, 0.2]]}
    elif question["ask"] == "value":
        answer = {"value": loss(question["inputs"][0])}
    else:
        answer = {"gradient": [gradient(question["inputs"][0])]}
    print(json.dumps(answer), flush=True)
