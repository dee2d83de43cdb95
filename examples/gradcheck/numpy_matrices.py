"""A function of a positive definite matrix and a rotation, in Python with numpy:

    impasto gradcheck --exec "python3 numpy_matrices.py"

The negative log-likelihood of points under a Gaussian with covariance S, after they were turned by R. It is defined for a
symmetric S and an orthogonal R alone, so these move along a basis; impasto_gradcheck.py, beside this file, answers the questions.
"""

import numpy as np
from impasto_gradcheck import serve

points = np.random.default_rng(1).normal(size=(20, 3))


def loss(S, R):
    z = np.linalg.solve(np.linalg.cholesky(S), R @ points.T)
    return 0.5 * (z**2).sum() + 10.0 * np.linalg.slogdet(S)[1]


def gradient(S, R):
    inverse = np.linalg.inv(S)
    turned = R @ points.T
    return {"S": 10.0 * inverse - 0.5 * inverse @ turned @ turned.T @ inverse, "R": inverse @ turned @ points}


def inputs(seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(3, 3))
    return {"S": root @ root.T + np.eye(3), "R": np.linalg.qr(rng.normal(size=(3, 3)))[0]}


serve(loss, gradient, inputs, basis={"S": "symmetric", "R": "rotation"})
