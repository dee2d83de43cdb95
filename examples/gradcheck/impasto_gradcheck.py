"""Answers the questions of `impasto gradcheck --exec`: copy this file beside yours.

    import numpy as np
    from impasto_gradcheck import serve

    serve(loss, gradient, {"w": np.zeros(3), "b": 0.5})

`loss(w, b)` gives a number or an array, `gradient(w, b)` one array for each input. If the loss gives an array, the gradient is
a vector-Jacobian product: `gradient(w, b, cotangent)`. Inputs may be a list instead of a dictionary, or a function of the
seed that gives one. Integer arrays are passed as they are and not differentiated; their gradient is left out or None. With
`hessian_vector=f`, `f(w, b, vector)` gives the Hessian times `vector`, a list with one array for each input.

An input with a structure moves only as that allows: `basis={"S": "symmetric", "R": "rotation", "v": [d1, d2]}`, where d1 and d2
are directions in the shape of v. If inputs are a list, so is the basis, with None for an input that moves freely. If all
floating-point inputs are float32, impasto is told that the functions compute in f32.

Numpy is needed if the inputs are arrays, and not if they are numbers and lists. What the functions print goes to standard
error. An exception means "not defined here": impasto asks for values around the point too.
"""

import json
import os
import sys


def _tolist(value):
    """A number or nested lists, as JSON has them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [_tolist(item) for item in value]
    return None if value is None else float(value)


def _basis(directions):
    """A word, or directions."""
    return directions if isinstance(directions, str) else _tolist(directions)


def _is_integer(value):
    """Whether an input is an array of integers, as labels are."""
    return hasattr(value, "dtype") and getattr(value.dtype, "kind", "f") in "biu"


def _like(value, numbers):
    """Numbers from a question, in the type of an input."""
    if hasattr(value, "dtype"):
        import numpy as np

        dtype = float if _is_integer(value) else value.dtype
        return np.array(numbers, dtype=dtype).reshape(value.shape)
    return numbers


def _replaced(value, element, number):
    """A copy of nested lists with another number in one place, counted row by row."""
    if not isinstance(value, (list, tuple)):
        return number
    value = list(value)
    inner = _count(value[0])
    value[element // inner] = _replaced(value[element // inner], element % inner, number)
    return value


def _count(value):
    return sum(_count(item) for item in value) if isinstance(value, (list, tuple)) else 1


def serve(function, gradient, inputs, hessian_vector=None, basis=None):
    """Answers until impasto asks no more."""
    # Whatever writes to standard output from here on, also from C, does not get between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    names, point, fixed = None, None, None

    def read(given):
        values = given if names is None else [given[name] for name in names]
        return [x if i in fixed else _like(x, numbers) for i, (x, numbers) in enumerate(zip(point, values))]

    def moved(changes):
        """The point with some numbers replaced: [input, element, number] each."""
        values = [x if i in fixed else _like(x, x) for i, x in enumerate(point)]
        for i, element, number in changes:
            if hasattr(values[i], "dtype"):
                values[i].reshape(-1)[element] = number
            else:
                values[i] = _replaced(values[i], element, number)
        return values

    def listed(gradients):
        """One gradient for each input, in order; None for those without."""
        if isinstance(gradients, dict):
            return [gradients.get(name) for name in names]
        if len(point) == 1 and not isinstance(gradients, (list, tuple)):
            return [gradients]
        gradients = list(gradients)
        free = len(point) - len(fixed)
        if len(point) == 1 and gradients and not hasattr(gradients[0], "__len__") and isinstance(point[0], (list, tuple)):
            return [gradients]
        if len(gradients) == free < len(point):
            given = iter(gradients)
            return [None if i in fixed else next(given) for i in range(len(point))]
        return gradients

    for line in sys.stdin:
        question = json.loads(line)
        asked = question["ask"]
        try:
            if asked == "inputs":
                given = inputs(question["seed"]) if callable(inputs) else inputs
                names = list(given) if isinstance(given, dict) else None
                point = list(given.values()) if names else list(given)
                lists = [_tolist(value) for value in point]
                answer = {"inputs": dict(zip(names, lists)) if names else lists}
                # Where all are integers, somebody forgot a decimal point.
                fixed = [i for i, value in enumerate(point) if _is_integer(value)]
                fixed = fixed if len(fixed) < len(point) else []
                answer["fixed"] = fixed
                free = [value for i, value in enumerate(point) if i not in fixed]
                answer["f32"] = all(str(getattr(value, "dtype", "")) == "float32" for value in free)
                if basis is not None:
                    answer["basis"] = {name: _basis(way) for name, way in basis.items()} if names else [_basis(way) for way in basis]
                answer["answers"] = ["values", "changes"] + (["hessian_vector"] if hessian_vector else [])
            elif asked == "value":
                value = _tolist(function(*read(question["inputs"])))
                answer = {"value": value}
            elif asked == "values":
                values = []
                at = [(read, x) for x in question.get("points", [])] + [(moved, x) for x in question.get("changes", [])]
                for taken, given in at:
                    try:
                        values.append(_tolist(function(*taken(given))))
                    except Exception:
                        values.append(None)
                answer = {"values": values}
            elif asked == "gradient":
                arguments = read(question["inputs"])
                if "cotangent" in question:
                    value = function(*arguments)
                    arguments.append(_like(value, question["cotangent"]))
                answer = {"gradient": [_tolist(value) for value in listed(gradient(*arguments))]}
            elif asked == "hessian_vector":
                arguments = read(question["inputs"])
                product = listed(hessian_vector(*arguments, read(question["vector"])))
                answer = {"hessian_vector": [_tolist(value) for value in product]}
            else:
                answer = {"error": f"unknown question {asked}"}
        except Exception as why:
            answer = {"error": f"{type(why).__name__}: {why}"}
        print(json.dumps(answer), file=answers, flush=True)
