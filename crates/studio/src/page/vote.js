// The blind test: two results of the same pictures without names, in random order.

import * as api from "./api.js";
import { $ } from "./dom.js";

let question = null;
let answered = 0;

// Answers count once both pictures are loaded.
function setQuestion(name) {
  question = name;
  for (const side of ["left", "neither", "right"]) $(`answer-${side}`).disabled = !name;
}

async function next() {
  setQuestion(null);
  try {
    const asked = await api.question();
    const load = (side) => {
      $(`picture-${side}`).src = api.votedOf(asked.question, side);
      return $(`picture-${side}`).decode();
    };
    $("pair").hidden = false;
    await Promise.all([load("left"), load("right")]);
    setQuestion(asked.question);
    $("answers").hidden = false;
    $("problem").textContent = "";
  } catch (error) {
    $("pair").hidden = $("answers").hidden = true;
    $("problem").textContent = error.message.replace(/^there are/, "There are");
  }
}

async function answer(better) {
  if (!question) return;
  const asked = question;
  setQuestion(null);
  let problem = null;
  try {
    await api.answer(asked, better);
    answered++;
    $("count").textContent = answered === 1 ? "1 answer so far." : `${answered} answers so far.`;
  } catch (error) {
    problem = error.message;
  }
  await next();
  if (problem) $("problem").textContent = problem;
}

for (const side of ["left", "neither", "right"]) $(`answer-${side}`).addEventListener("click", () => answer(side));
document.addEventListener("keydown", (event) => {
  const better = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "neither" }[event.key];
  if (!better || event.repeat) return;
  event.preventDefault();
  answer(better);
});
next();
