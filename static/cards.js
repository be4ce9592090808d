// Gives cards what only a script can: loops, a timeline, players that load late, clips that play.
import { loopOver, toggleLoop } from "./loop.js";
import { onceNear } from "./near.js";
import { playFrom, showNotice } from "./player.js";
import { enhanceTimelines } from "./timeline.js";

/** Makes what is new in a part of the page work; what works already stays as it is. */
export function enhance(root) {
  for (const clip of root.querySelectorAll("a.clip:not([role])")) {
    clip.setAttribute("role", "button");
  }
  for (const video of root.querySelectorAll(".screen video:not([data-seen])")) enhancePlayer(video);
  for (const actions of root.querySelectorAll(".actions:not(:has(.loop))")) addLoopButton(actions);
  enhanceTimelines(root);
}

function enhancePlayer(video) {
  video.dataset.seen = "";
  // A player without a picture shows its first frame.
  if (!video.poster) onceNear(video, "300px", () => { video.preload = "metadata"; });
  if (video.error) showNotice(video);
}

function addLoopButton(actions) {
  const video = actions.closest("article").querySelector("video");
  if (!video) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "loop";
  button.textContent = "Loop clip";
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", () => {
    button.setAttribute("aria-pressed", String(toggleLoop(video)));
  });
  actions.prepend(button);
}

function playClip(event) {
  // With a modifier the link opens in another tab, as links do.
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const clip = event.target.closest("a.clip");
  const video = clip && document.getElementById(clip.dataset.player);
  if (!video || video.hidden) return;
  event.preventDefault();
  video.scrollIntoView({ block: "nearest" });
  loopOver(video, Number(clip.dataset.start), Number(clip.dataset.end));
  playFrom(video, Number(clip.dataset.start));
}

/** The space bar presses a clip, which is a button, as Enter does. */
function pressClip(event) {
  if (event.key !== " " || !event.target.matches("a.clip")) return;
  event.preventDefault();
  event.target.click();
}

/** Lets clicks and keys on clips play them. */
export function listenToClips() {
  document.addEventListener("click", playClip);
  document.addEventListener("keydown", pressClip);
}
