import { clipTimes, markCurrent, playNext, playPrevious } from "../../static/clips.js";
import { addCard, equal } from "./made_up.js";

function currentStarts(video, time) {
  video.currentTime = time;
  markCurrent(video);
  const current = video.closest("article").querySelectorAll("a.clip[aria-current=true]");
  return [...current].map((clip) => Number(clip.dataset.start));
}

export function clipIsCurrentFromItsStartUntilJustBeforeItsEnd() {
  const video = addCard({ clips: [[3, 5], [5, 8], [4, 10]] });
  equal(currentStarts(video, 2.99), []);
  equal(currentStarts(video, 3), [3]);
  equal(currentStarts(video, 4.99), [3, 4]);
  equal(currentStarts(video, 5), [5, 4]);
  equal(currentStarts(video, 8), [4]);
  equal(currentStarts(video, 10), []);
}

export function timesAreInOrderAndOnceThoughLaneAndListHaveThem() {
  const video = addCard({ clips: [[5, 8], [3, 9], [3, 5]] });
  equal(clipTimes(video.closest("article")), [
    { start: 3, end: 5 }, { start: 3, end: 9 }, { start: 5, end: 8 },
  ]);
}

export function nextClipIsTheOneThatStartsLater() {
  const video = addCard({ time: 3, clips: [[3, 5], [5, 8]] });
  playNext(video);
  equal([video.currentTime, video.paused], [5, false]);
  playNext(video);
  equal(video.currentTime, 5);
}

export function previousClipPassesOverOneThatHasOnlyJustBegun() {
  const video = addCard({ clips: [[3, 5], [5, 8]] });
  video.currentTime = 7;
  playPrevious(video);
  equal(video.currentTime, 5);
  video.currentTime = 5.9;
  playPrevious(video);
  equal(video.currentTime, 3);
  playPrevious(video);
  equal(video.currentTime, 3);
}
