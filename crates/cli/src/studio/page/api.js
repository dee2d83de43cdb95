// What the page asks of the program: see /api/openapi.json.

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The studio does not answer: it was ended, or the connection is lost.");
  }
  const kind = response.headers.get("content-type") ?? "";
  const body = kind.includes("json") ? await response.json() : null;
  if (!response.ok) throw new Error(body?.error ?? `The studio answers ${response.status}.`);
  return body;
}

const post = (path, body) => ask(path, { method: "POST", body });

export const options = async () => (await ask("api/options")).options;
export const jobs = async () => (await ask("api/jobs")).jobs;
export const job = (id) => ask(`api/jobs/${id}`);
export const pause = (id) => post(`api/jobs/${id}/pause`);
export const resume = (id) => post(`api/jobs/${id}/resume`);
export const stop = (id) => post(`api/jobs/${id}/stop`);
export const discard = (id) => ask(`api/jobs/${id}`, { method: "DELETE" });
export const pictureOf = (id, version = "") => `api/jobs/${id}/picture?${version}`;
export const contentOf = (id) => `api/jobs/${id}/content`;
export const styleOf = (id, index) => `api/jobs/${id}/styles/${index}`;

export const change = (id, settings) =>
  ask(`api/jobs/${id}`, { method: "PATCH", headers: { "content-type": "application/json" }, body: JSON.stringify(settings) });

export function create({ content, styles, like, settings }) {
  const form = new FormData();
  if (content) form.append("content", content, content.name);
  for (const style of styles) form.append("style", style, style.name);
  if (like) form.append("like", String(like));
  form.append("settings", JSON.stringify(settings));
  return post("api/jobs", form);
}

// What a job would take: sizes of pictures, or `like` for those of a job.
export const forecast = (asked) =>
  ask("api/forecast", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(asked) });

// The settings in a picture that impasto made; null if it says none.
export async function provenance(file) {
  const form = new FormData();
  form.append("picture", file, file.name);
  try {
    return await post("api/provenance", form);
  } catch {
    return null;
  }
}

// Follows a job until it is over, also over a restart of the studio. Gives a function that ends it.
export function follow(id, { progress, picture, state, again }) {
  const source = new EventSource(`api/jobs/${id}/events`);
  const on = (name, tell) => source.addEventListener(name, (event) => tell(JSON.parse(event.data)));
  let opened = 0;
  source.addEventListener("open", () => opened++ && again());
  on("progress", progress);
  on("picture", picture);
  on("state", (data) => {
    if (["done", "failed", "stopped"].includes(data.state)) source.close();
    state(data);
  });
  return () => source.close();
}
