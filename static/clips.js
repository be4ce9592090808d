// The clips of a card: where they are in time, and which one is playing.
import { playFrom } from "./player.js";

/** The clips of a card in order of time, as {start, end} in seconds, each once. */
export function clipTimes(card) {
  const times = new Map();
  for (const { dataset } of card.querySelectorAll(".lane a, a.clip")) {
    times.set(`${dataset.start}-${dataset.end}`, {
      start: Number(dataset.start),
      end: Number(dataset.end),
    });
  }
  return [...times.values()].sort((one, other) => one.start - other.start || one.end - other.end);
}

/** Marks the clips of a video that are on the screen now, for eyes and for screen readers. */
export function markCurrent(video) {
  for (const clip of video.closest("article").querySelectorAll("a.clip")) {
    const { start, end } = clip.dataset;
    const isCurrent = video.currentTime >= Number(start) && video.currentTime < Number(end);
    if (isCurrent) clip.setAttribute("aria-current", "true");
    else clip.removeAttribute("aria-current");
  }
}

/** Plays the next clip of a video. */
export function playNext(video) {
  const clip = clipTimes(video.closest("article"))
    .find((each) => each.start > video.currentTime + 0.05);
  if (clip) playFrom(video, clip.start);
}

/** Plays the previous clip of a video; one that has only just begun counts as the current one. */
export function playPrevious(video) {
  const clip = clipTimes(video.closest("article"))
    .findLast((each) => each.start < video.currentTime - 1);
  if (clip) playFrom(video, clip.start);
}
