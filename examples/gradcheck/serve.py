"""Lets impasto check the gradient in a Python file that knows nothing of the protocol.

    impasto gradcheck --exec "python3 serve.py my_function.py"

The file defines f, grad and x, and these three lines are enough:

    f = lambda w: float(np.log1p(np.exp(-A @ w)).sum())
    grad = lambda w: -A.T @ (1 / (1 + np.exp(A @ w)))
    x = np.array([0.3, -1.2, 0.7])

x may be a tuple of several inputs, which f and grad then take one by one, or a dict of them by name; grad gives one array for each.
A function in another language, called by subprocess or ctypes, is such an f as well.
"""

import runpy
import sys

from impasto_gradcheck import serve

defined = runpy.run_path(sys.argv[1])
missing = [name for name in ("f", "grad", "x") if name not in defined]
if missing:
    sys.exit(f"{sys.argv[1]} does not define {', '.join(missing)}")
x = defined["x"]
serve(defined["f"], defined["grad"], x if isinstance(x, dict) else list(x) if isinstance(x, tuple) else [x])
