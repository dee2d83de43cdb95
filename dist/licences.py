"""Print the licences of all crates in the command: python3 dist/licences.py TARGET FEATURES

A licence's text stands once, after the names of the crates that have it. A crate without a file of its own is named with its SPDX
expression.
"""

import collections
import json
import pathlib
import subprocess
import sys


def crates(target, features):
    """Names and versions of what is linked: no build scripts, and no macros, which run when it is built."""
    words = "cargo tree --locked --package impasto-cli --no-default-features --edges normal,no-proc-macro --prefix none".split()
    words += ["--features", features, "--target", target, "--format", "{p}"]
    lines = subprocess.check_output(words, text=True).splitlines()
    return sorted({tuple(line.split()[:2]) for line in lines if line and not line.startswith("impasto")})


def main(target, features):
    metadata = json.loads(subprocess.check_output("cargo metadata --locked --all-features --format-version 1".split()))
    packages = {(package["name"], "v" + package["version"]): package for package in metadata["packages"]}
    texts, expressions = collections.defaultdict(list), []
    for crate in crates(target, features):
        package = packages[crate]
        name = f"{package['name']} {package['version']}"
        expressions.append(f"{name}: {package['license'] or package['license_file']}")
        folder = pathlib.Path(package["manifest_path"]).parent
        files = {file for pattern in ("LICEN[CS]E*", "COPYING*", "NOTICE*", "UNLICENSE*") for file in folder.glob(pattern)}
        for file in sorted(file for file in files if file.is_file()):
            text = "\n".join(line.rstrip() for line in file.read_text(errors="replace").splitlines()).strip()
            texts[text].append(name)
    print(f"impasto is made with {len(expressions)} crates, under these licences:\n")
    print("\n".join(expressions))
    for text, names in sorted(texts.items(), key=lambda entry: (-len(entry[1]), entry[1])):
        print(f"\n{'=' * 80}\n{', '.join(names)}\n{'=' * 80}\n\n{text}")


main(*sys.argv[1:])
