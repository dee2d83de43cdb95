// All other options of the command, grouped as in its help: each with a sentence of help, a widget, and its default.

import { element } from "./dom.js";

export class Options {
  constructor(box, changed) {
    this.box = box;
    this.described = [];
    box.addEventListener("input", () => {
      this.mark();
      changed();
    });
  }

  // `described` lists the studio's options, without those that have a knob of their own.
  load(described) {
    this.described = described;
    const groups = Map.groupBy(described, ({ group }) => group);
    this.box.replaceChildren(...[...groups].map(([name, options]) =>
      element("fieldset", {}, element("legend", { textContent: name }), ...options.map(field))));
    this.mark();
  }

  input(name) {
    return this.box.querySelector(`[name="${name}"]`);
  }

  // The settings that differ from the default.
  settings() {
    const settings = {};
    for (const { name, kind, default: usual } of this.described) {
      const input = this.input(name);
      if (kind === "switch" && input.checked) settings[name] = true;
      else if (kind !== "switch" && input.value.trim() && input.value !== usual) settings[name] = input.value.trim();
    }
    return settings;
  }

  // Shows settings; all others get their defaults.
  setSettings(settings) {
    for (const { name, kind, default: usual } of this.described) {
      const input = this.input(name);
      if (kind === "switch") input.checked = settings[name] === true || settings[name] === "true";
      else input.value = settings[name] ?? (input.tagName === "SELECT" ? usual ?? "" : "");
    }
    this.mark();
  }

  mark() {
    const changed = this.settings();
    for (const { name } of this.described) this.input(name).closest(".option").classList.toggle("changed", name in changed);
    const count = Object.keys(changed).length;
    this.box.parentElement.querySelector("summary").dataset.changed = count ? `${count} changed` : "";
  }
}

function field({ name, label: words, help, kind, values, default: usual, otherwise }) {
  const id = `option-${name}`;
  const hint = element("p", { className: "hint", id: `${id}-hint`, textContent: help });
  const label = element("label", { htmlFor: id, textContent: words });
  let input;
  if (kind === "switch") {
    input = element("input", { type: "checkbox" });
  } else if (kind === "choice") {
    input = element("select", {});
    if (!usual) input.append(element("option", { value: "", textContent: otherwise ? `default: ${otherwise}` : "default" }));
    input.append(...values.map((one) => element("option", { value: one, textContent: one === usual ? `${one} (default)` : one, selected: one === usual })));
  } else {
    input = element("input", { type: kind === "text" ? "text" : "number", step: kind === "integer" ? 1 : "any", autocomplete: "off", spellcheck: false });
    input.placeholder = usual ?? otherwise ? `default: ${usual ?? otherwise}` : "default";
  }
  Object.assign(input, { id, name });
  input.setAttribute("aria-describedby", hint.id);
  const mark = element("span", { className: "mark", textContent: "changed" });
  const line = kind === "switch" ? element("div", { className: "check" }, input, label, mark) : element("div", { className: "line" }, label, mark);
  return element("div", { className: "option" }, line, ...(kind === "switch" ? [] : [input]), hint);
}
