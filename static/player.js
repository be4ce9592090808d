// What the page does with its players.

/** Plays from a time in seconds; before the metadata is there the browser keeps the time for later. */
export function playFrom(video, start) {
  video.currentTime = start;
  // A play that is overtaken by another seek, or refused by the browser, is no error of the page.
  video.play().catch(() => {});
}

/** Two voices at once are no proof of anything. */
export function pauseOthers(playing, videos) {
  for (const video of videos) {
    if (video !== playing) video.pause();
  }
}

/** Tells eyes and screen readers which of a video's clips is on the screen now. */
export function markCurrent(video, clips) {
  for (const clip of clips) {
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
