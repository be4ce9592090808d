// Starts the page: connects what happens on it with the modules that act on it.
import { goToLinkedVideo, rememberTime } from "./address.js";
import { enhance, listenToClips } from "./cards.js";
import { markCurrent } from "./clips.js";
import { listenToDrawers } from "./drawer.js";
import { listenToKeys, noteUse } from "./keys.js";
import { keepLoop } from "./loop.js";
import { pauseOthers, showNotice } from "./player.js";
import { follow, listenToTimelines, showTime } from "./timeline.js";
import { listenToView, loadMoreNearEnd } from "./view.js";

/** Events of players do not bubble: they are caught on their way down. */
function onPlayer(name, act) {
  document.addEventListener(name, (event) => {
    if (event.target.matches?.(".screen video")) act(event.target);
  }, true);
}

onPlayer("play", (video) => {
  noteUse(video);
  pauseOthers(video);
  follow(video);
});
onPlayer("timeupdate", (video) => {
  markCurrent(video);
  keepLoop(video);
  showTime(video);
});
onPlayer("ended", keepLoop);
onPlayer("seeked", (video) => {
  showTime(video);
  if (video.paused) rememberTime(video);
});
onPlayer("pause", rememberTime);
onPlayer("error", showNotice);

document.documentElement.classList.add("scripted");
listenToClips();
listenToTimelines();
listenToDrawers();
listenToView();
listenToKeys();
enhance(document);
loadMoreNearEnd();
goToLinkedVideo();
