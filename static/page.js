import { listenToDrawers } from "./drawer.js";
import { listenToKeys, noteUse } from "./keys.js";
import { keepLoop, loopOver, markCurrent, pauseOthers, playFrom, seek, showNotice, toggleLoop } from "./player.js";
import { enhanceTimelines, follow, listenToTimelines, showTime } from "./timeline.js";
import { listenToView, watchEnd } from "./view.js";

// A player without a picture fetches its first frame when it is nearly on the screen.
const nearScreen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    target.preload = "metadata";
    nearScreen.unobserve(target);
  }
}, { rootMargin: "300px" });

/** Makes what is new on the page work; what works already stays as it is. */
function enhance(root) {
  for (const clip of root.querySelectorAll("a.clip:not([role])")) clip.setAttribute("role", "button");
  for (const video of root.querySelectorAll(".screen video:not([data-seen])")) {
    video.dataset.seen = "";
    if (!video.poster) nearScreen.observe(video);
    if (video.error) showNotice(video);
  }
  for (const actions of root.querySelectorAll(".actions:not(:has(.loop))")) addLoopButton(actions);
  enhanceTimelines(root);
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

/** Goes to the video, and to the moment in it, that the address names. */
enhance.toLinkedVideo = () => {
  const asked = new URLSearchParams(window.location.search);
  const card = [...document.querySelectorAll("article.card")]
    .find((each) => each.dataset.video === asked.get("video"));
  if (!card) return;
  card.scrollIntoView({ block: "start", behavior: "instant" });
  const video = card.querySelector("video");
  if (!video || !asked.has("t")) return;
  seek(video, Number(asked.get("t")) || 0);
  noteUse(video);
};

function rememberMoment(video) {
  const address = new URL(window.location);
  address.searchParams.set("video", video.closest("article").dataset.video);
  address.searchParams.set("t", video.currentTime.toFixed(1));
  address.searchParams.delete("page");
  window.history.replaceState(null, "", address);
}

function playClip(event) {
  const clip = event.target.closest("a.clip");
  const video = clip && document.getElementById(clip.dataset.player);
  // With a modifier the link opens in another tab, as links do.
  if (!video || video.hidden || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  video.scrollIntoView({ block: "nearest" });
  loopOver(video, Number(clip.dataset.start), Number(clip.dataset.end));
  playFrom(video, Number(clip.dataset.start));
}

/** Events of media do not bubble: they are caught on their way down. */
function onMedia(name, act) {
  document.addEventListener(name, (event) => {
    if (event.target.matches?.(".screen video")) act(event.target);
  }, true);
}

onMedia("play", (video) => {
  noteUse(video);
  pauseOthers(video);
  follow(video);
});
onMedia("timeupdate", (video) => {
  markCurrent(video);
  keepLoop(video);
  showTime(video);
});
onMedia("ended", keepLoop);
onMedia("seeked", (video) => {
  showTime(video);
  if (video.paused) rememberMoment(video);
});
onMedia("pause", rememberMoment);
onMedia("error", showNotice);

document.addEventListener("click", playClip);
document.addEventListener("keydown", (event) => {
  if (event.key !== " " || !event.target.matches("a.clip")) return;
  event.preventDefault();
  event.target.click();
});

document.documentElement.classList.add("scripted");
listenToTimelines();
listenToDrawers(enhance);
listenToView(enhance);
listenToKeys();
enhance(document);
watchEnd(enhance);
enhance.toLinkedVideo();
