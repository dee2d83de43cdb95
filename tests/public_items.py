#!/usr/bin/env python3
"""Counts the public items of each package, by module: the `pub use` and `pub` items of a module's `mod.rs` or `lib.rs`,
without what is hidden from the documentation. Methods, fields and variants are not counted. public_items.py [ROOT]"""
import pathlib
import re
import sys

ITEM = re.compile(r'^pub (?:unsafe |const |async )*(?:fn|struct|enum|trait|type|const|static|macro|union) (\w+)', re.M)
USE = re.compile(r'^pub use ([^;]+);', re.M)
MODULE = re.compile(r'^pub mod (\w+)', re.M)


def names(use):
    """The names that a `use` brings: `a::{B, c::D as E}` → B, E."""
    use = ' '.join(use.split())
    if '{' in use:
        inner = use[use.index('{') + 1:use.rindex('}')]
        depth, item, items = 0, '', []
        for c in inner:
            depth += (c == '{') - (c == '}')
            if c == ',' and depth == 0:
                items.append(item)
                item = ''
            else:
                item += c
        return [name for item in items + [item] if item.strip() for name in names(item)]
    return [use.split(' as ')[-1].split('::')[-1].strip()]


def text_of(path):
    text = path.read_text()
    text = re.sub(r'^#\[cfg\(test\)\]\nmod \w+ \{.*?^\}', '', text, flags=re.M | re.S)
    text = re.sub(r'^#\[cfg\((?:test|doctest)\)\]\n(?:#.*\n)*[^\n]*', '', text, flags=re.M)
    # Modules that are written within the file, hidden or not, are counted by their own `pub mod` only.
    return re.sub(r'^((?:#\[doc\(hidden\)\]\n)?pub mod \w+) \{.*?^\}', lambda m: '' if 'hidden' in m[0] else m[1] + ';', text, flags=re.M | re.S)


def count(source, name, found):
    """Adds the items of a module and of the public ones within it."""
    text = text_of(source)
    items = ITEM.findall(text) + [name for use in USE.findall(text) for name in names(use)]
    found[name] = (len(set(items)), sorted(set(items)))
    for module in MODULE.findall(text):
        folder = source.parent if source.name in ('lib.rs', 'mod.rs') else source.with_suffix('')
        for path in (folder / module / 'mod.rs', folder / f'{module}.rs'):
            if path.exists():
                count(path, f'{name}::{module}'.removeprefix('root::'), found)


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else '.')
    for library in [root / 'src/lib.rs', *sorted(root.glob('crates/*/src/lib.rs'))]:
        if not library.exists():
            continue
        found = {}
        count(library, 'root', found)
        package = library.parent.parent.resolve().name if library.parent.parent != root else 'impasto'
        print(f'{package}: {sum(number for number, _ in found.values())} public items')
        for module, (number, items) in found.items():
            print(f'  {module:<22} {number:>3}' + (f'  {", ".join(items)}' if '-v' in sys.argv else ''))


if __name__ == '__main__':
    main()
