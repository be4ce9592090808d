// Plays one clip of a video again and again.
import { clipTimes } from "./clips.js";
import { play } from "./player.js";

// The clip that a video's loop repeats, as {start, end} in seconds.
const loopedClips = new WeakMap();

/** The shortest clip around the current time. */
function clipToLoop(video) {
  const now = video.currentTime;
  return clipTimes(video.closest("article"))
    .filter((each) => each.start <= now + 0.05 && each.end > now)
    .sort((one, other) => one.end - one.start - (other.end - other.start))[0];
}

/** Begins or ends the loop of the clip that is on the screen; returns whether there is one now. */
export function toggleLoop(video) {
  if (loopedClips.delete(video)) return false;
  const clip = clipToLoop(video);
  if (clip) loopedClips.set(video, clip);
  return Boolean(clip);
}

/** Lets a video's loop, if there is one, repeat another clip, from `start` to `end` in seconds. */
export function loopOver(video, start, end) {
  if (loopedClips.has(video)) loopedClips.set(video, { start, end });
}

/** Goes back to the start of the looped clip once its end is reached. */
export function keepLoop(video) {
  const clip = loopedClips.get(video);
  if (clip && (video.currentTime >= clip.end || video.currentTime < clip.start - 0.5)) {
    video.currentTime = clip.start;
    if (video.ended) play(video);
  }
}
