// Keys for the whole page; where one types or a control has its own use for a key, they rest.
import { moveBy, playNeighbour, toggle } from "./player.js";

const OWN_KEYS = "input, select, textarea, video, [contenteditable], dialog[open] *";

let lastPlayed = null;

/** Remembers the player that was used last: keys speak to it. */
export function noteUse(video) {
  lastPlayed = video;
}

/** The card that keys speak to: where the focus is, else where one played last, else the first in view. */
function currentCard() {
  const focused = document.activeElement.closest("article.card");
  if (focused) return focused;
  if (lastPlayed?.isConnected) return lastPlayed.closest("article");
  const cards = [...document.querySelectorAll("article.card")];
  return cards.find((card) => card.getBoundingClientRect().bottom > 80) ?? null;
}

function step(direction) {
  const cards = [...document.querySelectorAll("article.card")];
  const now = cards.indexOf(currentCard());
  const focused = document.activeElement.closest("article.card");
  const card = cards[focused ? now + direction : Math.max(now, 0)];
  if (!card) return;
  card.tabIndex = -1;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

const ACTIONS = {
  k: toggle,
  j: (video) => moveBy(video, -10),
  l: (video) => moveBy(video, 10),
  ArrowLeft: (video) => moveBy(video, -1),
  ArrowRight: (video) => moveBy(video, 1),
  "[": (video) => playNeighbour(video, -1),
  "]": (video) => playNeighbour(video, 1),
  o: (video) => video.closest("article").querySelector("button.loop")?.click(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(OWN_KEYS)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const video = currentCard()?.querySelector("video");
  if (key === "/") document.querySelector("#view input[type=search]").focus();
  else if (key === "?") document.getElementById("help").showModal();
  else if (key === "ArrowUp") step(-1);
  else if (key === "ArrowDown") step(1);
  else if (key in ACTIONS && video && !video.hidden) {
    ACTIONS[key](video);
  } else return;
  event.preventDefault();
}

/** Listens to keys, and adds a button that tells them. */
export function listenToKeys() {
  document.addEventListener("keydown", onKey);
  const help = document.createElement("button");
  help.type = "button";
  help.textContent = "Shortcuts";
  help.addEventListener("click", () => document.getElementById("help").showModal());
  document.querySelector(".tools").append(help);
}
