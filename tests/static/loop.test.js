import { keepLoop, loopOver, toggleLoop } from "../../static/loop.js";
import { addCard, equal } from "./made_up.js";

function timeAfter(video, time) {
  video.currentTime = time;
  keepLoop(video);
  return video.currentTime;
}

export function loopJumpsBackAtTheEndOfTheClip() {
  const video = addCard({ time: 3, clips: [[3, 5], [5, 8]] });
  equal(timeAfter(video, 5), 5);
  video.currentTime = 4;
  equal(toggleLoop(video), true);
  equal(timeAfter(video, 4.99), 4.99);
  equal(timeAfter(video, 5), 3);
  equal(timeAfter(video, 7), 3);
}

export function loopTakesWhoSeeksBeforeTheClipToItsStart() {
  const video = addCard({ time: 4 });
  toggleLoop(video);
  equal(timeAfter(video, 1), 3);
  equal(timeAfter(video, 2.6), 2.6);
}

export function loopRepeatsTheShortestClipThatIsPlaying() {
  const video = addCard({ time: 5, clips: [[1, 20], [3, 5], [4, 9]] });
  toggleLoop(video);
  equal(timeAfter(video, 9), 4);
}

export function loopEndsAndNeedsAClip() {
  const video = addCard({ time: 4 });
  toggleLoop(video);
  equal(toggleLoop(video), false);
  equal(timeAfter(video, 5), 5);
  video.currentTime = 50;
  equal(toggleLoop(video), false);
}

export function loopGoesOnAfterTheEndOfTheVideo() {
  const video = addCard({ time: 95, clips: [[90, 100]] });
  toggleLoop(video);
  video.ended = true;
  equal(timeAfter(video, 100), 90);
  equal(video.paused, false);
}

export function otherClipIsLoopedOnlyWhereThereIsALoop() {
  const video = addCard({ time: 4, clips: [[3, 5], [5, 8]] });
  loopOver(video, 5, 8);
  equal(timeAfter(video, 8), 8);
  video.currentTime = 4;
  toggleLoop(video);
  loopOver(video, 5, 8);
  equal(timeAfter(video, 8), 5);
}
