// The lanes under a player: clicks and keys seek, a playhead follows, a hint describes a clip.
import { playFrom, seek } from "./player.js";

const STEP_S = 5;

function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function playerOf(timeline) {
  return document.getElementById(timeline.dataset.player);
}

/** The length of the video in seconds: as the results say, or as the player knows. */
function duration(timeline, video) {
  return Number(timeline.dataset.duration) || video.duration || 0;
}

/** Makes the lanes in a part of the page a slider over their video. */
export function enhanceTimelines(root) {
  for (const timeline of root.querySelectorAll(".timeline")) {
    const video = playerOf(timeline);
    if (!video) continue;
    timeline.tabIndex = 0;
    timeline.setAttribute("role", "slider");
    timeline.setAttribute("aria-label", "Playback position");
    timeline.setAttribute("aria-valuemin", "0");
    timeline.setAttribute("aria-valuemax", String(duration(timeline, video)));
    showTime(video);
  }
}

/** Moves the playhead to where the video is. */
export function showTime(video) {
  const timeline = video.closest("article").querySelector(".timeline");
  if (!timeline) return;
  const total = duration(timeline, video);
  const share = total ? Math.min(video.currentTime / total, 1) : 0;
  for (const head of timeline.querySelectorAll(".playhead")) {
    head.setAttribute("x", `${(100 * share).toFixed(3)}%`);
  }
  timeline.setAttribute("aria-valuenow", video.currentTime.toFixed(1));
  timeline.setAttribute("aria-valuetext", `${clock(video.currentTime)} of ${clock(total)}`);
}

// The playing video whose playhead moves with every frame.
let followed = null;

function showFollowed() {
  showTime(followed);
  if (followed.paused || !followed.isConnected) followed = null;
  else requestAnimationFrame(showFollowed);
}

/** Follows a playing video frame by frame, in place of the one that was followed before. */
export function follow(video) {
  if (!followed) requestAnimationFrame(showFollowed);
  followed = video;
}

function seekByPointer(event, timeline, video) {
  const box = timeline.querySelector(".lane svg").getBoundingClientRect();
  const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
  playFrom(video, share * duration(timeline, video));
}

function onClick(event) {
  const timeline = event.target.closest(".timeline");
  const video = timeline && playerOf(timeline);
  if (!video || video.hidden || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const clip = event.target.closest("a");
  if (clip) playFrom(video, Number(clip.dataset.start));
  else seekByPointer(event, timeline, video);
}

function onKey(event) {
  const timeline = event.target.closest?.(".timeline");
  const video = timeline && playerOf(timeline);
  if (!video || event.target !== timeline || event.ctrlKey || event.metaKey || event.altKey) return;
  const total = duration(timeline, video);
  const now = video.currentTime;
  const times = {
    ArrowLeft: now - STEP_S,
    ArrowDown: now - STEP_S,
    ArrowRight: now + STEP_S,
    ArrowUp: now + STEP_S,
    PageUp: now + total / 10,
    PageDown: now - total / 10,
    Home: 0,
    End: total,
  };
  if (!(event.key in times)) return;
  event.preventDefault();
  event.stopPropagation();
  seek(video, Math.min(Math.max(times[event.key], 0), total));
  showTime(video);
}

function hideHint() {
  document.getElementById("hint").hidden = true;
}

function showHint(event) {
  const hint = document.getElementById("hint");
  const clip = event.target.closest(".lane a");
  hint.hidden = !clip;
  if (!clip) return;
  const { pictures } = clip.closest(".timeline").dataset;
  const words = document.createElement("span");
  words.textContent = clip.getAttribute("aria-label");
  hint.replaceChildren(words);
  if (pictures) {
    const picture = new Image(320, 180);
    picture.alt = "";
    picture.src = `${pictures}?t=${(Number(clip.dataset.start) + Number(clip.dataset.end)) / 2}`;
    hint.prepend(picture);
  }
  const box = clip.getBoundingClientRect();
  const left = Math.min(Math.max(box.left, 8), window.innerWidth - hint.offsetWidth - 8);
  const above = box.top - hint.offsetHeight - 8;
  // The object model of styles is allowed where style attributes are not.
  hint.style.left = `${left}px`;
  hint.style.top = `${above > 8 ? above : box.bottom + 8}px`;
}

/** Listens on the whole page, so that cards which are loaded later are served too. */
export function listenToTimelines() {
  document.addEventListener("click", onClick);
  document.addEventListener("keydown", onKey, true);
  document.addEventListener("pointerover", showHint);
  document.addEventListener("scroll", hideHint, true);
}
