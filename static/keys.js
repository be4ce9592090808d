// Keyboard shortcuts of the whole page; they rest where somebody types.
import { playNext, playPrevious } from "./clips.js";
import { moveBy, toggle } from "./player.js";

// What uses keys itself.
const OWN_KEYS = "input, select, textarea, video, [contenteditable], dialog[open] *";

let lastUsed = null;

/** Remembers the player that was used last: shortcuts act on it. */
export function noteUse(video) {
  lastUsed = video;
}

function focusedCard() {
  return document.activeElement.closest("article.card");
}

/** The card for shortcuts: the focused one, else the one used last, else the first in view. */
function currentCard() {
  if (focusedCard()) return focusedCard();
  if (lastUsed?.isConnected) return lastUsed.closest("article");
  const cards = [...document.querySelectorAll("article.card")];
  return cards.find((card) => card.getBoundingClientRect().bottom > 80) ?? null;
}

/** Moves the focus to the next (1) or previous (-1) card; from none, to the current one. */
function focusCard(direction) {
  const cards = [...document.querySelectorAll("article.card")];
  const current = cards.indexOf(currentCard());
  const card = cards[focusedCard() ? current + direction : Math.max(current, 0)];
  if (!card) return;
  card.tabIndex = -1;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest" });
}

// By the key: what is done with the player of the current card.
const ACTIONS = {
  k: toggle,
  j: (video) => moveBy(video, -10),
  l: (video) => moveBy(video, 10),
  ArrowLeft: (video) => moveBy(video, -1),
  ArrowRight: (video) => moveBy(video, 1),
  "[": playPrevious,
  "]": playNext,
  o: (video) => video.closest("article").querySelector("button.loop")?.click(),
};

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest(OWN_KEYS)) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const video = currentCard()?.querySelector("video");
  if (key === "/") document.querySelector("#view input[type=search]").focus();
  else if (key === "?") document.getElementById("help").showModal();
  else if (key === "ArrowUp") focusCard(-1);
  else if (key === "ArrowDown") focusCard(1);
  else if (key in ACTIONS && video && !video.hidden) ACTIONS[key](video);
  else return;
  event.preventDefault();
}

/** Listens to the shortcuts, and adds a button that lists them. */
export function listenToKeys() {
  document.addEventListener("keydown", onKey);
  const help = document.createElement("button");
  help.type = "button";
  help.textContent = "Shortcuts";
  help.addEventListener("click", () => document.getElementById("help").showModal());
  document.querySelector(".tools").append(help);
}
