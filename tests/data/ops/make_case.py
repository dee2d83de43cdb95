#!/usr/bin/env python3
"""Makes a case in this folder: PyTorch's result, in float64, for one operation and its gradient.

    python make_case.py max_pool2d_4 '{"op": "max_pool2d", "kernel": 3, "stride": 1, "padding": 0, "ceil_mode": false}' 9,8,5
    python make_case.py matmul_5 '{"op": "matmul", "other": [4, 3]}' 5,4
    python make_case.py --check      # computes every case here again and compares

A case is NAME.json, the operation's name and attributes, and NAME.npz with the inputs, the result `y`, a random cotangent
`dy` and, for every input, its gradient under the input's name with a `d` before it. Feature maps are (height, width,
channels), convolution weights (out, in, height, width); `other` is the shape of a second input. For a new operation, add a function to OPERATIONS. Needs numpy and
torch; tests read the files alone.
"""

import json
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F

HERE = pathlib.Path(__file__).parent


def chw(x):
    """(height, width, channels) as a batch of one for PyTorch."""
    return x.permute(2, 0, 1)[None]


def hwc(y):
    return y[0].permute(1, 2, 0)


def conv2d(a, x, weight, bias=None):
    # PyTorch calls zeros "constant" here.
    mode = {"zeros": "constant"}.get(a.get("mode", "zeros"), a.get("mode"))
    padded = F.pad(chw(x), [a["padding"]] * 4, mode)
    return hwc(F.conv2d(padded, weight, bias, a["stride"], 0, a["dilation"]))


def max_pool2d(a, x):
    return hwc(F.max_pool2d(chw(x), a["kernel"], a["stride"], a["padding"], ceil_mode=a["ceil_mode"]))


def avg_pool2d(a, x):
    include = a["count_include_pad"]
    return hwc(F.avg_pool2d(chw(x), a["kernel"], a["stride"], a["padding"], a["ceil_mode"], include))


def gram(a, x):
    f = x.reshape(-1, x.shape[2])
    return f.T @ f


def total_variation(a, x):
    right, down = torch.zeros_like(x), torch.zeros_like(x)
    right[:, :-1] = x[:, 1:] - x[:, :-1]
    down[:-1] = x[1:] - x[:-1]
    return ((right**2 + down**2) ** (a["beta"] / 2)).sum()


def resize(x, size, align_corners=False):
    return hwc(F.interpolate(chw(x), size=size, mode="bilinear", align_corners=align_corners))


def resize_bilinear(a, x):
    return resize(x, (a["height"], a["width"]), a["align_corners"])


def gather(a, x):
    return x.reshape(-1, x.shape[2])[a["positions"]]


def centred_cosine(a, x, target):
    z = x - x.mean(0, keepdim=True)
    return (target * z / z.norm(dim=1, keepdim=True)).sum(1).mean()


def cosine(a, x, target):
    return (target * x / x.norm(dim=1, keepdim=True)).sum(1).mean()


def hypercolumns(a, x, other):
    columns = [resize(map, (a["height"], a["width"]), True) / map.shape[2] for map in (x, other)]
    return torch.cat(columns, 2).reshape(a["height"] * a["width"], -1)


def laplacian_pyramid(a, x):
    """Level number `level` of a pyramid of two levels and the rest."""
    for _ in range(a["level"] if a["level"] < 2 else 2):
        x = resize(x, (x.shape[0] // 2, x.shape[1] // 2))
    if a["level"] == 2:
        return x
    return x - resize(resize(x, (x.shape[0] // 2, x.shape[1] // 2)), x.shape[:2])


def from_laplacian_pyramid(a, x, middle, rest):
    return x + resize(middle + resize(rest, middle.shape[:2]), x.shape[:2])


OPERATIONS = {
    "conv2d": conv2d,
    "max_pool2d": max_pool2d,
    "avg_pool2d": avg_pool2d,
    "relu": lambda a, x: F.relu(x),
    "gram": gram,
    "mse": lambda a, x, target: F.mse_loss(x, target),
    "total_variation": total_variation,
    "resize_bilinear": resize_bilinear,
    "gather": gather,
    "centred_cosine": centred_cosine,
    "cosine": cosine,
    "hypercolumns": hypercolumns,
    "laplacian_pyramid": laplacian_pyramid,
    "from_laplacian_pyramid": from_laplacian_pyramid,
    "alpha_norm": lambda a, x: (x.abs() ** a["alpha"]).sum(),
    "div": lambda a, x, other: x / other,
    "exp": lambda a, x: x.exp(),
    "ln": lambda a, x: x.log(),
    "sqrt": lambda a, x: x.sqrt(),
    "tanh": lambda a, x: x.tanh(),
    "sigmoid": lambda a, x: x.sigmoid(),
    "matmul": lambda a, x, other: x @ other,
    "transpose": lambda a, x: x.permute(*reversed(range(x.ndim))),
    "reshape": lambda a, x: x.reshape(a["shape"]),
    "sum_axis": lambda a, x: x.sum(a["axis"]),
    "mean_axis": lambda a, x: x.mean(a["axis"]),
    # Numbers on either side of the four operators, and a minus sign.
    "operators": lambda a, x, other: (1 + x) / (3 - other / 3) - 2 / (other - 4) + -x * (other + 0.5) * 0.1,
}

INPUTS = ("x", "other", "weight", "bias", "target", "middle", "rest")

# Operations whose input is positive, and those whose second one is not near zero.
POSITIVE, DIVISORS = {"ln", "sqrt"}, {"div"}

# Inputs that have no gradient.
CONSTANTS = {"target"}


def answer(attributes, inputs, dy=None):
    """y, dy and the gradients, as arrays."""
    tensors = {name: torch.tensor(value, requires_grad=name not in CONSTANTS) for name, value in inputs.items()}
    y = OPERATIONS[attributes["op"]](attributes, **tensors)
    dy = torch.randn_like(y) if dy is None else torch.tensor(dy)
    y.backward(dy)
    gradients = {f"d{name}": t.grad.numpy() for name, t in tensors.items() if name not in CONSTANTS}
    return {"y": y.detach().numpy(), "dy": dy.numpy(), **gradients}


def inputs_for(attributes, shape):
    random = np.random.default_rng(0)
    inputs = {"x": random.standard_normal(shape)}
    if attributes["op"] == "conv2d":
        out, kernel = attributes.pop("out"), attributes["kernel"]
        inputs["weight"] = random.standard_normal((out, shape[2], kernel, kernel))
        inputs["bias"] = random.standard_normal(out)
    if attributes["op"] == "mse":
        inputs["target"] = random.standard_normal(shape)
    if attributes["op"] in ("centred_cosine", "cosine"):
        target = random.standard_normal(shape)
        inputs["target"] = target / np.linalg.norm(target, axis=1, keepdims=True)
    if attributes["op"] == "from_laplacian_pyramid":
        for name, part in (("middle", 2), ("rest", 4)):
            inputs[name] = random.standard_normal((shape[0] // part, shape[1] // part, shape[2]))
    if attributes["op"] in POSITIVE:
        inputs["x"] = np.exp(inputs["x"])
    if "other" in attributes:
        other = random.standard_normal(attributes.pop("other"))
        inputs["other"] = other + np.sign(other) if attributes["op"] in DIVISORS else other
    return inputs


def check():
    """Every case here, computed again from its inputs."""
    worst = 0.0
    for path in sorted(HERE.glob("*.json")):
        attributes, case = json.loads(path.read_text()), dict(np.load(path.with_suffix(".npz")))
        inputs = {name: case[name] for name in INPUTS if name in case}
        for name, value in answer(attributes, inputs, case.get("dy")).items():
            # PyTorch's 0·∞ where a total variation with β = 1 has no neighbours is left out, as in the tests.
            known = ~np.isnan(case[name])
            difference = np.abs(value - case[name])[known].max() / np.abs(case[name][known]).max()
            worst = max(worst, difference)
            if not difference <= 1e-12:
                sys.exit(f"{path.stem}: {name} differs by {difference:.1e} of its largest element")
    print(f"all cases agree; the largest difference is {worst:.1e} of the largest element")


def main():
    if sys.argv[1:] == ["--check"]:
        check()
    elif len(sys.argv) == 4:
        torch.manual_seed(0)
        name, attributes, shape = sys.argv[1], json.loads(sys.argv[2]), tuple(map(int, sys.argv[3].split(",")))
        inputs = inputs_for(attributes, shape)
        arrays = {**inputs, **answer(attributes, inputs)}
        np.savez(HERE / f"{name}.npz", **{name: np.array(value, order="C") for name, value in arrays.items()})
        (HERE / f"{name}.json").write_text(json.dumps(attributes, indent=1) + "\n")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
