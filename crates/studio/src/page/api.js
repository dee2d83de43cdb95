// The page's requests to the program: see /api/openapi.json.

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The studio does not respond. It has ended, or the connection is lost.");
  }
  const kind = response.headers.get("content-type") ?? "";
  const body = kind.includes("json") ? await response.json() : null;
  if (!response.ok) throw new Error(body?.error ?? `The studio responds with status ${response.status}.`);
  return body;
}

const post = (path, body) => ask(path, { method: "POST", body });
const json = (method, path, body) => ask(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

export const options = async () => (await ask("api/options")).options;
export const jobs = () => ask("api/jobs");
export const job = (id) => ask(`api/jobs/${id}`);
export const pause = (id) => post(`api/jobs/${id}/pause`);
export const resume = (id) => post(`api/jobs/${id}/resume`);
export const stop = (id) => post(`api/jobs/${id}/stop`);
export const discard = (id) => ask(`api/jobs/${id}`, { method: "DELETE" });
export const change = (id, settings) => json("PATCH", `api/jobs/${id}`, settings);
export const favourite = (id, is) => ask(`api/jobs/${id}/favourite`, { method: is ? "PUT" : "DELETE" });
export const trash = async () => (await ask("api/trash")).jobs;
export const restore = (id) => post(`api/trash/${id}/restore`);
export const emptyTrash = () => ask("api/trash", { method: "DELETE" });
export const weights = () => ask("api/weights");
export const fetchWeights = () => post("api/weights");
export const question = () => post("api/votes");
export const answer = (question, better) => json("POST", `api/votes/${question}`, { better });
// The forecast of a job: for each picture its width and height, or its address.
export const forecast = (asked) => json("POST", "api/forecast", asked);

export const pictureOf = (id, version = "") => `api/jobs/${id}/picture?${version}`;
export const thumbnailOf = (id) => `api/jobs/${id}/thumbnail`;
export const contentOf = (id) => `api/jobs/${id}/content`;
export const styleOf = (id, index) => `api/jobs/${id}/styles/${index}`;
export const zipOf = (ids) => `api/pictures.zip?jobs=${ids.join(",")}`;
export const votedOf = (question, side) => `api/votes/${question}/${side}`;

// Starts a job. A picture is a file or the address of a picture in the studio; `like` is a job whose pictures and masks to use.
export function create({ content, styles, like, masks, group, settings }) {
  const form = new FormData();
  const add = (field, picture) => (picture.file ? form.append(field, picture.file, picture.name) : form.append(field, picture.address));
  if (like) {
    form.append("like", String(like));
  } else {
    add("content", content);
    for (const style of styles) add("style", style);
    if (masks) {
      form.append("content-mask", masks.content, "regions.png");
      masks.styles.forEach((mask, index) => form.append("style-mask", mask, `region-${index + 1}.png`));
    }
  }
  if (group) form.append("group", group);
  form.append("settings", JSON.stringify(settings));
  return post("api/jobs", form);
}

// The settings in a picture that impasto made; null if it has none.
export async function provenance(file) {
  const form = new FormData();
  form.append("picture", file, file.name);
  try {
    return await post("api/provenance", form);
  } catch {
    return null;
  }
}

// Follows a job until it is over, even across a restart of the studio. Returns a function that stops following.
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
