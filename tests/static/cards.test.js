import { enhance, listenToClips } from "../../static/cards.js";
import { keepLoop, toggleLoop } from "../../static/loop.js";
import { addCard, equal, isLeftToTheBrowser, press, until } from "./made_up.js";

function addEnhancedCard(options) {
  listenToClips();
  const video = addCard(options);
  enhance(document);
  return video;
}

function clickClip(place) {
  const event = new MouseEvent("click", { bubbles: true, cancelable: true });
  document.querySelectorAll("a.clip")[place].dispatchEvent(event);
  return event;
}

export function cardIsEnhancedOnce() {
  addEnhancedCard();
  enhance(document);
  equal(document.querySelectorAll("a.clip[role=button]").length, 2);
  equal(document.querySelectorAll("button.loop").length, 1);
  equal(document.querySelectorAll(".timeline[role=slider]").length, 1);
}

export function clickOnAClipPlaysItFromItsStart() {
  const video = addEnhancedCard({ clips: [[3, 5], [6, 8]] });
  equal(clickClip(1).defaultPrevented, true);
  equal([video.currentTime, video.paused], [6, false]);
}

export function clickOnAClipMakesItTheOneThatIsLooped() {
  const video = addEnhancedCard({ time: 4, clips: [[3, 5], [6, 8]] });
  toggleLoop(video);
  clickClip(1);
  keepLoop(video);
  equal(video.currentTime, 6);
  video.currentTime = 8;
  keepLoop(video);
  equal(video.currentTime, 6);
}

export function clickOnAClipIsTheBrowsersWithAModifierOrWithoutAPlayer() {
  const video = addEnhancedCard();
  for (const modifier of ["ctrlKey", "metaKey", "shiftKey", "altKey"]) {
    equal(isLeftToTheBrowser(document.querySelector("a.clip"), modifier), true);
  }
  video.hidden = true;
  equal(isLeftToTheBrowser(document.querySelector("a.clip")), true);
  equal(video.currentTime, 0);
}

export function spacePressesAClip() {
  const video = addEnhancedCard();
  equal(press(" ", document.querySelector("a.clip")).defaultPrevented, true);
  equal(video.currentTime, 3);
  equal(press(" ").defaultPrevented, false);
}

export function loopButtonTellsWhetherThereIsALoop() {
  const video = addEnhancedCard({ time: 4 });
  const button = document.querySelector("button.loop");
  equal([button.textContent, button.getAttribute("aria-pressed")], ["Loop clip", "false"]);
  button.click();
  equal(button.getAttribute("aria-pressed"), "true");
  button.click();
  video.currentTime = 50;
  button.click();
  equal(button.getAttribute("aria-pressed"), "false");
}

export function unplayableVideoIsReplacedByItsNotice() {
  const video = addCard();
  Object.defineProperty(video, "error", { value: new Error("unplayable") });
  enhance(document);
  equal(video.hidden, true);
}

export async function onlyAPlayerWithoutAPictureLoadsNearTheScreen() {
  const [pictured, plain] = [addCard(), addCard({ id: "video-2" })];
  plain.removeAttribute("poster");
  for (const video of [pictured, plain]) video.preload = "none";
  enhance(document);
  await until(() => plain.preload === "metadata");
  equal(pictured.preload, "none");
}
