import { enhanceTimelines, follow, listenToTimelines, showTime } from "../../static/timeline.js";
import { addCard, clickLane, drawn, equal, press } from "./made_up.js";

const LANE_PX = 400;

function addListeningCard(options) {
  listenToTimelines();
  document.body.insertAdjacentHTML("beforeend", "<div id='hint' hidden></div>");
  const video = addCard({ duration: 80, clips: [[20, 30], [60, 64]], ...options });
  enhanceTimelines(document);
  return video;
}

export function clickOnALaneSeeksToThatShareOfTheVideo() {
  const video = addListeningCard();
  for (const [percent, time] of [[10, 8], [50, 40], [87.5, 70]]) {
    const event = clickLane((LANE_PX * percent) / 100);
    equal([video.currentTime, video.paused, event.defaultPrevented], [time, false, true]);
  }
}

export function clickOnAClipInALaneSeeksToItsStart() {
  const video = addListeningCard();
  clickLane(LANE_PX * 0.35);
  equal(video.currentTime, 20);
  clickLane(LANE_PX * 0.79);
  equal(video.currentTime, 60);
  clickLane(LANE_PX * 0.81);
  equal(Math.round(video.currentTime * 100), 6480);
}

export function clickBesideALaneStaysWithinTheVideo() {
  const video = addListeningCard({ time: 10 });
  clickLane(-50);
  equal(video.currentTime, 0);
  clickLane(LANE_PX + 50);
  equal(video.currentTime, 80);
}

export function clickWithAModifierIsTheBrowsers() {
  const video = addListeningCard({ time: 10 });
  for (const modifier of ["ctrlKey", "metaKey", "shiftKey"]) {
    equal(clickLane(200, { [modifier]: true }).defaultPrevented, false);
  }
  equal(video.currentTime, 10);
}

export function lengthOfThePlayerCountsWhereTheResultsHaveNone() {
  const video = addListeningCard();
  video.closest("article").querySelector(".timeline").dataset.duration = "0";
  video.duration = 160;
  clickLane(LANE_PX / 2);
  equal(video.currentTime, 80);
}

export function keysSeekOnAFocusedTimeline() {
  const video = addListeningCard({ time: 10 });
  const timeline = document.querySelector(".timeline");
  const times = {
    ArrowRight: 15, ArrowUp: 20, ArrowLeft: 15, ArrowDown: 10,
    PageUp: 18, PageDown: 10, End: 80, Home: 0,
  };
  for (const [key, time] of Object.entries(times)) {
    equal([press(key, timeline).defaultPrevented, key, video.currentTime], [true, key, time]);
  }
  equal(press("ArrowLeft", timeline).defaultPrevented, true);
  equal(video.currentTime, 0);
  equal(press("x", timeline).defaultPrevented, false);
  equal(press("ArrowRight").defaultPrevented, false);
}

export function timelineIsASliderThatTellsTheTime() {
  const video = addListeningCard({ time: 65.25 });
  const timeline = document.querySelector(".timeline");
  const told = ["role", "aria-label", "aria-valuemax", "aria-valuenow", "aria-valuetext"]
    .map((name) => timeline.getAttribute(name));
  equal(told, ["slider", "Playback position", "80", "65.3", "1:05 of 1:20"]);
  video.currentTime = 20;
  showTime(video);
  equal(timeline.querySelector(".playhead").getAttribute("x"), "25.000%");
  video.currentTime = 81;
  showTime(video);
  equal(timeline.querySelector(".playhead").getAttribute("x"), "100.000%");
}

export async function playheadFollowsTheVideoThatWasStartedLast() {
  const [first, second] = [addCard(), addCard({ id: "video-2" })];
  first.paused = second.paused = false;
  follow(first);
  first.paused = true;
  follow(second);
  second.currentTime = 50;
  await drawn();
  equal(document.querySelector("#video-2 .playhead").getAttribute("x"), "50.000%");
  second.paused = true;
  await drawn();
  second.currentTime = 60;
  await drawn();
  equal(document.querySelector("#video-2 .playhead").getAttribute("x"), "50.000%");
}

export function hintDescribesAClipWithThePictureOfItsMiddle() {
  addListeningCard();
  document.querySelector(".timeline").dataset.pictures = "data:image/jpeg,";
  const hint = document.getElementById("hint");
  const clip = document.querySelector(".lane a");
  clip.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  equal([hint.hidden, hint.textContent], [false, "clip at 20"]);
  equal(hint.querySelector("img").getAttribute("src"), "data:image/jpeg,?t=25");
  document.body.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
  equal(hint.hidden, true);
}
