// What the page does with its players.

const awaited = new WeakMap();

/** Goes to a time in seconds, once the video's length is known. */
export function seek(video, time) {
  if (video.readyState > 0) {
    video.currentTime = time;
    return;
  }
  const isFirst = !awaited.has(video);
  awaited.set(video, time);
  if (!isFirst) return;
  video.addEventListener("loadedmetadata", () => {
    video.currentTime = awaited.get(video);
    awaited.delete(video);
  }, { once: true });
  video.preload = "metadata";
}

/** Plays from a time in seconds. */
export function playFrom(video, start) {
  seek(video, start);
  // A play that is overtaken by another seek, or refused by the browser, is no error of the page.
  video.play().catch(() => {});
}

/** Starts a paused player, stops a playing one. */
export function toggle(video) {
  if (video.paused) video.play().catch(() => {});
  else video.pause();
}

/** Moves by some seconds, within the video. */
export function moveBy(video, seconds) {
  const end = Number.isFinite(video.duration) ? video.duration : Infinity;
  const now = awaited.get(video) ?? video.currentTime;
  seek(video, Math.min(Math.max(now + seconds, 0), end));
}

/** Two voices at once are no proof of anything. */
export function pauseOthers(playing) {
  for (const video of document.querySelectorAll(".screen video")) {
    if (video !== playing) video.pause();
  }
}

/** Tells eyes and screen readers which of a video's clips is on the screen now. */
export function markCurrent(video) {
  for (const clip of video.closest("article").querySelectorAll("a.clip")) {
    const { start, end } = clip.dataset;
    const isCurrent = video.currentTime >= Number(start) && video.currentTime < Number(end);
    if (isCurrent) clip.setAttribute("aria-current", "true");
    else clip.removeAttribute("aria-current");
  }
}

/** In place of a player that the browser cannot fill, its notice with the file to download. */
export function showNotice(video) {
  video.hidden = true;
  video.nextElementSibling.hidden = false;
}

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

/** Plays the clip before or after the present moment. */
export function playNeighbour(video, direction) {
  const clips = clipTimes(video.closest("article"));
  const now = video.currentTime;
  // Going back, a clip that has only just begun counts as the present one.
  const clip = direction > 0
    ? clips.find((each) => each.start > now + 0.05)
    : clips.findLast((each) => each.start < now - 1);
  if (clip) playFrom(video, clip.start);
}

/** The clip that is played over and over: the tightest around the present moment. */
function clipAt(video) {
  const now = video.currentTime;
  return clipTimes(video.closest("article"))
    .filter((each) => each.start <= now + 0.05 && each.end > now)
    .sort((one, other) => one.end - one.start - (other.end - other.start))[0];
}

const loops = new WeakMap();

/** Begins or ends the loop of the clip that is on the screen; says whether there is one now. */
export function toggleLoop(video) {
  if (loops.delete(video)) return false;
  const clip = clipAt(video);
  if (clip) loops.set(video, clip);
  return Boolean(clip);
}

/** Makes the chosen clip the one that a loop plays, where there is a loop. */
export function loopOver(video, start, end) {
  if (loops.has(video)) loops.set(video, { start, end });
}

/** Goes back to the start of the looped clip once its end is reached. */
export function keepLoop(video) {
  const clip = loops.get(video);
  if (clip && (video.currentTime >= clip.end || video.currentTime < clip.start - 0.5)) {
    video.currentTime = clip.start;
    if (video.ended) video.play().catch(() => {});
  }
}
