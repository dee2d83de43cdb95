// Messages at the bottom of the window, where they are seen wherever the page stands.

import { $, button, element } from "./dom.js";

const LONG = 12_000;
const SHORT = 5_000;

// Says something for a moment; with `action`, a button that does something about it, for longer.
export function say(words, action) {
  const note = element("p", { className: "toast", textContent: words });
  const close = () => note.remove();
  if (action) {
    note.append(button(action.words, () => {
      close();
      action.act();
    }));
  }
  $("messages").replaceChildren(note);
  setTimeout(close, action ? LONG : SHORT);
}

// Says what went wrong; it stays until it is closed or something else is tried.
export function complain(words) {
  if (!words) return $("problem").replaceChildren();
  const note = element("p", { className: "toast problem", textContent: words });
  note.append(button("Close", () => note.remove()));
  $("problem").replaceChildren(note);
}

// Does what may fail, and says why it did.
export async function attempt(work) {
  complain("");
  try {
    return await work();
  } catch (error) {
    complain(error.message);
    return undefined;
  }
}
