// Messages at the bottom of the window, visible at any scroll position.

import { $, button, element } from "./dom.js";

const LONG = 12_000;
const SHORT = 5_000;

// Shows a message for a moment; with `action`, which adds a button, for longer.
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

// Shows an error, until it is closed or the next action begins.
export function complain(words) {
  if (!words) return $("problem").replaceChildren();
  const note = element("p", { className: "toast problem", textContent: words });
  note.append(button("Close", () => note.remove()));
  $("problem").replaceChildren(note);
}

// Runs an action that may fail, and shows its error.
export async function attempt(work) {
  complain("");
  try {
    return await work();
  } catch (error) {
    complain(error.message);
    return undefined;
  }
}
