import { listenToKeys, noteUse } from "../../static/keys.js";
import { addCard, equal, press } from "./made_up.js";

function addPage(...cards) {
  document.body.innerHTML = `
    <nav class="tools"></nav>
    <form id="view"><input type="search"><select></select></form>
    <dialog id="help"><button>Close</button></dialog>`;
  listenToKeys();
  return cards.map((options) => addCard(options));
}

export function keysPlayAndMove() {
  const [video] = addPage({ time: 20 });
  const times = { l: 30, j: 20, L: 30, J: 20, ArrowLeft: 19, ArrowRight: 20 };
  for (const [key, time] of Object.entries(times)) {
    equal([press(key).defaultPrevented, key, video.currentTime], [true, key, time]);
  }
  press("k");
  equal(video.paused, false);
  press("k");
  equal(video.paused, true);
}

export function bracketsPlayTheNeighbouringClips() {
  const [video] = addPage({ clips: [[3, 5], [5, 8]] });
  press("]");
  equal(video.currentTime, 3);
  press("]");
  equal(video.currentTime, 5);
  press("[");
  equal(video.currentTime, 3);
}

export function oPressesTheLoopButton() {
  addPage({});
  let presses = 0;
  const button = document.createElement("button");
  button.className = "loop";
  button.addEventListener("click", () => { presses += 1; });
  document.querySelector(".actions").append(button);
  press("o");
  equal(presses, 1);
}

export function keysRestWithModifiersAndWhereSomebodyTypes() {
  const [video] = addPage({ time: 20 });
  for (const modifier of ["ctrlKey", "metaKey", "altKey"]) {
    equal(press("l", document.body, { [modifier]: true }).defaultPrevented, false);
  }
  for (const own of document.querySelectorAll("input, select, video")) press("l", own);
  document.getElementById("help").showModal();
  press("l", document.querySelector("dialog button"));
  equal(press("x").defaultPrevented, false);
  equal(video.currentTime, 20);
}

export function keysActOnTheFocusedCardElseOnTheOneUsedLast() {
  const [first, second, third] = addPage({}, { id: "video-2" }, { id: "video-3" });
  press("l");
  equal([first, second, third].map((video) => video.currentTime), [10, 0, 0]);
  noteUse(third);
  press("l");
  equal([first, second, third].map((video) => video.currentTime), [10, 0, 10]);
  document.querySelector("#video-2 a.clip").focus();
  press("l");
  equal([first, second, third].map((video) => video.currentTime), [10, 10, 10]);
  document.activeElement.blur();
  third.closest("article").remove();
  press("l");
  equal([first, second].map((video) => video.currentTime), [20, 10]);
}

export function playerThatCannotPlayIsLeftAlone() {
  const [video] = addPage({});
  video.hidden = true;
  equal(press("l").defaultPrevented, false);
  equal(video.currentTime, 0);
}

export function arrowsMoveTheFocusFromCardToCard() {
  addPage({}, { id: "video-2" });
  const focused = [];
  for (const key of ["ArrowDown", "ArrowDown", "ArrowDown", "ArrowUp"]) {
    press(key, document.activeElement);
    focused.push(document.activeElement.id);
  }
  equal(focused, ["video-1", "video-2", "video-2", "video-1"]);
}

export function slashSearchesAndQuestionMarkShowsTheShortcuts() {
  addPage({});
  press("/");
  equal(document.activeElement.type, "search");
  document.activeElement.blur();
  press("?");
  equal(document.getElementById("help").open, true);
  document.getElementById("help").close();
  document.querySelector(".tools button").click();
  equal(document.getElementById("help").open, true);
}
