// The form's pictures and settings, kept in the browser: they survive a reload, and a new tab begins with them.

const NAME = "impasto-studio";
const STORE = "draft";
const KEY = "form";

function open() {
  return new Promise((resolve, reject) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore(STORE);
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => reject(asked.error);
  });
}

async function within(mode, work) {
  const base = await open();
  try {
    return await new Promise((resolve, reject) => {
      const asked = work(base.transaction(STORE, mode).objectStore(STORE));
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error);
    });
  } finally {
    base.close();
  }
}

let due;
let latest;
const now = () => {
  clearTimeout(due);
  due = undefined;
  // Ignore browsers that store nothing, such as private windows.
  return within("readwrite", (store) => store.put(latest, KEY)).catch(() => {});
};

export function save(draft) {
  latest = draft;
  due ??= setTimeout(now, 200);
}

addEventListener("pagehide", () => due && now());

export const load = () => within("readonly", (store) => store.get(KEY)).catch(() => undefined);
