import { moveBy, pauseOthers, playFrom, seek, showNotice, toggle } from "../../static/player.js";
import { addCard, equal } from "./made_up.js";

export function seekGoesThereAtOnce() {
  const video = addCard();
  seek(video, 12.5);
  equal(video.currentTime, 12.5);
}

export function seekWaitsForTheLengthAndTheLastOneWins() {
  const video = addCard({ isLoaded: false });
  seek(video, 12);
  seek(video, 30);
  equal([video.currentTime, video.preload], [0, "metadata"]);
  video.readyState = 1;
  video.dispatchEvent(new Event("loadedmetadata"));
  equal(video.currentTime, 30);
  video.currentTime = 50;
  video.dispatchEvent(new Event("loadedmetadata"));
  equal(video.currentTime, 50);
}

export function movesStayWithinTheVideo() {
  const video = addCard({ time: 5, duration: 20 });
  moveBy(video, -10);
  equal(video.currentTime, 0);
  moveBy(video, 4);
  equal(video.currentTime, 4);
  moveBy(video, 100);
  equal(video.currentTime, 20);
}

export function movesBeforeTheLengthIsKnownAddUp() {
  const video = addCard({ isLoaded: false, duration: NaN });
  moveBy(video, 10);
  moveBy(video, 10);
  video.readyState = 1;
  video.dispatchEvent(new Event("loadedmetadata"));
  equal(video.currentTime, 20);
}

export function movesAfterTheLengthIsKnownStartFromTheCurrentTime() {
  const video = addCard({ isLoaded: false });
  seek(video, 30);
  video.readyState = 1;
  video.dispatchEvent(new Event("loadedmetadata"));
  video.currentTime = 50;
  moveBy(video, 10);
  equal(video.currentTime, 60);
}

export function toggleStartsAndPauses() {
  const video = addCard();
  toggle(video);
  equal(video.paused, false);
  toggle(video);
  equal(video.paused, true);
}

export function refusedPlayIsNoError() {
  const video = addCard();
  video.play = async () => { throw new DOMException("", "NotAllowedError"); };
  playFrom(video, 7);
  equal(video.currentTime, 7);
}

export function othersArePaused() {
  const [first, second] = [addCard(), addCard({ id: "video-2" })];
  toggle(first);
  toggle(second);
  pauseOthers(second);
  equal([first.paused, second.paused], [true, false]);
}

export function noticeReplacesThePlayer() {
  const video = addCard();
  showNotice(video);
  equal([video.hidden, video.nextElementSibling.hidden], [true, false]);
}
