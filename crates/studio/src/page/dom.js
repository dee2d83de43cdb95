// Small helpers for the page's elements.

export const $ = (id) => document.getElementById(id);

// An element with properties, attributes (under `attributes`) and children.
export function element(name, { attributes = {}, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

// A button with an action.
export function button(words, act, properties = {}) {
  const node = element("button", { type: "button", textContent: words, ...properties });
  node.addEventListener("click", act);
  return node;
}

// Fills a list; unchanged items stay, and keep the focus.
export function fill(list, items, keyOf, make, otherwise) {
  const old = new Map([...list.children].map((item) => [item.dataset.key, item]));
  const nodes = items.map((item) => {
    const key = keyOf(item);
    const node = old.get(key) ?? make(item);
    node.dataset.key = key;
    return node;
  });
  if (!nodes.length && otherwise) nodes.push(element("li", { className: "hint empty", textContent: otherwise }));
  const same = nodes.length === list.children.length && nodes.every((node, index) => node === list.children[index]);
  if (!same) list.replaceChildren(...nodes);
}

export const filesOf = (transfer) => [...(transfer?.files ?? [])];
