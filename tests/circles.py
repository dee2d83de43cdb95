#!/usr/bin/env python3
"""Lists circular dependencies: sets of a crate's files that use each other, by `use` lines and paths. circles.py SRC..."""
import re, sys, pathlib
def modules(root):
    out = {}
    for path in root.rglob('*.rs'):
        parts = list(path.relative_to(root).with_suffix('').parts)
        if parts[-1] in ('main', 'lib') and len(parts) == 1: parts = []
        elif parts[-1] == 'mod': parts.pop()
        out[tuple(parts)] = path
    return out
def uses(mods, here, text):
    text = re.sub(r'#\[cfg\(test\)\]\s*mod tests \{.*', '', text, flags=re.S)
    text = '\n'.join(l for l in text.splitlines() if not l.strip().startswith('//'))
    found = set()
    def target(parts):
        parts = tuple(parts)
        while parts not in mods: parts = parts[:-1]
        return parts
    # expand use groups: prefix::{a, b::c}
    def expand(prefix, body):
        depth = 0; item = ''; items = []
        for c in body:
            if c == '{': depth += 1
            if c == '}': depth -= 1
            if c == ',' and depth == 0: items.append(item); item = ''
            else: item += c
        items.append(item)
        for i in items:
            i = i.strip()
            if '{' in i:
                p, b = i.split('{', 1); yield from expand(prefix + p, b.rsplit('}', 1)[0])
            elif i: yield prefix + i
    paths = []
    for m in re.finditer(r'\buse ((?:crate|super|self)::[^;]*);', text): paths += list(expand('', m.group(1)))
    rest = re.sub(r'\buse [^;]*;', '', text)
    paths += re.findall(r'\b(?:crate|super)(?:::\w+)+', rest)
    for p in paths:
        parts = p.split(' as ')[0].strip().split('::'); at = list(here)
        if parts[0] == 'crate': at = []; parts = parts[1:]
        else:
            while parts and parts[0] in ('super', 'self'):
                if parts[0] == 'super': at = at[:-1]
                parts = parts[1:]
        t = target(at + parts)
        if t != here: found.add(t)
    return found
def circles(graph):
    index, low, stack, out, n = {}, {}, [], [], [0]
    def visit(v):
        index[v] = low[v] = n[0]; n[0] += 1; stack.append(v)
        for w in graph[v]:
            if w not in index: visit(w); low[v] = min(low[v], low[w])
            elif w in stack: low[v] = min(low[v], index[w])
        if low[v] == index[v]:
            c = []
            while True:
                w = stack.pop(); c.append(w)
                if w == v: break
            if len(c) > 1: out.append(c)
    sys.setrecursionlimit(10000)
    for v in graph:
        if v not in index: visit(v)
    return out
for root in map(pathlib.Path, sys.argv[1:]):
    mods = modules(root)
    graph = {m: uses(mods, m, p.read_text()) for m, p in mods.items()}
    cs = circles(graph)
    print(f'{root}: {len(mods)} files, circles: {sorted(map(len, cs), reverse=True) or "none"}')
    for c in cs:
        print('  ' + ', '.join('/'.join(m) or 'root' for m in sorted(c)))
        s = set(c)
        if len(c) > 2:
            for m in sorted(c): print('     ', '/'.join(m) or 'root', '->', ', '.join('/'.join(t) or 'root' for t in sorted(graph[m] & s)))
