#!/usr/bin/env python3
"""Neural Neighbor Style Transfer (Kolkin et al. 2022) by PyTorch in float64: what `--preset nnst` is held to.

    python nnst.py WEIGHTS.npz FOLDER            # reads the pictures of FOLDER, writes FOLDER/expected.npz
    python nnst.py WEIGHTS.npz FOLDER --check    # computes it again and compares
    python nnst.py WEIGHTS.npz FOLDER --single   # compares PyTorch's float32 with it

`--file NAME.npz` takes another name: thin-nnst/trained.npz is made with VGG19's published weights.

FOLDER has content.png, so_far.png of the same size (the picture as the scale before left it, enlarged) and style.png. The longer
sides are below 128 pixels, so that feature splitting sees all positions and needs no random numbers. WEIGHTS has VGG19's
arrays as tests/data/vgg19-thin.npz has them.

Arrays: `matches`, for each place of the quarter grid the style's place that is nearest, row by row; `matching`, the losses of 50
steps of Adam from so_far towards the matched hypercolumns; `splitting`, those of 50 more with matches found again in each.

It is the published recipe but for what docs/presets.md names. Needs numpy, Pillow and torch; tests read the files alone.
"""

import argparse
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

STEPS, RATE, LEVELS, ALPHA = 50, 0.002, 8, 0.75
LAYERS = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3"]


def resize(x, size, centres=False):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=centres)


def pyramid(x):
    levels = []
    while len(levels) < LEVELS and min(x.shape[2:]) >= 2:
        smaller = resize(x, (x.shape[2] // 2, x.shape[3] // 2))
        levels.append(x - resize(smaller, x.shape[2:]))
        x = smaller
    return levels + [x]


def synthesis(levels):
    x = levels[-1]
    for level in reversed(levels[:-1]):
        x = resize(x, level.shape[2:]) + level
    return x


class Network:
    def __init__(self, path):
        arrays = np.load(path)
        array = lambda name: torch.tensor(arrays[name], dtype=torch.get_default_dtype())
        self.mean, self.std = (array(f"input.{name}").view(1, 3, 1, 1) for name in ("mean", "std"))
        self.weights = {layer: (array(f"conv{layer}.weight"), array(f"conv{layer}.bias")) for layer in LAYERS + ["3_4"]}

    def features(self, x):
        """Of a normalised picture, layer by layer; those of the rectified convolutions."""
        found = []
        for layer in sorted(self.weights):
            if layer.endswith("_1") and layer != "1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(F.conv2d(x, *self.weights[layer], padding=1))
            if layer in LAYERS:
                found.append(x)
        return found

    def hypercolumns(self, x):
        grid = (x.shape[2] // 4, x.shape[3] // 4)
        columns = [resize(f, grid, True)[0].flatten(1).T / f.shape[1] for f in self.features(x)]
        return torch.cat(columns, 1)


def unit(rows):
    return rows / rows.pow(2).sum(1, keepdim=True).clamp_min(1e-8).sqrt()


def centred(rows):
    return unit(rows - rows.mean(0, keepdim=True))


def nearest(rows, candidates):
    return (centred(rows) @ centred(candidates).T).argmax(1)


def adam(loss, x, rate):
    """50 steps on the coefficients of a pyramid, and the losses before each.

    As in impasto, ε is 1e-8 of the first gradient's largest element where that is below 1."""
    levels = [level.clone().requires_grad_() for level in pyramid(x)]
    first = max(gradient.abs().max().item() for gradient in torch.autograd.grad(loss(synthesis(levels)), levels))
    optimizer, losses = torch.optim.Adam(levels, lr=rate, eps=1e-8 * min(first, 1)), []
    for _ in range(STEPS):
        optimizer.zero_grad()
        value = loss(synthesis(levels))
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return synthesis(levels).detach(), losses


def answer(weights, folder):
    network = Network(weights)

    def picture(name):
        levels = np.asarray(Image.open(folder / f"{name}.png").convert("RGB"))
        return (torch.tensor(levels / 255.0, dtype=torch.get_default_dtype()).permute(2, 0, 1)[None] - network.mean) / network.std

    content, so_far, style = map(picture, ("content", "so_far", "style"))
    assert max(*content.shape[2:], *style.shape[2:]) < 128 and content.shape == so_far.shape
    with torch.no_grad():
        candidates = network.hypercolumns(style)
        forms = synthesis([pyramid(content)[0], *pyramid(so_far)[1:]])
        matches = nearest(network.hypercolumns((1 - ALPHA) * forms + ALPHA * content), candidates)
        target = unit(candidates[matches])
        maps = network.features(style)

    def matching(x):
        return 1 - (target * unit(network.hypercolumns(x))).sum(1).mean()

    def splitting(x):
        total = 0
        for own, its in zip(network.features(x), maps):
            own, its = own[0].flatten(1).T, its[0].flatten(1).T
            chosen = centred(its)[nearest(own.detach(), its)]
            total = total + 1 - (centred(own) * chosen).sum(1).mean()
        return total

    # The published rate is for pixels in 0..1; here all channels of the network's input have the same.
    rate = RATE / network.std.mean().item()
    x, matched = adam(matching, so_far, rate)
    _, split = adam(splitting, x, rate)
    return {"matches": matches.numpy(), "matching": np.array(matched), "splitting": np.array(split)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--file", default="expected.npz")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--single", action="store_true")
    arguments = parser.parse_args()
    torch.set_default_dtype(torch.float32 if arguments.single else torch.float64)
    found, file = answer(arguments.weights, arguments.folder), arguments.folder / arguments.file
    if not arguments.check and not arguments.single:
        np.savez(file, **found)
        return
    expected = np.load(file)
    print(f"{(found['matches'] != expected['matches']).sum()} other matches")
    worst = [np.abs(found[name] / expected[name] - 1).max() for name in ("matching", "splitting")]
    print("losses differ by {:.1e} in matching, {:.1e} in splitting".format(*worst))
    if arguments.check and not ((found["matches"] == expected["matches"]).all() and max(worst) < 1e-6):
        sys.exit(1)


if __name__ == "__main__":
    main()
