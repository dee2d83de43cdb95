// Formats names, numbers and times.

const stem = (name) => name.replace(/\.[^.]*$/, "").replace(/[-_]+/g, " ");

// "harbour in the style of swirls"
export const nameOf = ({ content, styles }) => `${stem(content)} in the style of ${styles.map(stem).join(" and ")}`;

export const STATES = { waiting: "queued", running: "painting", paused: "paused", done: "done", stopped: "stopped early", failed: "failed" };

export const isOver = ({ state }) => ["done", "stopped", "failed"].includes(state);
export const isUnderWay = (job) => Boolean(job) && ["running", "paused"].includes(job.state);

const SHORT = { colors: "colours", "style-size": "strokes" };

// "strength 0.7, size 1024"
export const summary = (settings) =>
  Object.entries(settings).map(([name, value]) => (value === true ? name : `${SHORT[name] ?? name} ${value}`)).join(", ") || "default settings";

export function duration(seconds) {
  const whole = Math.ceil(seconds);
  const both = (large, name, small, other) => (small ? `${large} ${name} ${small} ${other}` : `${large} ${name}`);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? both(Math.floor(whole / 60), "min", whole % 60, "s") : both(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
}

// Rounded to the precision of estimates.
export const rounded = (seconds) => (seconds < 20 ? seconds : seconds < 90 ? Math.round(seconds / 5) * 5 : seconds < 600 ? Math.round(seconds / 30) * 30 : Math.round(seconds / 60) * 60);

export function amount(bytes) {
  const mib = bytes / 2 ** 20;
  return mib < 1000 ? `${Math.ceil(mib / 10) * 10} MB` : `${(mib / 1024).toFixed(1)} GB`;
}
