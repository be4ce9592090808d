// Plays, pauses and seeks the video of a card.

// The time to go to once a video's length is known.
const awaitedTimes = new WeakMap();

/** Goes to a time in seconds, once the video's length is known. */
export function seek(video, time) {
  if (video.readyState > 0) {
    video.currentTime = time;
    return;
  }
  const isFirst = !awaitedTimes.has(video);
  awaitedTimes.set(video, time);
  if (!isFirst) return;
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = awaitedTimes.get(video);
    awaitedTimes.delete(video);
  }, { once: true });
  video.preload = "metadata";
}

/** Plays, if the browser allows it. */
export function play(video) {
  // A play that another seek overtakes, or that the browser refuses, is no error of the page.
  video.play().catch(() => {});
}

/** Plays from a time in seconds. */
export function playFrom(video, start) {
  seek(video, start);
  play(video);
}

/** Starts a paused player, pauses a playing one. */
export function toggle(video) {
  if (video.paused) play(video);
  else video.pause();
}

/** Moves by some seconds, but not out of the video. */
export function moveBy(video, seconds) {
  const end = Number.isFinite(video.duration) ? video.duration : Infinity;
  const now = awaitedTimes.get(video) ?? video.currentTime;
  seek(video, Math.min(Math.max(now + seconds, 0), end));
}

/** Pauses every player but one: nobody can follow two voices at once. */
export function pauseOthers(playing) {
  for (const video of document.querySelectorAll(".screen video")) {
    if (video !== playing) video.pause();
  }
}

/** Replaces a player whose file the browser cannot play by its notice. */
export function showNotice(video) {
  video.hidden = true;
  video.nextElementSibling.hidden = false;
}
