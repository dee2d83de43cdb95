#!/usr/bin/env python3
"""Draws metrics.py's measures as curves over strength, one curve for each recipe, with content and style as anchors.

    VGG19=vgg19.npz python strength.py content.jpg style.jpg OUT ["NAME=COMMAND" ...]

COMMAND paints without its pictures, as in "damped=impasto transfer --size 256"; without one it is "default=impasto transfer
--size 256". Each command paints at strengths 0, 0.25, 0.5, 0.75 and 1.

The folder OUT keeps the pictures (one that is there is not painted again), a line of JSON for each in curves.jsonl, and
curves.svg: a panel for each number over strength, and one of the style's distance over the scene's. The content itself is the
dotted line, the style itself the dashed one. Needs what metrics.py needs.
"""

import html
import json
import pathlib
import shlex
import subprocess
import sys

from metrics import Measures, load

STRENGTHS = (0, 0.25, 0.5, 0.75, 1)
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 250, 200, 46, 30, 26

# Each panel's title, and its number among the measures.
PANELS = (
    ("scene: CFSD", lambda measured: measured["cfsd"]),
    ("scene: SSIM of lightness", lambda measured: measured["ssim"]),
    ("style: patches, fine", lambda measured: measured["swd"][0]),
    ("style: patches, middle", lambda measured: measured["swd"][1]),
    ("style: patches, coarse", lambda measured: measured["swd"][2]),
    ("style: Frechet at 1/8", lambda measured: measured["frechet"][0]),
    ("style: Frechet at 1/16", lambda measured: measured["frechet"][1]),
)


def painted(command, content, style, strength, path):
    if not path.exists():
        words = [*shlex.split(command), content, style, "--strength", str(strength), "--quiet", "-o", str(path)]
        subprocess.run(words, check=True)
    return load(path)


def panel(place, title, x_label, curves, anchors):
    """Curves of (x, y) by name, and the anchors' y or None, in the panel with this number."""
    x0, y0 = (place % 4) * (WIDTH + 20) + 10, place // 4 * (HEIGHT + 20) + 10
    points = [point for curve in curves.values() for point in curve]
    right = max(x for x, _ in points) or 1
    high = max([y for _, y in points] + [y for y in anchors if y is not None]) * 1.05 or 1
    at_x = lambda x: x0 + LEFT + x / right * (WIDTH - LEFT - 8)
    at_y = lambda y: y0 + HEIGHT - BOTTOM - max(y, 0) / high * (HEIGHT - BOTTOM - TOP)
    axes = f"{at_x(0)},{at_y(high)} {at_x(0)},{at_y(0)} {at_x(right)},{at_y(0)}"
    drawn = [f'<text x="{x0 + LEFT}" y="{y0 + 14}" font-weight="bold">{title}</text>']
    drawn.append(f'<polyline points="{axes}" fill="none" stroke="black"/>')
    drawn.append(f'<text x="{at_x(right)}" y="{y0 + HEIGHT - 2}" text-anchor="end">{x_label}</text>')
    for share in (0, 0.5, 1):
        drawn.append(f'<text x="{at_x(0) - 4}" y="{at_y(share * high) + 4}" text-anchor="end">{share * high:.3g}</text>')
        drawn.append(f'<text x="{at_x(share * right)}" y="{at_y(0) + 14}" text-anchor="middle">{share * right:.3g}</text>')
    for anchor, dashes in zip(anchors, ("1 3", "6 3")):
        if anchor is not None:
            line = f'x1="{at_x(0)}" y1="{at_y(anchor)}" x2="{at_x(right)}" y2="{at_y(anchor)}"'
            drawn.append(f'<line {line} stroke="#555" stroke-dasharray="{dashes}"/>')
    for colour, (_, curve) in zip(COLOURS * len(curves), curves.items()):
        drawn.append(
            f'<polyline points="{" ".join(f"{at_x(x):.1f},{at_y(y):.1f}" for x, y in curve)}" fill="none" stroke="{colour}" '
            'stroke-width="2"/>'
        )
        drawn += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{colour}"/>' for x, y in curve]
    return drawn


def draw(measured, anchors):
    """The SVG of measures by recipe, one for each strength, and those of content and style."""
    drawn = []
    for place, (title, number) in enumerate(PANELS):
        curves = {name: [(s, number(m)) for s, m in zip(STRENGTHS, row)] for name, row in measured.items()}
        drawn += panel(place, title, "strength", curves, [number(anchor) for anchor in anchors])
    trade = {name: [(m["cfsd"], m["frechet"][1]) for m in row] for name, row in measured.items()}
    drawn += panel(len(PANELS), "Frechet at 1/16 over CFSD", "CFSD", trade, [])
    bottom = 2 * (HEIGHT + 20) + 20
    for index, (colour, name) in enumerate(zip(COLOURS * len(measured), measured)):
        drawn.append(f'<text x="{20 + 200 * index}" y="{bottom + 8}" fill="{colour}">{html.escape(name)}</text>')
    drawn.append(f'<text x="20" y="{bottom + 26}">dotted: the content itself; dashed: the style itself</text>')
    size = f'width="{4 * (WIDTH + 20) + 10}" height="{bottom + 36}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">'
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *drawn, "</svg>", ""])


def main():
    if len(sys.argv) < 4 or not all("=" in argument for argument in sys.argv[4:]):
        sys.exit(__doc__)
    content, style, folder = *sys.argv[1:3], pathlib.Path(sys.argv[3])
    recipes = [argument.partition("=")[::2] for argument in sys.argv[4:]] or [("default", "impasto transfer --size 256")]
    measures = Measures(content, style)
    anchors = measures.anchors()
    folder.mkdir(parents=True, exist_ok=True)
    measured, lines = {}, [{"name": name, **numbers} for name, numbers in anchors]
    for name, command in recipes:
        measured[name] = []
        for strength in STRENGTHS:
            picture = painted(command, content, style, strength, folder / f"{name}-{strength}.png")
            measured[name].append(measures.of(picture))
            lines.append({"name": name, "strength": strength, **measured[name][-1]})
    (folder / "curves.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "curves.svg").write_text(draw(measured, [numbers for _, numbers in anchors]))


if __name__ == "__main__":
    main()
